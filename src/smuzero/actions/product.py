"""Products of policies: independent parts side by side, for actions made of several kinds of choice.

A Tuple, a Dict or a MultiDiscrete with components of different sizes is a vector
of parts. Logits, words, random numbers, features and masks of the parts lie one
after the other; log-probabilities and entropies add up.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num, UInt32

from smuzero.actions.policy import MOST_ENUMERATED, Policy, Scalar, too_many_to_enumerate


@dataclasses.dataclass(frozen=True)
class Product:
    """Independent parts, each a policy of its own."""

    parts: tuple[Policy, ...]

    def __post_init__(self):
        if not self.parts:
            raise ValueError("A product of no parts has no action; give at least one part.")

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def dtype(self) -> np.dtype:
        kinds = {part.dtype for part in self.parts}
        return kinds.pop() if len(kinds) == 1 else np.dtype(np.float32)

    @property
    def num_logits(self) -> int:
        return sum(part.num_logits for part in self.parts)

    @property
    def num_proposal_logits(self) -> int:
        return sum(part.num_proposal_logits for part in self.parts)

    @property
    def num_choices_in_all(self) -> int:
        return sum(part.num_choices_in_all for part in self.parts)

    @property
    def num_uniforms(self) -> int:
        return sum(part.num_uniforms for part in self.parts)

    @property
    def num_actions(self) -> int | None:
        counts = [count for part in self.parts if (count := part.num_actions) is not None]
        return math.prod(counts) if len(counts) == len(self.parts) else None

    @property
    def num_words(self) -> int:
        return sum(part.num_words for part in self.parts)

    @property
    def num_features(self) -> int:
        return sum(part.num_features for part in self.parts)

    @property
    def num_coordinates(self) -> int:
        return sum(part.num_coordinates for part in self.parts)

    def tempered(self, logits: Float[Array, " _P"], temperature: Scalar) -> Float[Array, " _Q"]:
        """Every part's own."""
        pairs = self._with_logits(logits)
        return jnp.concatenate([part.tempered(own, temperature) for part, own in pairs])

    def uniform_like(self, logits: Float[Array, " _P"]) -> Float[Array, " _Q"]:
        pairs = self._with_logits(logits)
        return jnp.concatenate([part.uniform_like(own) for part, own in pairs])

    def masked(self, logits: Float[Array, " P"], legal: Bool[Array, " L"]) -> Float[Array, " P"]:
        masks = self._cut(legal, lambda part: part.num_choices_in_all)
        pairs = zip(self._with_logits(logits), masks, strict=True)
        return jnp.concatenate([part.masked(own, mask) for (part, own), mask in pairs])

    def noisy(
        self, key: Array, logits: Float[Array, " _P"], fraction: float, concentration: float
    ) -> Float[Array, " Q"]:
        """Every part's own, with a key each."""
        keys = jax.random.split(key, len(self.parts))
        pairs = zip(self._with_logits(logits), keys, strict=True)
        return jnp.concatenate([part.noisy(own_key, own, fraction, concentration) for (part, own), own_key in pairs])

    def sample_words(self, logits: Float[Array, " _Q"], uniforms: Float[Array, "R K"]) -> UInt32[Array, "W K"]:
        numbers = self._cut(uniforms, lambda part: part.num_uniforms)
        pairs = zip(self._with_logits(logits), numbers, strict=True)
        return jnp.concatenate([part.sample_words(own, own_numbers) for (part, own), own_numbers in pairs])

    def enumerate_words(self) -> UInt32[np.ndarray, "K W"]:
        words = [part.enumerate_words() for part in self.parts]
        count = math.prod(len(rows) for rows in words)
        if count > MOST_ENUMERATED:
            raise too_many_to_enumerate(count, f"{len(words)} parts of {', '.join(str(len(rows)) for rows in words)}")
        index = np.indices([len(rows) for rows in words]).reshape(len(words), -1)
        return np.concatenate([rows[chosen] for rows, chosen in zip(words, index, strict=True)], axis=-1)

    def log_prob_words(self, logits: Float[Array, " _Q"], words: UInt32[Array, "K W"]) -> Float[Array, " K"]:
        rows = self._cut(words, lambda part: part.num_words, axis=-1)
        pairs = zip(self._with_logits(logits), rows, strict=True)
        return functools.reduce(jnp.add, [part.log_prob_words(own, own_words) for (part, own), own_words in pairs])

    def entropy(self, logits: Float[Array, " P"]) -> Float[Array, ""]:
        return functools.reduce(jnp.add, [part.entropy(own) for part, own in self._with_logits(logits)])

    def pack(self, action: Num[Array, "*K A"]) -> UInt32[Array, "*K W"]:
        actions = self._cut(action, lambda part: part.size, axis=-1)
        return jnp.concatenate([part.pack(own) for part, own in zip(self.parts, actions, strict=True)], axis=-1)

    def unpack(self, words: UInt32[Array, "*K W"]) -> Num[Array, "*K A"]:
        rows = self._cut(words, lambda part: part.num_words, axis=-1)
        return jnp.concatenate(
            [part.unpack(own).astype(self.dtype) for part, own in zip(self.parts, rows, strict=True)], axis=-1
        )

    def features(self, action: Num[Array, " A"]) -> Float[Array, " F"]:
        actions = self._cut(action, lambda part: part.size)
        return jnp.concatenate([part.features(own) for part, own in zip(self.parts, actions, strict=True)])

    def coordinates(self, action: Num[Array, " A"]) -> Float[Array, " C"]:
        actions = self._cut(action, lambda part: part.size)
        return jnp.concatenate([part.coordinates(own) for part, own in zip(self.parts, actions, strict=True)])

    def _cut(self, array: Array, length: Callable[[Any], int], axis: int = 0) -> list[Array]:
        """The array in the parts' shares of one axis."""
        ends = np.cumsum([length(part) for part in self.parts]).tolist()
        return jnp.split(array, ends[:-1], axis=axis)

    def _with_logits(self, logits: Float[Array, " _Q"]) -> list[tuple[Policy, Array]]:
        """Each part with its own logits, whichever of the two forms these have."""
        if logits.shape[0] == self.num_logits:
            shares = self._cut(logits, lambda part: part.num_logits)
        else:
            shares = self._cut(logits, lambda part: part.num_proposal_logits)
        return list(zip(self.parts, shares, strict=True))
