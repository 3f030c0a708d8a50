"""Policies: what a network's numbers mean as a distribution over actions.

Section 6.3 and Appendix A represent a continuous action by one categorical
distribution per dimension (Tang & Agrawal 2020); a discrete action is the same
thing with a single dimension. Everything the search, the losses and acting need
of a policy is in the `Policy` protocol, so another kind of policy is another
class here and nothing else.

All methods are for ONE state; callers apply `jax.vmap`. Logits travel as one
flat vector. Inside a search tree an action is W packed 32-bit words, equal
exactly if the actions are.
"""

import dataclasses
import functools
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from smuzero.actions import spaces, uniforms

SMALL = 16
"""Up to this many choices a loop over choices, unrolled, beats gathers and searches."""


@runtime_checkable
class Policy(Protocol):
    """A kind of distribution over actions; instances are static and hashable."""

    @property
    def size(self) -> int:
        """A, the length of an action vector."""
        ...

    @property
    def num_logits(self) -> int:
        """P, the numbers a network puts out for one state."""
        ...

    @property
    def num_uniforms(self) -> int:
        """R, the uniform random numbers that one draw takes."""
        ...

    @property
    def num_words(self) -> int:
        """W, the 32-bit words of a packed action."""
        ...

    @property
    def num_features(self) -> int:
        """F, the length of `features`."""
        ...

    @property
    def num_coordinates(self) -> int:
        """C, the length of `coordinates`."""
        ...

    def tempered(self, logits: Float[Array, " P"], temperature: float) -> Float[Array, " P"]:
        """Logits of π^(1/τ) (Section 5.5), not normalised."""
        ...

    def uniform_like(self, logits: Float[Array, " P"]) -> Float[Array, " P"]:
        """Logits of the uniform distribution over all actions that π can bring (Section 5.5)."""
        ...

    def masked(self, logits: Float[Array, " P"], legal: Bool[Array, " P"]) -> Float[Array, " P"]:
        """π restricted to the legal choices."""
        ...

    def noisy(
        self, key: Array, logits: Float[Array, " P"], fraction: float, concentration: float
    ) -> Float[Array, " P"]:
        """(1 - ε)·π + ε·noise, as logits of the same kind (Section 5.5)."""
        ...

    def sample_words(self, logits: Float[Array, " P"], uniforms: Float[Array, "R K"]) -> UInt32[Array, "K W"]:
        """K independent draws by inverse CDF from uniforms in [0, 1)."""
        ...

    def enumerate_words(self) -> UInt32[np.ndarray, "K W"]:
        """Every action once, for a search without sampling."""
        ...

    def log_prob_words(self, logits: Float[Array, " P"], words: UInt32[Array, "K W"]) -> Float[Array, " K"]:
        """log π of K packed actions."""
        ...

    def entropy(self, logits: Float[Array, " P"]) -> Float[Array, ""]:
        """Entropy in nats."""
        ...

    def pack(self, action: Int[Array, "*K A"]) -> UInt32[Array, "*K W"]: ...

    def unpack(self, words: UInt32[Array, "*K W"]) -> Int[Array, "*K A"]: ...

    def features(self, action: Int[Array, " A"]) -> Float[Array, " F"]:
        """An action as one-hot choices: what the dynamics network of Appendix A sees of it."""
        ...

    def coordinates(self, action: Int[Array, " A"]) -> Float[Array, " C"]:
        """An action as numbers whose size and order mean something, in [-1, 1] where it has such numbers."""
        ...


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
    def num_logits(self) -> int:
        return self.num_dims * self.num_choices

    @property
    def num_uniforms(self) -> int:
        return self.num_dims

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

    def tempered(self, logits: Float[Array, " P"], temperature: float) -> Float[Array, " P"]:
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
        log_probs = self.log_probs(logits)
        noise = dirichlet(key, concentration, log_probs > -jnp.inf)
        return jnp.log((1 - fraction) * jnp.exp(log_probs) + fraction * noise).reshape(-1)

    def sample_words(self, logits: Float[Array, " P"], uniforms: Float[Array, "A K"]) -> UInt32[Array, "K W"]:
        logits = logits.reshape(self.num_dims, self.num_choices)
        weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
        if self.num_choices > SMALL:
            choices = self._search_choices(weights, uniforms)
        else:
            choices = self._count_choices(weights, uniforms)
        return self._pack_rows(choices)

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

    def _pack_rows(self, choices: UInt32[Array, "A K"]) -> UInt32[Array, "K W"]:
        words = []
        for start in range(0, self.num_dims, self.dims_per_word):
            word, place = jnp.zeros(choices.shape[1], jnp.uint32), 1
            for dim in range(start, min(start + self.dims_per_word, self.num_dims)):
                word = word + choices[dim] * jnp.uint32(place)
                place *= self.num_choices
            words.append(word)
        return jnp.stack(words, axis=-1)

    def enumerate_words(self) -> UInt32[np.ndarray, "K W"]:
        count = self.num_choices**self.num_dims
        if count > 4096:
            raise ValueError(
                f"A search over every action would need {count} slots a node ({self.num_dims} dimensions of "
                f"{self.num_choices} choices); 4096 is the limit. Sample instead: set num_samples."
            )
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

    def pack(self, action: Int[Array, "*K A"]) -> UInt32[Array, "*K W"]:
        rows = action.reshape(-1, self.num_dims).astype(jnp.uint32)
        return self._pack_rows(rows.T).reshape(*action.shape[:-1], self.num_words)

    def unpack(self, words: UInt32[Array, "*K W"]) -> Int[Array, "*K A"]:
        dims = np.arange(self.num_dims)
        place = np.array([self.num_choices ** int(dim) for dim in dims % self.dims_per_word], np.uint32)
        # One division for all dimensions: a slice for each would be a kernel for each.
        spread = jnp.repeat(words, self.dims_per_word, axis=-1)[..., : self.num_dims]
        return (spread // jnp.broadcast_to(place, spread.shape) % jnp.uint32(self.num_choices)).astype(jnp.int32)

    def features(self, action: Int[Array, " A"]) -> Float[Array, " F"]:
        return (action[:, None] == jnp.arange(self.num_choices)[None]).astype(jnp.float32).reshape(-1)

    def coordinates(self, action: Int[Array, " A"]) -> Float[Array, " C"]:
        if not self.is_ordered:
            return self.features(action)
        return action.astype(jnp.float32) * (2.0 / (self.num_choices - 1)) - 1.0


def dirichlet(key: Array, concentration: float, allowed: Bool[Array, "A M"]) -> Float[Array, "A M"]:
    """One symmetric Dirichlet(α) draw a row, over its allowed entries; the rest are zero.

    As gamma draws, normalised in log space: Gamma(α) = Gamma(α + 1)·U^(1/α)
    (Marsaglia & Tsang 2000). Their rejection step is unrolled into a fixed four
    tries, all at once, since a loop of its own for every entry costs more than
    the search it feeds; each try fails with probability below 0.05, all four
    below 7e-6, and then the last is kept.
    """
    tries = 4
    numbers = uniforms.uniforms(uniforms.seeds(key), 0, (2 * tries + 1, *allowed.shape))
    # Half the spacing of the numbers, so that 0 has a logarithm.
    numbers = jnp.maximum(numbers, 2.0**-25)
    d = concentration + 1.0 - 1.0 / 3.0
    normal = np.float32(np.sqrt(2.0)) * jax.lax.erf_inv(2.0 * numbers[:tries] - 1.0)
    cubed = (1.0 + normal / np.float32(np.sqrt(9.0 * d))) ** 3
    # log of 0 or below belongs to tries that are rejected anyway.
    log_cubed = jnp.log(jnp.maximum(cubed, 1e-30))
    accepted = (cubed > 0) & (jnp.log(numbers[tries:-1]) < 0.5 * normal**2 + d * (1.0 - cubed + log_cubed))
    log_gamma = log_cubed[-1]
    for i in reversed(range(tries - 1)):
        log_gamma = jnp.where(accepted[i], log_cubed[i], log_gamma)
    log_boost = jnp.log(numbers[-1]) / concentration
    return jax.nn.softmax(jnp.where(allowed, log_gamma + log_boost, -jnp.inf), axis=-1)


def make_policy(space: spaces.ActionSpace) -> FactoredCategorical:
    """The policy for an action space (Appendix A: categorical, factored over dimensions)."""
    is_ordered = isinstance(space, spaces.BinnedBox)
    return FactoredCategorical(num_dims=space.size, num_choices=space.num_choices, is_ordered=is_ordered)
