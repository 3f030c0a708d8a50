"""A bracketed root, found to the last bit in a fixed number of steps.

MuZero's regularised operator has no closed form for its normaliser: it is the
root of Σ_a w_a/(z + d_a) = 1. The sum falls as z grows, so halving a bracket
cannot fail; halving the *bit patterns* of its ends, which for positive floats
are ordered as the floats are, reaches neighbouring floats in 31 steps (63 in
double precision), however many orders of magnitude the bracket spans.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_BITS = {"float32": jnp.int32, "float64": jnp.int64}


def reciprocal_root(weight: Float[Array, " K"], deficit: Float[Array, " K"]) -> Float[Array, ""]:
    """The z > 0 with Σ_a w_a / (z + d_a) = 1, for w ≥ 0 and finite d ≥ 0 whose smallest, at a w > 0, is 0.

    The root lies between max_a (w_a − d_a), where one term alone reaches 1, and
    Σ_a w_a, where all terms together cannot exceed it (Grill et al. 2020). Where
    all weights are 0 there is no root; the answer then is a small positive number.
    Carries no gradient.
    """
    weight, deficit = jax.lax.stop_gradient((weight, deficit))
    kind = _BITS[weight.dtype.name]
    tiny = float(jnp.finfo(weight.dtype).tiny)

    def total(z: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.sum(weight / (z + deficit))

    def number(bits: Array) -> Array:
        return jax.lax.bitcast_convert_type(bits, weight.dtype)

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = low + (high - low) // 2
        is_below = total(number(middle)) > 1.0
        return jnp.where(is_below, middle, low), jnp.where(is_below, high, middle)

    # Twice the upper bound: its own sum is rounded, the bracket must not be.
    ends = jnp.maximum(jnp.max(weight - deficit), tiny), jnp.maximum(2.0 * jnp.sum(weight), tiny)
    low, high = jax.lax.fori_loop(
        0, jnp.finfo(weight.dtype).bits - 1, halve, tuple(jax.lax.bitcast_convert_type(end, kind) for end in ends)
    )
    low, high = number(low), number(high)
    return jnp.where(jnp.abs(total(low) - 1.0) < jnp.abs(total(high) - 1.0), low, high)
