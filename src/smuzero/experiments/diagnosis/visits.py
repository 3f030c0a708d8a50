"""States met while acting without noise, and what candidate actions truly lead to from there.

Every environment plays one episode. Of all steps some are kept, uniformly, with
the simulator's state; afterwards each is put back, once for every candidate.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Float64, Num

from smuzero.actions.distributions import Policy
from smuzero.actions.masks import policy_mask
from smuzero.actions.spaces import ActionSpace, decode_each
from smuzero.agent.acting import Act, make_plan, search_model
from smuzero.envs.base import Env
from smuzero.experiments.diagnosis import numbers
from smuzero.networks.model import Network, Params
from smuzero.search.settings import SearchSettings


class Visit(NamedTuple):
    """One state that was met."""

    env: int
    """Which environment met it."""
    observation: Num[np.ndarray, "..."]
    legal: Bool[np.ndarray, " N"] | None
    state: dict[str, Any]
    """The simulator's."""


class Met(NamedTuple):
    """What the episodes brought, over all their n steps; and the states kept of them."""

    raw_value: Float64[np.ndarray, " n"]
    """The network's value,"""
    search_value: Float64[np.ndarray, " n"]
    """the search's,"""
    returned: Float64[np.ndarray, " n"]
    """and the discounted return that followed, bootstrapped where the episode was cut or met its time limit."""
    visit_entropy: Float64[np.ndarray, " n"]
    q_spread: Float64[np.ndarray, " n"]
    scores: list[float]
    """Undiscounted return of each episode."""
    frames_per_step: float
    visits: list[Visit]


class Judged(NamedTuple):
    """S states and up to K candidate actions in each: what the model says of them, and what is so."""

    exists: Bool[np.ndarray, "S K"]
    """Whether there is a candidate; the rest holds zeros where not."""
    model_reward: Float32[np.ndarray, "S K"]
    model_value: Float32[np.ndarray, "S K"]
    """v(dynamics(s, a))"""
    reward: Float32[np.ndarray, "S K"]
    value: Float32[np.ndarray, "S K"]
    """d·v(represent(s')), with the discount d of the true step."""


class Heads(NamedTuple):
    """What is asked of a network, compiled."""

    candidates: Callable[..., Any]
    """(params, key, observation `[1, ...]`, legal) -> SearchResult, whose drawn actions are the candidates."""
    one_step: Callable[..., tuple[Float[Array, " K"], Float[Array, " K"]]]
    """(params, observation, actions `[K, A]`) -> rewards and next values by the model."""
    value: Callable[..., Float[Array, " K"]]
    """(params, observations `[K, ...]`) -> values."""
    entropy: Callable[..., Float[Array, ""]]
    """(params, observation, legal) -> entropy of the policy."""


def make_heads(network: Network, policy: Policy, settings: SearchSettings, discount: float) -> Heads:
    """`settings` say how candidates are drawn: see `candidate_settings`."""

    def one_step(params: Params, observation: Array, actions: Array) -> tuple[Array, Array]:
        model = search_model(network, policy, params, discount)
        latent = network.represent(params, observation)
        following, reward, _ = jax.vmap(model.dynamics, in_axes=(None, 0))(latent, actions)
        return reward, jax.vmap(model.predict)(following)[1]

    def value(params: Params, observations: Array) -> Array:
        latents = jax.vmap(network.represent, in_axes=(None, 0))(params, observations)
        return jax.vmap(search_model(network, policy, params, discount).predict)(latents)[1]

    def entropy(params: Params, observation: Array, legal: Array | None) -> Array:
        logits = network.predict(params, network.represent(params, observation))[0]
        return policy.entropy(logits if legal is None else policy.masked(logits, legal))

    plan = make_plan(network, policy, settings, discount)
    return Heads(plan, jax.jit(one_step), jax.jit(value), jax.jit(entropy))


def candidate_settings(settings: SearchSettings, policy: Policy, most: int, uniform: bool) -> SearchSettings:
    """A search that draws candidates and does as little else as it can.

    All actions where there are at most `most`; else `most` draws, either as the
    acting search draws at its root, noise included, or uniform.
    """
    changes: dict[str, Any] = {"num_simulations": 1, "widening_start": 0, "correct_backup": False}
    if _count(policy) <= most:
        return dataclasses.replace(settings, enumerate_actions=True, noise_fraction=0.0, **changes)
    if uniform:
        changes |= {"proposal": "uniform", "mixed_fraction": 0.0, "noise_fraction": 0.0}
    return dataclasses.replace(settings, enumerate_actions=False, num_samples=most, **changes)


def play(
    envs: Sequence[Env],
    act: Act,
    heads: Heads,
    params: Params,
    space: ActionSpace,
    *,
    gamma: float,
    states: int,
    steps: int,
    seed: int,
) -> Met:
    """One episode in each environment, cut after `steps`; `states` of its steps are kept."""
    keeper, key = _Keeper(states, seed), jax.random.key(seed)
    observation, running = [env.reset() for env in envs], list(range(len(envs)))
    legal = [env.legal for env in envs]
    rows: list[list[tuple[float, ...]]] = [[] for _ in envs]
    for step in range(steps):
        mask = _masks(space, legal)
        decision = act(params, jax.random.fold_in(key, step), np.stack(observation), mask)
        decision = jax.tree.map(np.asarray, decision)
        actions = decode_each(space, decision.action)
        for index in tuple(running):
            keeper.offer(index, observation[index], legal[index], envs[index])
            answer = envs[index].step(actions[index])
            said = (decision.raw_value, decision.value, decision.visit_entropy, decision.q_spread)
            rows[index].append((answer.reward, answer.discount, answer.frames, *(float(x[index]) for x in said)))
            observation[index] = answer.observation
            if answer.is_last:
                running.remove(index)
            else:
                legal[index] = answer.legal
        if not running:
            break
    last_value = np.asarray(heads.value(params, np.stack(observation)))
    return _met([np.array(row) for row in rows], last_value, gamma, keeper.kept)


def can_go_back(envs: Sequence[Env], visits: Sequence[Visit]) -> bool:
    """Whether the environments can be put back into a state that was met. Afterwards they are to be reset."""
    return envs[visits[0].env].restore(visits[0].state)


def judge(
    envs: Sequence[Env], visits: Sequence[Visit], heads: Heads, params: Params, space: ActionSpace, seed: int
) -> Judged:
    """Every candidate of every state, by the model and by the simulator."""
    key = jax.random.key(seed)
    rows = [
        _judge_state(envs[visit.env], visit, heads, params, space, jax.random.fold_in(key, number))
        for number, visit in enumerate(visits)
    ]
    return Judged(*(np.stack(column) for column in zip(*rows, strict=True)))


def policy_entropies(
    visits: Sequence[Visit], heads: Heads, params: Params, space: ActionSpace
) -> Float64[np.ndarray, " S"]:
    """Nats, at each state."""
    masks = [policy_mask(space, visit.legal) for visit in visits]
    rows = zip(visits, masks, strict=True)
    return np.array([float(heads.entropy(params, visit.observation, mask)) for visit, mask in rows], np.float64)


def _judge_state(env: Env, visit: Visit, heads: Heads, params: Params, space: ActionSpace, key: Array) -> Judged:
    mask = policy_mask(space, visit.legal)
    found = heads.candidates(params, key, visit.observation[None], None if mask is None else mask[None])
    actions, exists = np.asarray(found.action[0]), np.asarray(found.count[0]) > 0
    model_reward, model_value = (np.asarray(x) for x in heads.one_step(params, visit.observation, actions))
    reward, discount = np.zeros(len(actions), np.float32), np.zeros(len(actions), np.float32)
    following = np.stack([visit.observation] * len(actions))
    for slot in np.flatnonzero(exists):
        env.restore(visit.state)
        answer = env.step(space.decode(actions[slot]))
        reward[slot], discount[slot], following[slot] = answer.reward, answer.discount, answer.observation
    value = discount * np.asarray(heads.value(params, following))
    return Judged(exists, *(np.where(exists, x, np.float32(0)) for x in (model_reward, model_value, reward, value)))


def _masks(space: ActionSpace, legal: list[Bool[np.ndarray, " N"] | None]) -> Bool[np.ndarray, "E L"] | None:
    """Of all environments, or None where everything is legal in them."""
    there = [mask for mask in legal if mask is not None]
    return policy_mask(space, np.stack(there)) if there else None


def _met(
    episodes: list[Float64[np.ndarray, "_ 7"]], last_value: Float32[np.ndarray, " E"], gamma: float, visits: list[Visit]
) -> Met:
    returned = [
        numbers.returns_of(rows[:, 0], rows[:, 1], float(value), gamma)
        for rows, value in zip(episodes, last_value, strict=True)
    ]
    _, _, frames, raw_value, search_value, visit_entropy, q_spread = np.concatenate(episodes).T
    return Met(
        raw_value=raw_value,
        search_value=search_value,
        returned=np.concatenate(returned),
        visit_entropy=visit_entropy,
        q_spread=q_spread,
        scores=[float(rows[:, 0].sum()) for rows in episodes],
        frames_per_step=float(frames.mean()),
        visits=visits,
    )


def _count(policy: Policy) -> float:
    """How many actions there are, as far as a search could list them."""
    try:
        return float(len(policy.enumerate_words()))
    except ValueError:
        return float("inf")


class _Keeper:
    """Keeps some of a stream whose length nobody knows, each element as likely as any other (reservoir sampling)."""

    def __init__(self, most: int, seed: int):
        self.kept: list[Visit] = []
        self._most, self._seen, self._generator = most, 0, np.random.default_rng(seed)

    def offer(
        self, index: int, observation: Num[np.ndarray, "..."], legal: Bool[np.ndarray, " N"] | None, env: Env
    ) -> None:
        """The state that `env` is in; it is asked for only if it is kept."""
        place = self._seen if self._seen < self._most else int(self._generator.integers(self._seen + 1))
        self._seen += 1
        if place < self._most:
            self.kept[place : place + 1] = [Visit(index, observation.copy(), legal, env.state())]
