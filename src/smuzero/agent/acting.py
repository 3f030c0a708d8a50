"""From observations to actions: where the search meets the network (Sections 5.2 and 5.3).

Behaviour is sampled from the root's visits N(s, a)/ΣN; evaluation takes the most
visited action and adds no noise (Appendix A).
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray, UInt32

from smuzero.actions.distributions import Policy
from smuzero.agent.improvement import VISITS, ImprovementSettings, improved_policy
from smuzero.networks.network import Network, Params
from smuzero.search.plan import Model, SearchResult, search
from smuzero.search.settings import SearchSettings


class Decision(NamedTuple):
    """What E agents decided, and what the replay has to remember of it."""

    action: Num[Array, "E A"]
    words: UInt32[Array, "E K W"]
    """The root's sampled actions, packed."""
    visits: Float[Array, "E K"]
    """What the policy is to learn of them: visits, or an operator's probabilities (`ImprovementSettings`)."""
    value: Float[Array, " E"]
    """The search's value of the root."""
    raw_value: Float[Array, " E"]
    """The network's value of the root."""
    visit_entropy: Float[Array, " E"]
    """Nats."""
    q_spread: Float[Array, " E"]
    """Largest minus smallest Q among the root's actions."""
    memory: Float[Array, "E m"] | None = None
    """What the network remembers from here on; None where it remembers nothing."""


class Remembered(NamedTuple):
    """What a network with an LSTM acts on."""

    observation: Num[Array, "E ..."] | Num[np.ndarray, "E ..."]
    memory: Float[Array, "E m"] | Float[np.ndarray, "E m"]
    """From before the observation; 0 where an episode starts."""


Observations = Num[Array, "E ..."] | Num[np.ndarray, "E ..."] | Remembered
Legal = Bool[Array, "E L"] | Bool[np.ndarray, "E L"] | None
Act = Callable[[Params, PRNGKeyArray, Observations, Legal], Decision]


def search_model(network: Network, policy: Policy, params: Params, discount: float) -> Model:
    """The network as the search sees it: scalars in place of categorical outputs."""

    def dynamics(latent: Any, action: Array) -> tuple[Any, Array, Array]:
        latent, reward_logits = network.dynamics(params, latent, action)
        return latent, network.reward_support.decode(reward_logits), jnp.float32(discount)

    def predict(latent: Any) -> tuple[Array, Array]:
        policy_logits, value_logits = network.predict(params, latent)
        return policy_logits, network.value_support.decode(value_logits)

    return Model(policy, dynamics, predict)


def make_plan(
    network: Network, policy: Policy, settings: SearchSettings, discount: float
) -> Callable[[Params, PRNGKeyArray, Observations, Legal], SearchResult]:
    """The compiled search from a batch of observations, or of memories of them where the network has an LSTM."""

    def plan(params: Params, key: PRNGKeyArray, observation: Array, legal: Array | None) -> SearchResult:
        root = jax.vmap(network.represent, in_axes=(None, 0))(params, observation)
        return search(key, root, search_model(network, policy, params, discount), settings, legal=legal)

    return jax.jit(plan)


def make_act(
    network: Network,
    policy: Policy,
    settings: SearchSettings,
    discount: float,
    temperature: float = 1.0,
    improvement: ImprovementSettings = VISITS,
) -> Act:
    """The compiled way to act: search, then choose by visits, or by the improved policy if it `acts`.

    `temperature` 1 samples from N/ΣN (Section 5.3), lower sharpens it as
    N^(1/temperature), 0 takes the most visited action. A network with an LSTM acts on
    `Remembered`, and its decision says what to remember.
    """
    plan = make_plan(network, policy, settings, discount)

    def act(params: Params, key: PRNGKeyArray, observation: Any, legal: Array | None) -> Decision:
        search_key, choice_key = jax.random.split(key)
        memory = None
        if network.recall is not None:
            memory = jax.vmap(network.recall, in_axes=(None, 0, 0))(params, observation.memory, observation.observation)
            observation = memory
        found = plan(params, search_key, observation, legal)
        improved = improved_policy(found, improvement, settings)
        slot = choose(choice_key, found, improved if improvement.acts else None, temperature)
        return decide(found, slot, improved)._replace(memory=memory)

    return jax.jit(act)


def decide(found: SearchResult, slot: Int[Array, " E"], improved: Float[Array, "E K"]) -> Decision:
    """The decision for one slot of each root, with what is to be remembered and logged of its search.

    `improved` is what the policy is to learn of the root's actions.
    """
    visits = found.visits.astype(jnp.float32)
    probs = visits / jnp.sum(visits, axis=-1, keepdims=True)
    finite = jnp.isfinite(found.q)
    highest = jnp.max(jnp.where(finite, found.q, -jnp.inf), axis=-1)
    lowest = jnp.min(jnp.where(finite, found.q, jnp.inf), axis=-1)
    return Decision(
        action=jnp.take_along_axis(found.action, slot[:, None, None], axis=1)[:, 0],
        words=found.words,
        visits=improved,
        value=found.value,
        raw_value=found.raw_value,
        visit_entropy=-jnp.sum(probs * jnp.log(jnp.maximum(probs, 1e-30)), axis=-1),
        q_spread=highest - lowest,
    )


def choose(
    key: PRNGKeyArray, found: SearchResult, improved: Float[Array, "E K"] | None, temperature: float
) -> Int[Array, " E"]:
    """The slot of every root's action: by its visits, or by the improved policy where that acts."""
    if improved is None:
        return choose_slot(key, found.visits, found.prior, temperature)
    return choose_slot(key, improved, jnp.zeros_like(found.prior), temperature)


def choose_slot(
    key: PRNGKeyArray, visits: Num[Array, "E K"], prior: Float[Array, "E K"], temperature: float
) -> Int[Array, " E"]:
    """One slot a row, drawn in proportion to N^(1/temperature); at 0 the most visited, ties by the prior."""
    if temperature == 0:
        # A prior is at most 1, so half of one never outweighs a visit.
        return jnp.argmax(visits.astype(jnp.float32) + 0.5 * prior, axis=-1)
    logits = jnp.log(visits.astype(jnp.float32)) / temperature
    return jax.random.categorical(key, logits, axis=-1)


def evaluation_settings(settings: SearchSettings) -> SearchSettings:
    """The same search without exploration noise (Appendix A)."""
    return dataclasses.replace(settings, noise_fraction=0.0)
