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
from smuzero.agent.acting import Act, Remembered, make_plan, search_model
from smuzero.envs.base import Env
from smuzero.experiments.diagnosis import numbers
from smuzero.networks.network import Network, Params
from smuzero.search.settings import SearchSettings


class Visit(NamedTuple):
    """One state that was met."""

    env: int
    """Which environment met it."""
    seen: Num[np.ndarray, "..."]
    """What `represent` takes: the observation, or with an LSTM what is remembered up to and with it."""
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
    """What is asked of a network, compiled; `seen` is as in `Visit`."""

    memory_size: int
    """m, the numbers that an LSTM remembers; 0 where there is none."""
    see: Callable[..., Num[Array, "K ..."]]
    """(params, memories `[K, m]` before, observations `[K, ...]`) -> seen."""
    candidates: Callable[..., Any]
    """(params, key, seen `[1, ...]`, legal) -> SearchResult, whose drawn actions are the candidates."""
    one_step: Callable[..., tuple[Float[Array, " K"], Float[Array, " K"]]]
    """(params, seen, actions `[K, A]`) -> rewards and next values by the model."""
    value: Callable[..., Float[Array, " K"]]
    """(params, seen `[K, ...]`) -> values."""
    entropy: Callable[..., Float[Array, ""]]
    """(params, seen, legal) -> entropy of the policy."""


def make_heads(network: Network, policy: Policy, settings: SearchSettings, discount: float) -> Heads:
    """`settings` say how candidates are drawn: see `candidate_settings`."""

    def see(params: Params, memories: Array, observations: Array) -> Array:
        if network.recall is None:
            return observations
        return jax.vmap(network.recall, in_axes=(None, 0, 0))(params, memories, observations)

    def one_step(params: Params, seen: Array, actions: Array) -> tuple[Array, Array]:
        model = search_model(network, policy, params, discount)
        latent = network.represent(params, seen)
        following, reward, _ = jax.vmap(model.dynamics, in_axes=(None, 0))(latent, actions)
        return reward, jax.vmap(model.predict)(following)[1]

    def value(params: Params, seen: Array) -> Array:
        latents = jax.vmap(network.represent, in_axes=(None, 0))(params, seen)
        return jax.vmap(search_model(network, policy, params, discount).predict)(latents)[1]

    def entropy(params: Params, seen: Array, legal: Array | None) -> Array:
        logits = network.predict(params, network.represent(params, seen))[0]
        return policy.entropy(logits if legal is None else policy.masked(logits, legal))

    plan = make_plan(network, policy, settings, discount)
    return Heads(network.memory_size, jax.jit(see), plan, jax.jit(one_step), jax.jit(value), jax.jit(entropy))


def candidate_settings(settings: SearchSettings, policy: Policy, most: int, uniform: bool) -> SearchSettings:
    """A search that draws candidates and does as little else as it can.

    All actions where there are at most `most`; else `most` draws, either as the
    acting search draws at its root, noise included, or uniform.
    """
    changes: dict[str, Any] = {"num_simulations": 1, "widening_start": 0, "correct_backup": False}
    if policy.num_actions is not None and policy.num_actions <= most:
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
    memory = np.zeros((len(envs), heads.memory_size), np.float32)
    rows: list[list[tuple[float, ...]]] = [[] for _ in envs]
    for step in range(steps):
        mask = _masks(space, legal)
        seen = np.stack(observation)
        given = Remembered(seen, memory) if heads.memory_size else seen
        decision = jax.tree.map(np.asarray, act(params, jax.random.fold_in(key, step), given, mask))
        if heads.memory_size:
            seen = memory = np.asarray(decision.memory)
        actions = decode_each(space, decision.action)
        for index in tuple(running):
            keeper.offer(index, seen[index], legal[index], envs[index])
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
    last_value = np.asarray(heads.value(params, heads.see(params, memory, np.stack(observation))))
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
    return np.array([float(heads.entropy(params, visit.seen, mask)) for visit, mask in rows], np.float64)


def _judge_state(env: Env, visit: Visit, heads: Heads, params: Params, space: ActionSpace, key: Array) -> Judged:
    mask = policy_mask(space, visit.legal)
    found = heads.candidates(params, key, visit.seen[None], None if mask is None else mask[None])
    actions, exists = np.asarray(found.action[0]), np.asarray(found.count[0]) > 0
    model_reward, model_value = (np.asarray(x) for x in heads.one_step(params, visit.seen, actions))
    reward, discount = np.zeros(len(actions), np.float32), np.zeros(len(actions), np.float32)
    following = np.zeros((len(actions), *env.spec.observation_shape), env.spec.observation_dtype)
    for slot in np.flatnonzero(exists):
        env.restore(visit.state)
        answer = env.step(space.decode(actions[slot]))
        reward[slot], discount[slot], following[slot] = answer.reward, answer.discount, answer.observation
    before = np.broadcast_to(visit.seen, (len(actions), *visit.seen.shape))
    value = discount * np.asarray(heads.value(params, heads.see(params, before, following)))
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


class _Keeper:
    """Keeps some of a stream whose length nobody knows, each element as likely as any other (reservoir sampling)."""

    def __init__(self, most: int, seed: int):
        self.kept: list[Visit] = []
        self._most, self._seen, self._generator = most, 0, np.random.default_rng(seed)

    def offer(self, index: int, seen: Num[np.ndarray, "..."], legal: Bool[np.ndarray, " N"] | None, env: Env) -> None:
        """The state that `env` is in; it is asked for only if it is kept."""
        place = self._seen if self._seen < self._most else int(self._generator.integers(self._seen + 1))
        self._seen += 1
        if place < self._most:
            self.kept[place : place + 1] = [Visit(index, seen.copy(), legal, env.state())]
