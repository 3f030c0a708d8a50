"""Policies whose components depend on each other: each drawn given those before it.

A product of independent components cannot say "left together or right together".
Here component j's own logits are

    logits_j = b_j + Σ_{i<j} f_i(a_i)ᵀ W_ij,     π(a) = Π_j π_j(a_j | a_1 … a_{j-1})

with f_i the features of component i: its choice as one-hot, or a continuous value
spread over knots. This is the log-linear autoregressive network of Frey (1998,
"Graphical models for machine learning and digital communication"), with b and W
put out by the network for each state, so that a policy stays one flat vector of
logits, drawing needs no further network calls, and log π is exact.

What it can say: for two categorical components, every joint distribution; for more, every
dependence of pairs. A component whose logits depend on two earlier ones *jointly*
(the third bit is the exclusive or of two others) is out of its reach.

Paper: silent on structured actions beyond naming them (Section 1). Here: this form, as a setting.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num, UInt32

from smuzero.actions import uniforms as random_numbers
from smuzero.actions.dirichlet import dirichlet
from smuzero.actions.policy import Component, Scalar
from smuzero.actions.product import Product

MOST_LOGITS = 2**16
"""A network that puts out more numbers for one policy is mostly that."""

MOST_PREFIXES = 256
"""Up to this many choices of all components but the last, entropy is summed exactly; else estimated from as many."""


@dataclasses.dataclass(frozen=True)
class Autoregressive:
    """One-dimensional components in order, each conditioned on those before it.

    Logits lie as [b_1 … b_J | W_1 … W_J], with W_j the weights of all earlier
    components' features in the logits of component j. A proposal has Q = P + Z + 2
    numbers: the logits, each component's noise, and the ε and τ that every
    conditional distribution is mixed and flattened with.
    """

    components: tuple[Component, ...]

    def __post_init__(self):
        if not self.components or any(component.size != 1 for component in self.components):
            raise ValueError("An autoregressive policy needs at least one component, each of one dimension.")
        if self.num_logits > MOST_LOGITS:
            raise ValueError(
                f"An autoregressive policy over {len(self.components)} components needs {self.num_logits} logits; "
                f"{MOST_LOGITS} is the limit. Use fewer bins, or the factored structure."
            )

    @functools.cached_property
    def _product(self) -> Product:
        """The same components side by side: all that does not concern probabilities."""
        return Product(self.components)

    @functools.cached_property
    def _weight_shapes(self) -> tuple[tuple[int, int], ...]:
        """(features of all earlier components, own logits) of each component."""
        before = np.cumsum([0, *(component.num_features for component in self.components)]).tolist()
        return tuple((before[j], component.num_logits) for j, component in enumerate(self.components))

    @property
    def size(self) -> int:
        return len(self.components)

    @property
    def dtype(self) -> np.dtype:
        return self._product.dtype

    @property
    def num_logits(self) -> int:
        return self._product.num_logits + sum(rows * columns for rows, columns in self._weight_shapes)

    @property
    def num_noise(self) -> int:
        return sum(component.num_noise for component in self.components)

    @property
    def num_proposal_logits(self) -> int:
        return self.num_logits + self.num_noise + 2

    @property
    def num_choices_in_all(self) -> int:
        return self._product.num_choices_in_all

    @property
    def num_uniforms(self) -> int:
        return self._product.num_uniforms

    @property
    def num_actions(self) -> int | None:
        return self._product.num_actions

    @property
    def num_words(self) -> int:
        return self._product.num_words

    @property
    def num_features(self) -> int:
        return self._product.num_features

    @property
    def num_coordinates(self) -> int:
        return self._product.num_coordinates

    def tempered(self, logits: Float[Array, " _P"], temperature: Scalar) -> Float[Array, " Q"]:
        """β with every conditional distribution, not the joint one, flattened to its power 1/τ."""
        base, noise, fraction, old = self._proposal(logits)
        return jnp.concatenate([base, noise, jnp.stack([fraction, old * temperature])])

    def uniform_like(self, logits: Float[Array, " _P"]) -> Float[Array, " Q"]:
        """Every conditional distribution all noise, and the noise the same for every possible choice."""
        base = logits[: self.num_logits]
        possible = [
            jnp.exp(component.uniform_like(bias)) if component.num_noise else jnp.zeros(0)
            for component, bias in zip(self.components, self._cut_biases(base), strict=True)
        ]
        even = [weights / jnp.maximum(jnp.sum(weights), 1.0) for weights in possible]
        return jnp.concatenate([base, *even, jnp.array([1.0, 1.0])])

    def masked(self, logits: Float[Array, " P"], legal: Bool[Array, " L"]) -> Float[Array, " P"]:
        biases, weights = jnp.split(logits, [self._product.num_logits])
        return jnp.concatenate([self._product.masked(biases, legal), weights])

    def noisy(
        self, key: Array, logits: Float[Array, " P"], fraction: float, concentration: float
    ) -> Float[Array, " Q"]:
        """(1 - ε)·π + ε·noise in every conditional distribution; a component's noise is the same whatever precedes."""
        noise = self._noise(key, jnp.concatenate(self._cut_biases(logits)), concentration)
        return jnp.concatenate([logits, noise, jnp.array([fraction, 1.0])])

    def _noise(self, key: Array, biases: Float[Array, " _"], concentration: float) -> Float[Array, " Z"]:
        """Every component's Dirichlet draw, all at once as rows of one length; what is illegal has a bias of -inf."""
        sizes = [component.num_noise for component in self.components]
        is_own = np.arange(max(sizes))[None] < np.array(sizes)[:, None]
        ends = np.cumsum([component.num_logits for component in self.components])
        place = np.where(is_own, np.arange(max(sizes))[None] + (ends - np.diff(ends, prepend=0))[:, None], 0)
        drawn = dirichlet(key, concentration, jnp.asarray(is_own) & (biases[place] > -jnp.inf))
        return drawn[np.nonzero(is_own)]

    def sample_words(self, logits: Float[Array, " _Q"], uniforms: Float[Array, "J K"]) -> UInt32[Array, "W K"]:
        words, features = [], jnp.zeros((uniforms.shape[1], 0))
        for j, component in enumerate(self.components):
            own = self._conditional(logits, j, features)
            drawn = jax.vmap(component.sample_words)(own, uniforms[j][:, None, None])[:, :, 0]
            words.append(drawn)
            features = jnp.concatenate([features, jax.vmap(component.features)(component.unpack(drawn))], axis=-1)
        return jnp.concatenate(words, axis=-1).T

    def enumerate_words(self) -> UInt32[np.ndarray, "K W"]:
        return self._product.enumerate_words()

    def log_prob_words(self, logits: Float[Array, " _Q"], words: UInt32[Array, "K W"]) -> Float[Array, " K"]:
        features = jax.vmap(self.features)(self.unpack(words))
        columns = jnp.split(words, np.cumsum([c.num_words for c in self.components])[:-1].tolist(), axis=-1)
        terms = [
            jax.vmap(component.log_prob_words)(self._conditional(logits, j, features), columns[j][:, None])[:, 0]
            for j, component in enumerate(self.components)
        ]
        return functools.reduce(jnp.add, terms)

    def entropy(self, logits: Float[Array, " P"]) -> Float[Array, ""]:
        """E[Σ_j H(π_j | a_1 … a_{j-1})]: the sum over all prefixes where they are few, else a mean over fixed draws.

        The draws use the same numbers every time. They carry no gradient, so the mean
        has a second term that is 0 and whose gradient is theirs (the score function's).
        """
        words, weights = self._prefixes(logits)
        features = jax.vmap(self.features)(self.unpack(words))
        terms = [
            jax.vmap(component.entropy)(self._conditional(logits, j, features))
            for j, component in enumerate(self.components)
        ]
        total = functools.reduce(jnp.add, terms)
        if weights is not None:
            return jnp.dot(weights, total)
        log_probs = self.log_prob_words(logits, words)
        surplus = jax.lax.stop_gradient(total - jnp.mean(total))
        return jnp.mean(total + surplus * (log_probs - jax.lax.stop_gradient(log_probs)))

    def pack(self, action: Num[Array, "*K A"]) -> UInt32[Array, "*K W"]:
        return self._product.pack(action)

    def unpack(self, words: UInt32[Array, "*K W"]) -> Num[Array, "*K A"]:
        return self._product.unpack(words)

    def features(self, action: Num[Array, " A"]) -> Float[Array, " F"]:
        return self._product.features(action)

    def coordinates(self, action: Num[Array, " A"]) -> Float[Array, " C"]:
        return self._product.coordinates(action)

    def _proposal(self, logits: Float[Array, " _Q"]) -> tuple[Array, Array, Array, Array]:
        """The network's logits, the components' noise, ε and τ."""
        if logits.shape[0] == self.num_logits:
            return logits, jnp.zeros(self.num_noise), jnp.float32(0.0), jnp.float32(1.0)
        base, noise, pair = jnp.split(logits, [self.num_logits, self.num_logits + self.num_noise])
        return base, noise, pair[0], pair[1]

    def _cut_biases(self, logits: Float[Array, " _Q"]) -> list[Array]:
        sizes = np.cumsum([component.num_logits for component in self.components]).tolist()
        return jnp.split(logits[: sizes[-1]], sizes[:-1])

    def _weights(self, logits: Float[Array, " _Q"], j: int) -> Float[Array, "G P_j"]:
        start = self._product.num_logits + sum(rows * columns for rows, columns in self._weight_shapes[:j])
        rows, columns = self._weight_shapes[j]
        return logits[start : start + rows * columns].reshape(rows, columns)

    def _conditional(self, logits: Float[Array, " _Q"], j: int, features: Float[Array, "K _G"]) -> Float[Array, "K _"]:
        """Component j's own logits, or proposal, given the features of K draws of the components before it."""
        component, weights = self.components[j], self._weights(logits, j)
        # A product would do, but -inf marks what is illegal in the bias alone.
        own = self._cut_biases(logits)[j][None] + features[:, : weights.shape[0]] @ weights
        if logits.shape[0] == self.num_logits:
            return own
        _, noise, fraction, temperature = self._proposal(logits)
        start = sum(earlier.num_noise for earlier in self.components[:j])
        own_noise = noise[start : start + component.num_noise]
        return jax.vmap(lambda x: component.tempered(component.mixed(x, own_noise, fraction), temperature))(own)

    def _prefixes(self, logits: Float[Array, " P"]) -> tuple[UInt32[Array, "S W"], Float[Array, " S"] | None]:
        """Actions to average conditional entropies over, with their weights; None where they are draws."""
        *before, last = self.components
        choices = [component.num_choices_in_all for component in before]
        if 0 not in choices and np.prod(choices) <= MOST_PREFIXES:
            words = Product(tuple(before)).enumerate_words() if before else np.zeros((1, 0), np.uint32)
            # The last component has no say in any conditional distribution.
            padded = np.concatenate([words, np.zeros((len(words), last.num_words), np.uint32)], axis=-1)
            columns = jnp.asarray(padded)
            given = Autoregressive(tuple(before)) if before else None
            if given is None:
                return columns, jnp.ones(1)
            log_probs = given.log_prob_words(self._of_first(logits, len(before)), jnp.asarray(words))
            return columns, jnp.exp(log_probs)
        numbers = random_numbers.uniforms(jnp.array([0, 1], jnp.uint32), 0, (self.num_uniforms, MOST_PREFIXES))
        return jax.lax.stop_gradient(self.sample_words(logits, numbers)).T, None

    def _of_first(self, logits: Float[Array, " P"], number: int) -> Float[Array, " _"]:
        """The logits of the policy over the first components alone."""
        biases = self._cut_biases(logits)[:number]
        return jnp.concatenate([*biases, *(self._weights(logits, j).reshape(-1) for j in range(number))])
