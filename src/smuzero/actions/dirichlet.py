"""Dirichlet noise at a search's root, cheap enough for one that takes a millisecond (Section 5.5).

A Dirichlet draw is a set of gamma draws, normalised. Rejection, the usual way to
a gamma draw, needs a dozen logarithms and a loop; here each is one uniform number
put through the quantile function of the gamma law, which is smooth once its
power law at zero is taken out, and so is read from a table.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import special

from smuzero.actions import uniforms

_CELLS = 2048
"""Cells of the table: linear interpolation in so many is as exact as float32."""
_LEAST = 2.0**-25
"""Half the spacing of the uniform numbers, so that 0 has a logarithm."""
_LARGEST = float(-np.log(_LEAST))


def dirichlet(key: Array, concentration: float, allowed: Bool[Array, "A M"]) -> Float[Array, "A M"]:
    """One symmetric Dirichlet(α) draw a row, over its allowed entries; the rest are zero.

    Normalised in log space: with α well below 1 most gamma draws are too small for float32.
    """
    numbers = uniforms.uniforms(uniforms.seeds(key), 0, allowed.shape)
    exponential = -jnp.log(jnp.maximum(numbers, _LEAST))
    return jax.nn.softmax(jnp.where(allowed, log_gamma_quantile(exponential, concentration), -jnp.inf), axis=-1)


def log_gamma_quantile(exponential: Float[Array, "..."], concentration: float) -> Float[Array, "..."]:
    """log of the x with P(Gamma(α) > x) = exp(-e), for e in (0, 17.3]: a gamma draw for an exponential one.

    At small e, x is (e·αΓ(α))^(1/α); the table holds what log x is beyond log(e)/α, over e^(1/max(α, 1)), in which
    that rest is smooth.
    """
    log_e = jnp.log(exponential)
    place = exponential if concentration <= 1 else jnp.exp(log_e / concentration)
    table, cells_per_unit = _table(concentration)
    position = place * cells_per_unit
    cell = jnp.minimum(position.astype(jnp.int32), _CELLS - 1)
    values = jnp.asarray(table)
    low, high = values[cell], values[cell + 1]
    return log_e / concentration + low + (high - low) * (position - cell.astype(jnp.float32))


@functools.lru_cache
def _table(concentration: float) -> tuple[np.ndarray, np.float32]:
    """The rest of the log quantile at the cells' borders, and the cells in one unit of e^(1/max(α, 1))."""
    power = max(concentration, 1.0)
    places = np.linspace(0.0, _LARGEST ** (1.0 / power), _CELLS + 1)
    exponential = places[1:] ** power
    upper = exponential > 0.7
    quantile = np.where(
        upper,
        special.gammainccinv(concentration, np.exp(-exponential)),
        special.gammaincinv(concentration, -np.expm1(-exponential)),
    )
    at_zero = special.gammaln(concentration + 1.0) / concentration
    # Where the quantile is too small for float64, the power law at zero is all there is.
    is_tiny = quantile < 1e-300
    rest = np.where(is_tiny, at_zero, np.log(np.maximum(quantile, 1e-300)) - np.log(exponential) / concentration)
    return np.concatenate([[at_zero], rest]).astype(np.float32), np.float32(_CELLS / places[-1])
