"""Models whose every number is a hash of the path that led there.

No two paths share a value, so a search that goes wrong anywhere shows in its
visits. How such a world behaves (how peaked its policy is, how often it ends,
how often a choice is barred) is part of the state: a batch of roots is a batch
of different models, and one compiled search runs them all.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from smuzero.actions.distributions import FactoredCategorical
from smuzero.search.plan import Model

QUICK = {"xla_backend_optimization_level": 0}
"""Compiler options: these programs run once, so that most of a test's time would go into optimising them."""


class State(NamedTuple):
    path: UInt32[Array, "*B"]
    """A hash of the model's number and of the actions so far."""
    depth: Int[Array, "*B"]
    spread: Float[Array, "*B"]
    """The logits lie in [-spread, spread]."""
    terminal: Float[Array, "*B"]
    """How likely a step is to have discount 0."""
    barred: Float[Array, "*B"]
    """How likely a choice is to have logit -inf, below the root."""
    opposed: Float[Array, "*B"]
    """How likely a step is to give the turn to the other player."""
    side: Float[Array, "*B"]
    """Who moves: 1 for the player at the root, -1 for the other."""


def random_roots(seed: int, batch_size: int, terminal: float = 0.1, barred: float = 0.2, opposed: float = 0.0) -> State:
    """As many different models, flat policies and peaked ones among them."""
    draw = np.random.default_rng(seed)
    return State(
        path=jnp.asarray(draw.integers(0, 2**32, batch_size, np.uint32)),
        depth=jnp.zeros(batch_size, jnp.int32),
        spread=jnp.asarray(draw.uniform(0.0, 4.0, batch_size).astype(np.float32)),
        terminal=jnp.full(batch_size, terminal),
        barred=jnp.full(batch_size, barred),
        opposed=jnp.full(batch_size, opposed),
        side=jnp.ones(batch_size),
    )


def repeated(state: State, times: int) -> State:
    """The first root, many times over."""
    return jax.tree.map(lambda x: jnp.repeat(x[:1], times, axis=0), state)


def random_model(policy: FactoredCategorical) -> Model:
    def dynamics(state: State, action: Int[Array, " A"]) -> tuple[State, Array, Array]:
        path = state.path
        for dim in range(policy.num_dims):
            path = _hash(path + action[dim].astype(jnp.uint32) + jnp.uint32(1))
        reward = 2.0 * _fraction(path, 1) - 1.0
        discount = jnp.where(_fraction(path, 2) < state.terminal, 0.0, 0.9 + 0.1 * _fraction(path, 3))
        discount = jnp.where(_fraction(path, 5) < state.opposed, -discount, discount)
        side = jnp.where(discount < 0, -state.side, state.side)
        return state._replace(path=path, depth=state.depth + 1, side=side), reward, discount

    def predict(state: State) -> tuple[Array, Array]:
        entry = jnp.arange(policy.num_logits, dtype=jnp.uint32)
        logits = state.spread * (2.0 * _fraction(state.path, entry + jnp.uint32(1000)) - 1.0)
        is_barred = (_fraction(state.path, entry + jnp.uint32(2000)) < state.barred) & (state.depth > 0)
        # One choice of each dimension is always open.
        is_open = entry % jnp.uint32(policy.num_choices) == state.path % jnp.uint32(policy.num_choices)
        return jnp.where(is_barred & ~is_open, -jnp.inf, logits), 4.0 * _fraction(state.path, 4) - 2.0

    return Model(policy, dynamics, predict)


def _hash(x: UInt32[Array, "*S"]) -> UInt32[Array, "*S"]:
    """The finaliser of MurmurHash3; exact in any program, unlike a matrix product."""
    x = (x ^ (x >> jnp.uint32(16))) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> jnp.uint32(13))) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> jnp.uint32(16))


def _fraction(path: UInt32[Array, ""], use: UInt32[Array, "*S"] | int) -> Float[Array, "*S"]:
    """A number in [0, 1) for one use of a path."""
    bits = _hash(_hash(path) + jnp.asarray(use).astype(jnp.uint32))
    return (bits >> jnp.uint32(8)).astype(jnp.float32) * jnp.float32(2**-24)
