"""Progressive widening: a node that is visited more offers more of its draws (Section 5.4; Chaslot et al. 2008).

The draws of a node are independent of each other, so that to draw once more at a
much-visited node is the same as to uncover one more of K draws made when the
node was added. Shapes stay what they are; what changes with the visits is n, how
many draws count, and with n the counts, β̂ and the prior:

    n(N) = min(K, ⌈k₀·(N + 1)^α⌉),   β̂(a) = Σ_{j<n} [draw j is a] / n
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from smuzero.search import expand
from smuzero.search.settings import SearchSettings


def offered_draws(settings: SearchSettings) -> Int[np.ndarray, " N"]:
    """n(N), the draws that count at a node with N visits to its actions, for N = 0 … `num_simulations` - 1."""
    # Paper: "could in principle be used". Here: the power law usual since Couëtoux et al. 2011, from k₀ draws on.
    start, exponent = settings.widening_start, settings.widening_exponent
    # Without the 1e-9, a power that is a whole number but for rounding would be one too large.
    sizes = [math.ceil(start * (visits + 1) ** exponent - 1e-9) for visits in range(settings.num_simulations)]
    return np.minimum(sizes, settings.num_samples).astype(np.int32)


def counts(first: Int[Array, " K"], num_draws: Int[Array, ""]) -> Int[Array, " K"]:
    """How often each slot's action is among the first `num_draws` draws, given the first draw of each one's action."""
    draws = jnp.arange(first.shape[0])
    is_counted = (first[:, None] == draws[None, :]) & (draws < num_draws)[:, None]
    return jnp.sum(is_counted, axis=0, dtype=jnp.int32)


def priors(
    first: Int[Array, "B K"],
    log_weight: Float[Array, "B K"] | None,
    num_draws: Int[Array, " B"],
    settings: SearchSettings,
) -> Float[Array, "B K"]:
    """What PUCT has in place of π at nodes that offer their first `num_draws` draws."""

    def one(first: Array, log_weight: Array | None, num_draws: Array) -> Array:
        return expand.prior(counts(first, num_draws), num_draws, log_weight, settings)

    return jax.vmap(one)(first.astype(jnp.int32), log_weight, num_draws)
