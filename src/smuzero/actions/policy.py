"""What everything else asks of a policy: the one protocol behind every kind of action.

Everything the search, the losses and acting need of a distribution over actions
is here, so another kind of policy is another class and nothing else.

All methods are for ONE state; callers apply `jax.vmap`. Logits travel as one
flat vector. Inside a search tree an action is W packed 32-bit words; two draws
are the same action exactly if their words are equal.

A policy whose flattened or noised form is of another kind than itself (a Gaussian
with noise is a mixture) writes that form as a longer vector of Q numbers, which
`sample_words` and `log_prob_words` take as well as the network's own P.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Float, Num, UInt32

Scalar = float | Float[Array, ""]


@runtime_checkable
class Policy(Protocol):
    """A kind of distribution over actions; instances are static and hashable."""

    @property
    def size(self) -> int:
        """A, the length of an action vector."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of an action vector: int32 where every component is a choice, else float32."""
        ...

    @property
    def num_logits(self) -> int:
        """P, the numbers a network puts out for one state."""
        ...

    @property
    def num_proposal_logits(self) -> int:
        """Q, the length of what `noisy`, `tempered` and `uniform_like` give; P where it is of the same kind."""
        ...

    @property
    def num_choices_in_all(self) -> int:
        """L, the entries of a mask: one for each choice of each categorical component, in order."""
        ...

    @property
    def num_uniforms(self) -> int:
        """R, the uniform random numbers that one draw takes."""
        ...

    @property
    def num_actions(self) -> int | None:
        """How many actions there are; None where a component is continuous."""
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

    def tempered(self, logits: Float[Array, " _P"], temperature: Scalar) -> Float[Array, " _Q"]:
        """The proposal β = π^(1/τ) (Section 5.5), not normalised; each class says of what it takes the power."""
        ...

    def uniform_like(self, logits: Float[Array, " _P"]) -> Float[Array, " _Q"]:
        """The uniform distribution over all actions that π can bring (Section 5.5)."""
        ...

    def masked(self, logits: Float[Array, " P"], legal: Bool[Array, " L"]) -> Float[Array, " P"]:
        """π restricted to the legal choices; what is not categorical is always legal."""
        ...

    def noisy(
        self, key: Array, logits: Float[Array, " P"], fraction: float, concentration: float
    ) -> Float[Array, " _Q"]:
        """(1 - ε)·π + ε·noise (Section 5.5)."""
        ...

    def sample_words(self, logits: Float[Array, " _Q"], uniforms: Float[Array, "R K"]) -> UInt32[Array, "W K"]:
        """K independent draws by inverse CDF from uniforms in [0, 1), a column each.

        Draws come last, as their random numbers do: XLA uses no vector instructions where it has to transpose.
        """
        ...

    def enumerate_words(self) -> UInt32[np.ndarray, "K W"]:
        """Every action once, for a search without sampling. Raises ValueError where there are too many."""
        ...

    def log_prob_words(self, logits: Float[Array, " _Q"], words: UInt32[Array, "K W"]) -> Float[Array, " K"]:
        """log π of K packed actions; a density where a component is continuous."""
        ...

    def entropy(self, logits: Float[Array, " P"]) -> Float[Array, ""]:
        """Entropy in nats; differential where a component is continuous."""
        ...

    def pack(self, action: Num[Array, "*K A"]) -> UInt32[Array, "*K W"]: ...

    def unpack(self, words: UInt32[Array, "*K W"]) -> Num[Array, "*K A"]: ...

    def features(self, action: Num[Array, " A"]) -> Float[Array, " F"]:
        """An action as one-hot choices: what the dynamics network of Appendix A sees of it."""
        ...

    def coordinates(self, action: Num[Array, " A"]) -> Float[Array, " C"]:
        """An action as numbers whose size and order mean something, in [-1, 1] where it has such numbers."""
        ...


@runtime_checkable
class Component(Policy, Protocol):
    """A policy whose noise can be drawn apart from what it is mixed into, as a conditional distribution needs it."""

    @property
    def num_noise(self) -> int:
        """Z, the numbers of one draw of noise: a probability for each choice; 0 where noise is not drawn."""
        ...

    def mixed(self, logits: Float[Array, " P"], noise: Float[Array, " Z"], fraction: Scalar) -> Float[Array, " _Q"]:
        """(1 - ε)·π + ε·noise."""
        ...


def too_many_to_enumerate(count: int | None, what: str) -> ValueError:
    """The error of `enumerate_words`; `count` is None where actions are continuous."""
    number = "infinitely many" if count is None else str(count)
    return ValueError(
        f"A search over every action would need {number} slots a node ({what}); {MOST_ENUMERATED} is the limit. "
        "Sample instead: set num_samples."
    )


MOST_ENUMERATED = 4096
"""Actions that a node of a search without sampling may hold."""
