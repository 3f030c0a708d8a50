"""PUCT: which of a node's sampled actions a simulation follows (Section 5.1, Appendix D).

    argmax_a  Q(s, a) + c(s) · π̂_β(s, a) · √Σ_b N(s, b) / (1 + N(s, a))
    c(s) = c1 + log((1 + c2 + Σ_b N(s, b)) / c2)

Q is first brought to [0, 1] by the smallest and the largest value met in the
tree so far, as in MuZero. With two players both are kept as the player at the
root sees them; what is the largest for one is the smallest for the other.
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
    # Paper: silent on unvisited actions inside the tree. Here: the tree's minimum, as in MuZero's pseudocode;
    # `SearchSettings.unvisited` offers the parent's value.
    scaled = (q - low[:, None]) / jnp.maximum(high - low, min_range)[:, None]
    return jnp.clip(scaled, 0.0, 1.0)


def range_of_mover(
    low: Float[Array, " B"], high: Float[Array, " B"], side: Float[Array, " B"]
) -> tuple[Float[Array, " B"], Float[Array, " B"]]:
    """The smallest and largest value as the player to move sees them; `side` is -1 for the root's opponent."""
    # Paper: silent, "as MuZero", whose pseudocode takes board values to lie in [-1, 1]. Here: one range, mirrored.
    is_own = side > 0
    return jnp.where(is_own, low, -high), jnp.where(is_own, high, -low)


def mean_value(
    q: Float[Array, "B K"], visits: Int[Array, "B K"], log_correction: Float[Array, "B K"] | None = None
) -> Float[Array, " B"]:
    """Σ_a f(a)·Q(a) over the visited actions, 0 where there are none.

    f is N/ΣN; or, given `log_correction` = log β̂/β, the sample-based improved
    policy (β̂/β)·N that Section 5.1 names for value backpropagation, normalised.
    """
    weight = visits.astype(jnp.float32)
    if log_correction is not None:
        exponent = jnp.where(visits > 0, log_correction, -jnp.inf)
        # An unvisited node has no largest exponent.
        largest = jnp.maximum(jnp.max(exponent, axis=-1, keepdims=True), jnp.finfo(jnp.float32).min)
        weight = weight * jnp.exp(exponent - largest)
    total = jnp.sum(jnp.where(visits > 0, weight * q, 0.0), axis=-1)
    # One visited action has weight 1 or more, so that the 1 stands in only where nothing was visited.
    return total / jnp.maximum(jnp.sum(weight, axis=-1), 1.0)


def node_value(
    raw_value: Float[Array, " B"],
    q: Float[Array, "B K"],
    visits: Int[Array, "B K"],
    log_correction: Float[Array, "B K"] | None = None,
) -> Float[Array, " B"]:
    """A node's value after n = ΣN visits to its actions: (v + n·`mean_value`) / (1 + n).

    Without correction this is the mean of all returns through the node, the
    model's own value v that its first visit brought among them.
    """
    number = jnp.sum(visits.astype(jnp.float32), axis=-1)
    return (raw_value + number * mean_value(q, visits, log_correction)) / (1.0 + number)


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
