"""PUCT: which of a node's sampled actions a simulation follows (Section 5.1, Appendix D).

    argmax_a  Q(s, a) + c(s) · π̂_β(s, a) · √Σ_b N(s, b) / (1 + N(s, a))
    c(s) = c1 + log((1 + c2 + Σ_b N(s, b)) / c2)

Q is first brought to [0, 1] by the smallest and the largest value met in the
tree so far, as in MuZero.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

TIE_BREAK = 1e-6
"""Stands for √ΣN where no action was visited yet: far below any difference of Q, so it only orders ties."""


def normalised_value(
    q: Float[Array, "B K"], low: Float[Array, " B"], high: Float[Array, " B"], min_range: float
) -> Float[Array, "B K"]:
    """(Q - low) / (high - low), in [0, 1]; 0 for an action without an estimate (Q = -inf).

    `min_range` keeps a tree whose values hardly differ from being stretched to
    the full range: there, differences are the noise of the network.
    """
    # Paper: silent on unvisited actions inside the tree. Here: the tree's minimum, as in MuZero's pseudocode.
    scaled = (q - low[:, None]) / jnp.maximum(high - low, min_range)[:, None]
    return jnp.clip(scaled, 0.0, 1.0)


def exploration(parent_visits: Float[Array, " n"], c1: float, c2: float) -> Float[Array, " n"]:
    """c(s)·√ΣN of nodes with ΣN = `parent_visits`: all of PUCT that does not depend on the action."""
    c = c1 + jnp.log((1.0 + c2 + parent_visits) / c2)
    # Paper: at ΣN = 0 the exploration term is 0 for every action. Here: such ties are broken by the prior.
    return c * (jnp.sqrt(parent_visits) + TIE_BREAK)


def bracket(
    q_normalised: Float[Array, "B K"],
    prior: Float[Array, "B K"],
    visits: Int[Array, "B K"],
    exploration: Float[Array, " B"],
) -> Float[Array, "B K"]:
    """What PUCT maximises, given `exploration` of each node; -inf for an empty slot, whose `prior` is -inf."""
    return q_normalised + exploration[:, None] * prior / (1.0 + visits.astype(jnp.float32))


def puct_score(
    q_normalised: Float[Array, "B K"],
    prior: Float[Array, "B K"],
    visits: Int[Array, "B K"],
    c1: float,
    c2: float,
) -> Float[Array, "B K"]:
    """The whole formula at once; a descent looks `exploration` up in a table instead, by the ΣN it knows."""
    parent = jnp.sum(visits.astype(jnp.float32), axis=-1)
    return bracket(q_normalised, prior, visits, exploration(parent, c1, c2))
