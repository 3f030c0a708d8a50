"""The search of Sampled MuZero, whole: from root states to visit counts (Section 5, Appendices A and D).

What differs from MuZero's search: every node holds K actions drawn from β, not
all of them, and PUCT is given π̂_β in place of π. With `enumerate_actions` it is
MuZero's search. The model is anyone's, given as pure functions of one state; the
search is pure, can be jitted, and runs a batch of trees at once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, UInt32

from smuzero.actions import uniforms
from smuzero.actions.distributions import Policy
from smuzero.search import expand, tree
from smuzero.search.settings import SearchSettings


class Model(NamedTuple):
    """What a search needs of a model: pure functions of ONE state."""

    policy: Policy
    """What the policy's numbers mean."""
    dynamics: Callable[[Any, Array], tuple[Any, Array, Array]]
    """(state, action `[A]`) -> (next state, reward, discount). States are any pytree of arrays."""
    predict: Callable[[Any], tuple[Array, Array]]
    """state -> (policy logits `[P]`, value)."""


class SearchResult(NamedTuple):
    """What a search found at its B roots. Slots with `count` 0 are empty."""

    action: Num[Array, "B K A"]
    words: UInt32[Array, "B K W"]
    """The actions, packed."""
    count: Int[Array, "B K"]
    """How often each action was drawn."""
    prior: Float[Array, "B K"]
    """π̂_β, as PUCT saw it."""
    visits: Int[Array, "B K"]
    q: Float[Array, "B K"]
    """Q(s, a): mean return of the visits; the root evaluation where unvisited, -inf where there is none."""
    value: Float[Array, " B"]
    """The search's value of the root: the mean return over all simulations."""
    raw_value: Float[Array, " B"]
    """The model's own value of the root."""
    tree: tree.Tree


def search(
    key: Array,
    root: Any,
    model: Model,
    settings: SearchSettings | None = None,
    *,
    legal: Bool[Array, "B L"] | None = None,
) -> SearchResult:
    """Plan from `root`, a batch of model states (pytree of `[B, ...]`).

    `legal` restricts the root's actions, one entry per choice of the policy's
    categorical components, each of which needs a legal one. A model that knows the
    rules restricts inner nodes itself, by logits of -inf.
    """
    settings = SearchSettings() if settings is None else settings
    noise_key, draw_key = jax.random.split(key)
    seeds = uniforms.seeds(draw_key)
    batch_size = jax.tree.leaves(root)[0].shape[0]
    logits, raw_value = jax.vmap(model.predict)(root)
    logits = _root_logits(noise_key, model.policy, logits, legal, settings)
    num_slots = model.policy.enumerate_words().shape[0] if settings.enumerate_actions else settings.num_samples

    nodes = tree.empty_tree(root, settings.num_simulations + 1, num_slots, model.policy.num_words, batch_size)
    nothing = jnp.zeros(batch_size)
    nodes = tree.write_states(nodes, 0, root, nothing, nothing)
    nodes, words, count, prior = _write_slots(nodes, 0, logits, seeds, model.policy, settings)
    if settings.evaluate_root:
        nodes = _evaluate_root(nodes, root, words, count, model)
    nodes = jax.lax.fori_loop(
        1, settings.num_simulations + 1, lambda node, t: _simulate(t, node, seeds, model, settings), nodes
    )
    visits, q = nodes.visits[:batch_size].astype(jnp.int32), nodes.q[:batch_size]
    total = jnp.sum(jnp.where(visits > 0, visits.astype(jnp.float32) * q, 0.0), axis=-1)
    return SearchResult(
        action=model.policy.unpack(words),
        words=words,
        count=count,
        prior=jnp.maximum(prior, 0.0),
        visits=visits,
        q=q,
        value=total / settings.num_simulations,
        raw_value=raw_value,
        tree=nodes,
    )


def _root_logits(
    key: Array, policy: Policy, logits: Float[Array, "B P"], legal: Bool[Array, "B L"] | None, settings: SearchSettings
) -> Float[Array, "B _Q"]:
    """π at the root: legal actions only, noise mixed in before β is formed (Section 5.5)."""
    if legal is not None:
        logits = jax.vmap(policy.masked)(logits, legal)
    if settings.noise_fraction == 0:
        return logits
    keys = jax.random.split(key, logits.shape[0])
    noisy = jax.vmap(policy.noisy, in_axes=(0, 0, None, None))
    return noisy(keys, logits, settings.noise_fraction, settings.noise_concentration)


def _write_slots(
    nodes: tree.Tree,
    node: Int[Array, ""] | int,
    logits: Float[Array, "B P"],
    seeds: UInt32[Array, "2"],
    policy: Policy,
    settings: SearchSettings,
) -> tuple[tree.Tree, UInt32[Array, "B K W"], Int[Array, "B K"], Float[Array, "B K"]]:
    """Give node number `node` of every tree its slots; also returns their words, counts and priors."""
    batch_size = logits.shape[0]
    if settings.enumerate_actions:
        words, count, prior = jax.vmap(lambda x: expand.enumerate_all(policy, x))(logits)
        all_words = tree.write_rows(nodes.words, node, words)
    else:
        numbers = uniforms.uniforms(seeds, node, (batch_size, policy.num_uniforms, settings.num_samples))
        words = jax.vmap(lambda x, u: expand.draw(policy, x, u, settings.temperature))(logits, numbers)
        all_words = tree.write_rows(nodes.words, node, words)
        # Read back what was written: XLA would otherwise repeat the sampling in each of the K² comparisons of draws.
        words = all_words[node * batch_size + jnp.arange(batch_size)]
        count, prior = jax.vmap(lambda x, w: expand.weigh(policy, x, w, settings.temperature))(logits, words)
    nodes = nodes._replace(words=all_words, prior=tree.write_rows(nodes.prior, node, prior))
    return nodes, words, count, prior


def _evaluate_root(
    nodes: tree.Tree, root: Any, words: UInt32[Array, "B K W"], count: Int[Array, "B K"], model: Model
) -> tree.Tree:
    """Q(s, a) = r + γ·v for all root slots in one batched call; counts as no visit (Appendix A)."""

    def evaluate(state: Any, slot: UInt32[Array, " W"]) -> Float[Array, ""]:
        after, reward, discount = model.dynamics(state, model.policy.unpack(slot))
        return reward + discount * model.predict(after)[1]

    over_slots = jax.vmap(evaluate, in_axes=(None, 0))
    q = jax.vmap(over_slots)(root, words)
    filled = count > 0
    return nodes._replace(
        q=nodes.q.at[: q.shape[0]].set(jnp.where(filled, q, -jnp.inf)),
        low=jnp.min(jnp.where(filled, q, jnp.inf), axis=-1),
        high=jnp.max(jnp.where(filled, q, -jnp.inf), axis=-1),
    )


def _simulate(
    nodes: tree.Tree, node: Int[Array, ""], seeds: UInt32[Array, "2"], model: Model, settings: SearchSettings
) -> tree.Tree:
    """One simulation in every tree: descend, expand node number `node`, back up."""
    path = tree.descend(nodes, node, settings.num_simulations, settings.c1, settings.c2, settings.min_value_range)
    action = model.policy.unpack(nodes.words.reshape(-1, model.policy.num_words)[path.last])
    latent = jax.tree.map(lambda x: x[path.last // nodes.prior.shape[1]], nodes.latent)
    latent, reward, discount = jax.vmap(model.dynamics)(latent, action)
    logits, value = jax.vmap(model.predict)(latent)
    nodes = tree.write_states(nodes, node, latent, reward, discount)
    nodes = _write_slots(nodes, node, logits, seeds, model.policy, settings)[0]
    return tree.backup(nodes, path, node, value)
