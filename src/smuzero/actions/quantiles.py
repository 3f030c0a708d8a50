"""The normal quantile, made for a search, which draws K·A normal numbers at every node.

It is odd about u = 1/2 and close to a function of w = -log(4u(1 - u)) that has no kinks:

    Φ^-1(u) = (2u - 1)·P(√(w + 2)),   0 ≤ w < 16 for every u between `LEAST` and `GREATEST`

P is a polynomial of degree 9, interpolated here at Chebyshev's points; with a
logarithm that knows only the numbers it is asked for, the value is good to 2e-5
of itself. Beyond 3.5 the steps of `uniforms` are coarser than that. XLA's
`erf_inv` computes `log1p` and two polynomials of which it takes one: five times
the work.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import Polynomial, chebyshev
from scipy.special import ndtri

LEAST = 2.0**-25
"""Half a step of `uniforms` above 0, which itself has no finite quantile."""
GREATEST = 1.0 - 2.0**-24
"""The largest float32 below 1."""

DEGREE, SHIFT = 9, 2.0
ENDS = SHIFT**0.5, (SHIFT - float(np.log(4.0 * LEAST))) ** 0.5

LOG_DEGREE = 4
ROOT_HALF = 0x3F3504F3
"""The bits of √½."""


def _coefficients() -> list[float]:
    """P's, lowest power first, of a variable that runs from -1 to 1 over `ENDS`."""
    place = chebyshev.chebpts1(DEGREE + 1)
    w = np.square((ENDS[1] + ENDS[0]) / 2 + (ENDS[1] - ENDS[0]) / 2 * place) - SHIFT
    centred = np.sqrt(-np.expm1(-w))
    # The smaller of the two u that share a w, without the cancellation of (1 - centred)/2.
    ratio = -ndtri(np.exp(-w) / (2.0 * (1.0 + centred))) / centred
    return chebyshev.cheb2poly(chebyshev.chebfit(place, ratio, DEGREE)).tolist()


def _log_coefficients() -> list[float]:
    """Those of log(1 + t)/t for √½ ≤ 1 + t < √2."""
    t = (chebyshev.chebpts1(LOG_DEGREE + 1) * (2**0.5 - 0.5**0.5) + 2**0.5 + 0.5**0.5) / 2 - 1
    return Polynomial.fit(t, np.log1p(t) / t, LOG_DEGREE).convert().coef.tolist()


COEFFICIENTS = _coefficients()
LOG_COEFFICIENTS = _log_coefficients()


def inside(uniforms: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Numbers in [0, 1] with finite quantiles."""
    return jnp.clip(uniforms, LEAST, GREATEST)


def normal_quantile(uniforms: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Φ^-1 of numbers in [0, 1]: N(0, 1) where they are uniform; between -5.4 and 5.2."""
    uniforms = inside(uniforms)
    root = jnp.sqrt(SHIFT - _log(4.0 * uniforms * (1.0 - uniforms)))
    place = (2.0 * root - (ENDS[0] + ENDS[1])) * float(1.0 / (ENDS[1] - ENDS[0]))
    return (2.0 * uniforms - 1.0) * _polynomial(COEFFICIENTS, place)


def _log(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """log of normal numbers above 0, to 2e-5."""
    bits = jax.lax.bitcast_convert_type(x, jnp.int32)
    exponent = (bits - ROOT_HALF) >> 23
    t = jax.lax.bitcast_convert_type(bits - (exponent << 23), jnp.float32) - 1.0
    return exponent.astype(jnp.float32) * float(np.log(2.0)) + t * _polynomial(LOG_COEFFICIENTS, t)


def _polynomial(coefficients: list[float], x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value


def even_quantile(uniforms: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The number whose tanh is uniform over [-1, 1]."""
    uniforms = inside(uniforms)
    return 0.5 * (jnp.log(uniforms) - jnp.log1p(-uniforms))
