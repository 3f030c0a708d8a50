"""Scalars as categoricals: the two nearest of M evenly spaced bins share the mass.

MuZero predicts values and rewards as categorical distributions over a fixed
support and reads them as expectations; Sampled MuZero keeps this (Appendix A,
51 bins). MuZero also squashes its targets by h(x) = sign(x)(√(|x|+1) − 1) + εx
first. Sampled MuZero names ranges of plain values, so here h is a setting,
off by default. So is a target that is spread over more than two bins: between two of
them a softmax can only follow a line in steps, which hides what small differences
of value say about actions.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

EPSILON = 0.001
"""Slope that h keeps for large values, so that it stays invertible (MuZero)."""


def squash(x: Float[Array, "*shape"], epsilon: float = EPSILON) -> Float[Array, "*shape"]:
    """MuZero's value transform h(x) = sign(x)(√(|x|+1) − 1) + εx.

    Computed as sign(x)·|x| / (√(|x|+1) + 1) + εx, the same number without the
    cancellation that would lose small values.
    """
    return x / (jnp.sqrt(jnp.abs(x) + 1.0) + 1.0) + epsilon * x


def unsquash(y: Float[Array, "*shape"], epsilon: float = EPSILON) -> Float[Array, "*shape"]:
    """The exact inverse of `squash`.

    With u = √(|x|+1) − 1, |h(x)| is εu² + (1+2ε)u, and |x| is u(u+2); u is the
    positive root, in the form that does not cancel for small |y|.
    """
    size, slope = jnp.abs(y), 1.0 + 2.0 * epsilon
    root = 2.0 * size / (slope + jnp.sqrt(slope**2 + 4.0 * epsilon * size))
    return jnp.sign(y) * root * (root + 2.0)


def symlog(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """sign(x)·log(1 + |x|): x where it is small, and no more than its magnitude where it is large."""
    return jnp.sign(x) * jnp.log1p(jnp.abs(x))


def two_hot(scalar: Float[Array, ""], low: float, high: float, bins: int) -> Float[Array, " M"]:
    """Probabilities on the two bins nearest to `scalar` whose expectation is `scalar`.

    Bin i stands for low + i·(high − low)/(M − 1); a scalar outside is clipped.
    """
    position = (jnp.clip(scalar, low, high) - low) * ((bins - 1) / (high - low))
    return jax.nn.relu(1.0 - jnp.abs(position - jnp.arange(bins, dtype=position.dtype)))


def gaussian_hot(scalar: Float[Array, ""], low: float, high: float, bins: int, spread: float) -> Float[Array, " M"]:
    """The mass that N(scalar, (spread · bin width)²) has in each bin: HL-Gauss (Farebrother et al. 2024).

    Bins are those of `two_hot`, each reaching half way to its neighbours; what falls outside is shared out by
    dividing by the mass inside. The expectation is the scalar, but for a few widths from an end.
    """
    position = (jnp.clip(scalar, low, high) - low) * ((bins - 1) / (high - low))
    edges = jnp.arange(bins + 1, dtype=position.dtype) - 0.5
    below = jax.scipy.special.ndtr((edges - position) / spread)
    return (below[1:] - below[:-1]) / (below[-1] - below[0])


def from_two_hot(probs: Float[Array, " M"], low: float, high: float) -> Float[Array, ""]:
    """The expectation of a categorical over evenly spaced bins: undoes `two_hot` on [low, high]."""
    return jnp.dot(probs, jnp.linspace(low, high, probs.shape[-1], dtype=probs.dtype))


@dataclasses.dataclass(frozen=True)
class Support:
    """Where the M bins of a value or a reward lie, and whether they hold h(x) in place of x."""

    low: float
    """The first bin; with `transform`, in units of h(x)."""
    high: float
    """The last bin; with `transform`, in units of h(x)."""
    bins: int
    transform: bool = False
    spread: float = 0.0
    """Standard deviation of a target over the bins, in their widths; 0 is two-hot."""

    def __post_init__(self):
        if self.bins < 2:
            raise ValueError(
                f"A support of {self.bins} bins was asked for, but it needs at least 2. The paper uses 51."
            )
        if not self.low < self.high:
            raise ValueError(
                f"A support from {self.low} to {self.high} is empty: give a low end below the high end. "
                "The paper uses -150 to 150 for values and -1 to 1 for rewards."
            )
        if not self.spread >= 0:
            raise ValueError(f"spread is {self.spread}, but must be at least 0, which is the paper's two-hot.")

    def encode(self, scalar: Float[Array, ""]) -> Float[Array, " M"]:
        """Target probabilities of a scalar in environment units."""
        scalar = squash(scalar) if self.transform else scalar
        if self.spread == 0:
            return two_hot(scalar, self.low, self.high, self.bins)
        return gaussian_hot(scalar, self.low, self.high, self.bins, self.spread)

    def decode(self, logits: Float[Array, " M"]) -> Float[Array, ""]:
        """The scalar, in environment units, that a network's logits stand for."""
        mean = from_two_hot(jax.nn.softmax(logits), self.low, self.high)
        return unsquash(mean) if self.transform else mean
