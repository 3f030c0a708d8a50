"""Categorical policies, factored over dimensions: any number of choices each.

Section 6.3 and Appendix A represent a continuous action by one categorical
distribution per dimension (Tang & Agrawal 2020); a discrete action is the same
thing with a single dimension.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, UInt32

from smuzero.actions.dirichlet import dirichlet
from smuzero.actions.policy import MOST_ENUMERATED, Scalar, too_many_to_enumerate

SMALL = 16
"""Up to this many choices a loop over choices, unrolled, beats gathers and searches."""


@dataclasses.dataclass(frozen=True)
class FactoredCategorical:
    """A independent categoricals of M choices each; A = 1 is an ordinary discrete policy."""

    num_dims: int
    """A, the action's dimensions."""
    num_choices: int
    """M, the choices (bins) of each dimension."""
    is_ordered: bool = False
    """Choices are evenly spaced values of one quantity (bins), not names."""

    @property
    def size(self) -> int:
        return self.num_dims

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.int32)

    @property
    def num_logits(self) -> int:
        return self.num_dims * self.num_choices

    @property
    def num_proposal_logits(self) -> int:
        return self.num_logits

    @property
    def num_choices_in_all(self) -> int:
        return self.num_logits

    @property
    def num_noise(self) -> int:
        return self.num_logits

    @property
    def num_uniforms(self) -> int:
        return self.num_dims

    @property
    def num_actions(self) -> int | None:
        return self.num_choices**self.num_dims

    @property
    def num_features(self) -> int:
        return self.num_logits

    @property
    def num_coordinates(self) -> int:
        return self.num_dims if self.is_ordered else self.num_logits

    @functools.cached_property
    def dims_per_word(self) -> int:
        """Dimensions that fit one 32-bit word as digits of base M (11 for M = 7)."""
        digits, product = 0, 1
        while product * self.num_choices <= 2**32 and digits < self.num_dims:
            digits, product = digits + 1, product * max(self.num_choices, 2)
        return digits

    @property
    def num_words(self) -> int:
        return -(-self.num_dims // self.dims_per_word)

    def log_probs(self, logits: Float[Array, " P"]) -> Float[Array, "A M"]:
        """Log-probabilities of every choice of every dimension."""
        return jax.nn.log_softmax(logits.reshape(self.num_dims, self.num_choices), axis=-1)

    def tempered(self, logits: Float[Array, " P"], temperature: Scalar) -> Float[Array, " P"]:
        return (self.log_probs(logits) / temperature).reshape(-1)

    def uniform_like(self, logits: Float[Array, " P"]) -> Float[Array, " P"]:
        return jnp.where(logits > -jnp.inf, 0.0, -jnp.inf)

    def masked(self, logits: Float[Array, " P"], legal: Bool[Array, " P"]) -> Float[Array, " P"]:
        return jnp.where(legal, logits, -jnp.inf)

    def noisy(
        self, key: Array, logits: Float[Array, " P"], fraction: float, concentration: float
    ) -> Float[Array, " P"]:
        """(1 - ε)·π + ε·Dirichlet(α), in every dimension by itself.

        A choice of probability zero (an illegal one) takes part in neither.
        """
        noise = dirichlet(key, concentration, self.log_probs(logits) > -jnp.inf)
        return self.mixed(logits, noise.reshape(-1), fraction)

    def mixed(self, logits: Float[Array, " P"], noise: Float[Array, " P"], fraction: Scalar) -> Float[Array, " P"]:
        return jnp.log((1 - fraction) * jnp.exp(self.log_probs(logits)).reshape(-1) + fraction * noise)

    def sample_words(self, logits: Float[Array, " P"], uniforms: Float[Array, "A K"]) -> UInt32[Array, "W K"]:
        logits = logits.reshape(self.num_dims, self.num_choices)
        weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
        if self.num_choices > SMALL:
            choices = self._search_choices(weights, uniforms)
        else:
            choices = self._count_choices(weights, uniforms)
        return self._packed(choices)

    def _count_choices(self, weights: Float[Array, "A M"], uniforms: Float[Array, "A K"]) -> UInt32[Array, "A K"]:
        """Inverse CDF for few choices: count the partial sums that a scaled uniform has passed.

        The last choice of positive weight is never passed, so neither rounding
        nor a masked tail can select a choice of weight zero.
        """
        partial, sums = jnp.zeros(self.num_dims), []
        for choice in range(self.num_choices):
            partial = partial + weights[:, choice]
            sums.append(partial)
        scaled = uniforms * partial[:, None]
        choices = jnp.zeros(uniforms.shape, jnp.uint32)
        for passed in sums[:-1]:
            # `partial` is the total: a choice whose partial sum reached it is the last of positive weight.
            limit = jnp.where(passed < partial, passed, jnp.inf)
            choices = choices + (scaled >= limit[:, None]).astype(jnp.uint32)
        return choices

    def _search_choices(self, weights: Float[Array, "A M"], uniforms: Float[Array, "A K"]) -> UInt32[Array, "A K"]:
        """The same for many choices, by binary search."""
        sums = jnp.cumsum(weights, axis=-1)
        limits = jnp.where(sums < sums[:, -1:], sums, jnp.inf)
        search = jax.vmap(functools.partial(jnp.searchsorted, side="right"))
        return search(limits, uniforms * sums[:, -1:]).astype(jnp.uint32)

    def _packed(self, choices: UInt32[Array, "A K"]) -> UInt32[Array, "W K"]:
        words = []
        for start in range(0, self.num_dims, self.dims_per_word):
            word, place = jnp.zeros(choices.shape[1], jnp.uint32), 1
            for dim in range(start, min(start + self.dims_per_word, self.num_dims)):
                word = word + choices[dim] * jnp.uint32(place)
                place *= self.num_choices
            words.append(word)
        return jnp.stack(words)

    def enumerate_words(self) -> UInt32[np.ndarray, "K W"]:
        count = self.num_choices**self.num_dims
        if count > MOST_ENUMERATED:
            raise too_many_to_enumerate(count, f"{self.num_dims} dimensions of {self.num_choices} choices")
        return np.arange(count, dtype=np.uint32)[:, None]

    def log_prob_words(self, logits: Float[Array, " P"], words: UInt32[Array, "K W"]) -> Float[Array, " K"]:
        log_probs, choices = self.log_probs(logits), self.unpack(words)
        if self.num_choices > SMALL:
            return jnp.sum(jnp.take_along_axis(log_probs[None], choices[:, :, None], axis=-1)[..., 0], axis=-1)
        # A sum over choices has a cheap gradient, a gather has a scatter for one.
        chosen = choices[:, :, None] == jnp.arange(self.num_choices)[None, None]
        return jnp.sum(jnp.where(chosen, log_probs[None], 0.0), axis=(-1, -2))

    def entropy(self, logits: Float[Array, " P"]) -> Float[Array, ""]:
        log_probs = self.log_probs(logits)
        probs = jnp.exp(log_probs)
        # The log is replaced, not the product: 0·(-inf) would be NaN in the gradient of an illegal choice.
        return -jnp.sum(probs * jnp.where(probs > 0, log_probs, 0.0))

    def pack(self, action: Num[Array, "*K A"]) -> UInt32[Array, "*K W"]:
        rows = action.reshape(-1, self.num_dims).astype(jnp.uint32)
        return self._packed(rows.T).T.reshape(*action.shape[:-1], self.num_words)

    def unpack(self, words: UInt32[Array, "*K W"]) -> Int[Array, "*K A"]:
        dims = np.arange(self.num_dims)
        place = np.array([self.num_choices ** int(dim) for dim in dims % self.dims_per_word], np.uint32)
        # One division for all dimensions: a slice for each would be a kernel for each.
        spread = jnp.repeat(words, self.dims_per_word, axis=-1)[..., : self.num_dims]
        return (spread // jnp.broadcast_to(place, spread.shape) % jnp.uint32(self.num_choices)).astype(jnp.int32)

    def features(self, action: Num[Array, " A"]) -> Float[Array, " F"]:
        return (
            (action[:, None] == jnp.arange(self.num_choices, dtype=action.dtype)[None]).astype(jnp.float32).reshape(-1)
        )

    def coordinates(self, action: Num[Array, " A"]) -> Float[Array, " C"]:
        if not self.is_ordered:
            return self.features(action)
        return action.astype(jnp.float32) * (2.0 / max(self.num_choices - 1, 1)) - 1.0
