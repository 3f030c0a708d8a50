"""Gaussian policies for continuous actions: squashed by tanh, so that every draw lies within the bounds.

Appendix A.1 puts a Gaussian in place of bins. Each dimension is drawn as
u ~ N(μ, σ²) and acts as a = tanh(u) in [-1, 1], which the action space stretches
to its bounds. The density is that of a:

    log π(a) = Σ_i log N(u_i; μ_i, σ_i²) − log(1 − a_i²),   log(1 − tanh²u) = 2 (log 2 − u − softplus(−2u))

A packed action holds u itself, bit for bit: a would round to ±1 where the policy
is sure of itself, and its density could not be told any more. Far out, different
u may therefore act alike; they are different points of the real line, and counted so.

Noise mixes the uniform density over [-1, 1] into every dimension with weight ε,
as Dirichlet noise is mixed into every dimension's categorical, and β and π̂_β use
the density of that mixture. The network puts out P = 2A numbers; a mixture is
told by Q = 3A: means, logs of σ, weights of the uniform part.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt32

from smuzero.actions.policy import Scalar, too_many_to_enumerate
from smuzero.actions.quantiles import even_quantile, normal_quantile

# Paper: silent on how A.1 bounds its Gaussian. Here: softly, so that no output of a network, however large, gives a
# NaN; zeros give μ = 0, σ = 0.8, the most even spread over [-1, 1] that a squashed Gaussian has.
GREATEST_MEAN = 5.0
"""|μ| stays below: tanh(5) = 0.9999."""
LEAST_LOG_SCALE, GREATEST_LOG_SCALE, FIRST_LOG_SCALE = -5.0, 1.0, float(np.log(0.8))
"""log σ lies between, and is the last where the network puts out 0."""

KNOTS = 7
"""Values between which `features` interpolates: as many as the paper has bins."""

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
"""Gauss–Hermite quadrature for the expectation under N(0, 1)."""


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """A independent tanh-squashed Gaussians; actions are vectors in [-1, 1]."""

    num_dims: int
    """A, the action's dimensions."""

    @property
    def size(self) -> int:
        return self.num_dims

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def num_logits(self) -> int:
        return 2 * self.num_dims

    @property
    def num_proposal_logits(self) -> int:
        return 3 * self.num_dims

    @property
    def num_choices_in_all(self) -> int:
        return 0

    @property
    def num_noise(self) -> int:
        return 0

    @property
    def num_uniforms(self) -> int:
        return self.num_dims

    @property
    def num_actions(self) -> int | None:
        return None

    @property
    def num_words(self) -> int:
        return self.num_dims

    @property
    def num_features(self) -> int:
        return KNOTS * self.num_dims

    @property
    def num_coordinates(self) -> int:
        return self.num_dims

    def is_mixture(self, logits: Float[Array, " _Q"]) -> bool:
        """Whether these are not the network's own numbers, but a proposal's."""
        return logits.shape[0] == self.num_proposal_logits

    def moments(self, logits: Float[Array, " _Q"]) -> tuple[Array, Array, Array]:
        """μ, log σ and the weight of the uniform part, `[A]` each."""
        if self.is_mixture(logits):
            mean, log_scale, wide = jnp.split(logits, 3)
            return mean, log_scale, wide
        raw_mean, raw_scale = jnp.split(logits, 2)
        mean = GREATEST_MEAN * jnp.tanh(raw_mean / GREATEST_MEAN)
        share = (FIRST_LOG_SCALE - LEAST_LOG_SCALE) / (GREATEST_LOG_SCALE - LEAST_LOG_SCALE)
        spread = jax.nn.sigmoid(raw_scale + float(np.log(share / (1 - share))))
        return mean, LEAST_LOG_SCALE + (GREATEST_LOG_SCALE - LEAST_LOG_SCALE) * spread, jnp.zeros_like(mean)

    def tempered(self, logits: Float[Array, " _P"], temperature: Scalar) -> Float[Array, " Q"]:
        """β with the Gaussian part's variance τσ²: its power 1/τ, taken before squashing.

        The power of the squashed density is no squashed Gaussian; β may be any
        density, as long as it is known exactly, and this one is. A uniform part stays.
        """
        mean, log_scale, wide = self.moments(logits)
        return jnp.concatenate([mean, log_scale + 0.5 * jnp.log(jnp.asarray(temperature, jnp.float32)), wide])

    def uniform_like(self, logits: Float[Array, " _P"]) -> Float[Array, " Q"]:
        """Uniform over [-1, 1] in every dimension: a mixture that is nothing but its uniform part."""
        return self.mixed(logits, jnp.zeros(0), 1.0)

    def masked(self, logits: Float[Array, " P"], legal: Bool[Array, "0"]) -> Float[Array, " P"]:
        return logits

    def noisy(
        self, key: Array, logits: Float[Array, " _P"], fraction: float, concentration: float
    ) -> Float[Array, " Q"]:
        """(1 - ε)·π + ε·uniform in every dimension; there is nothing to draw, so key and concentration are unused."""
        return self.mixed(logits, jnp.zeros(0), fraction)

    def mixed(self, logits: Float[Array, " _P"], noise: Float[Array, "0"], fraction: Scalar) -> Float[Array, " Q"]:
        mean, log_scale, wide = self.moments(logits)
        return jnp.concatenate([mean, log_scale, fraction + (1.0 - fraction) * wide])

    def sample_words(self, logits: Float[Array, " _Q"], uniforms: Float[Array, "A K"]) -> UInt32[Array, "A K"]:
        mean, log_scale, wide = (x[:, None] for x in self.moments(logits))
        if not self.is_mixture(logits):
            return _to_words(mean + jnp.exp(log_scale) * normal_quantile(uniforms))
        # One uniform number chooses the part, and what is left of it is uniform again.
        is_wide = uniforms < wide
        rest = (uniforms - wide) / jnp.maximum(1.0 - wide, 1e-9)
        normal = mean + jnp.exp(log_scale) * normal_quantile(rest)
        # The floors only guard a part of weight 0, which is not chosen.
        even = even_quantile(uniforms / jnp.maximum(wide, 1e-9))
        return _to_words(jnp.where(is_wide, even, normal))

    def enumerate_words(self) -> UInt32[np.ndarray, "K W"]:
        raise too_many_to_enumerate(None, "actions are continuous")

    def log_prob_words(self, logits: Float[Array, " _Q"], words: UInt32[Array, "K A"]) -> Float[Array, " K"]:
        """The log-density in [-1, 1]^A; `SquashedBox.log_volume` brings it to the environment's units."""
        mean, log_scale, wide = (x[None] for x in self.moments(logits))
        u = _from_words(words)
        log_normal = -0.5 * jnp.square((u - mean) * jnp.exp(-log_scale)) - log_scale - 0.5 * float(np.log(2 * np.pi))
        log_density = log_normal - log_slope(u)
        if self.is_mixture(logits):
            log_density = jnp.logaddexp(jnp.log1p(-wide) + log_density, jnp.log(0.5 * wide))
        return jnp.sum(log_density, axis=-1)

    def entropy(self, logits: Float[Array, " P"]) -> Float[Array, ""]:
        """½ log(2πeσ²) + E[log(1 − tanh²u)], the expectation by Gauss–Hermite quadrature: good to 0.001 nats."""
        mean, log_scale, _ = self.moments(logits)
        weights = jnp.asarray(WEIGHTS / WEIGHTS.sum(), jnp.float32)
        u = mean[:, None] + jnp.exp(log_scale)[:, None] * jnp.asarray(NODES, jnp.float32)[None]
        return jnp.sum(log_scale + 0.5 * float(np.log(2 * np.pi * np.e)) + log_slope(u) @ weights)

    def pack(self, action: Float[Array, "*K A"]) -> UInt32[Array, "*K A"]:
        """Only approximately undoes `unpack`: a bound stands for all u beyond 8.7."""
        inside = 1.0 - 2.0**-24
        return _to_words(jnp.arctanh(jnp.clip(action, -inside, inside)))

    def unpack(self, words: UInt32[Array, "*K A"]) -> Float[Array, "*K A"]:
        return jnp.tanh(_from_words(words))

    def features(self, action: Float[Array, " A"]) -> Float[Array, " F"]:
        """Each value shared out between the two nearest of 7 knots: one-hot bins, made continuous.

        A scalar alone would lose its size in the LayerNorm of the action block.
        """
        place = (action[:, None] + 1.0) * (0.5 * (KNOTS - 1))
        return jnp.maximum(1.0 - jnp.abs(place - jnp.arange(KNOTS, dtype=jnp.float32)[None]), 0.0).reshape(-1)

    def coordinates(self, action: Float[Array, " A"]) -> Float[Array, " C"]:
        return action


def log_slope(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """log(1 − tanh²u) = log |da/du|, without the cancellation that 1 − a² has near the bounds."""
    return 2.0 * (float(np.log(2.0)) - u - jax.nn.softplus(-2.0 * u))


def _to_words(u: Float[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    # -0.0 and 0.0 are one number with two patterns of bits.
    return jax.lax.bitcast_convert_type(jnp.where(u == 0, 0.0, u), jnp.uint32)


def _from_words(words: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    return jax.lax.bitcast_convert_type(words, jnp.float32)
