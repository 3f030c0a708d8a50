"""The search written to be read: one tree, nodes as objects, recursion, no batch.

It shares with `smuzero.search` the random numbers and the model, and nothing
else: draws, merging, π̂_β, PUCT and backup are written from the paper's words.
Everything is computed in float64. Where two actions score closer than the
float32 of the real search can tell apart, either is right: `outcomes` gives the
tree of every such choice. Where a uniform number lies that close to an edge of
the inverse CDF, `TooClose` says that there is nothing to compare with.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from smuzero.actions import uniforms
from smuzero.search.plan import Model
from smuzero.search.settings import SearchSettings

Action = tuple[int, ...]

EDGE = 2e-6
"""Room left at the edges of an inverse CDF: partial sums of M float32 are good to about M·2^-24."""
MARGIN = 5e-5
"""Room left between two PUCT scores: float32 returns of size 4, over a range of values that is at least 0.01."""


class TooClose(Exception):
    """Two draws are right within rounding."""


@dataclasses.dataclass
class Node:
    state: Any
    value: float
    """The model's own."""
    reward: float
    """Of the step that led here, like `discount`."""
    discount: float
    count: dict[Action, int]
    """How often each action was drawn, in the order of the first draws."""
    prior: dict[Action, float]
    returns: dict[Action, list[float]]
    estimate: dict[Action, float]
    """Q of an action before its first visit."""
    children: dict[Action, "Node"]

    def visits(self, action: Action) -> int:
        return len(self.returns[action])

    def q(self, action: Action) -> float:
        """The mean return; before the first visit the estimate, or -inf where there is none."""
        if self.returns[action]:
            return sum(self.returns[action]) / len(self.returns[action])
        return self.estimate.get(action, -math.inf)


def outcomes(
    key: Array, root: Any, model: Model, settings: SearchSettings, row: int, legal: np.ndarray | None = None
) -> Iterator[Node]:
    """Every tree that is right for row `row` of a batch of roots: one, but for scores that almost tie."""
    script: list[int] = []
    while True:
        search = Search(key, root, model, settings, row, script)
        yield search.run(legal)
        # Like an odometer: the last choice that has another option takes it.
        while search.taken and search.taken[-1][0] + 1 == search.taken[-1][1]:
            search.taken.pop()
        if not search.taken:
            return
        script = [option for option, _ in search.taken]
        script[-1] += 1


class Search:
    """One search from row `row` of a batch of roots; `script` says which option almost tied choices take."""

    def __init__(self, key: Array, root: Any, model: Model, settings: SearchSettings, row: int, script: list[int]):
        batch_size = jax.tree.leaves(root)[0].shape[0]
        noise_key, draw_key = jax.random.split(key)
        self.noise_key = jax.random.split(noise_key, batch_size)[row]
        self.seeds = uniforms.seeds(draw_key)
        self.batch_size, self.row = batch_size, row
        self.settings = settings
        self.policy: Any = model.policy  # A FactoredCategorical, for its dimensions and choices.
        self.dynamics, self.predict = _jitted(model)
        self.values_seen: list[float] = []
        self.script = script
        self.taken: list[tuple[int, int]] = []
        """The options taken so far, each with the number there were."""
        self.state = jax.tree.map(lambda x: x[row], root)

    def run(self, legal: np.ndarray | None) -> Node:
        logits, value = self.predict(self.state)
        if legal is not None:
            logits = np.where(legal[self.row], logits, -np.inf)
        if self.settings.noise_fraction > 0:
            logits = _jitted_noise(self.policy)(
                self.noise_key, logits, self.settings.noise_fraction, self.settings.noise_concentration
            )
        root = self.new_node(0, self.state, logits, value, 0.0, 0.0)
        if self.settings.evaluate_root:
            for action in root.count:
                state, reward, discount = self.dynamics(self.state, np.array(action, np.int32))
                root.estimate[action] = float(reward) + float(discount) * float(self.predict(state)[1])
                self.values_seen.append(root.estimate[action])
        for number in range(1, self.settings.num_simulations + 1):
            self.simulate(root, number)
        return root

    def new_node(self, number: int, state: Any, logits: Any, value: Any, reward: Any, discount: Any) -> Node:
        pi = _softmax(np.asarray(logits, np.float64).reshape(self.policy.num_dims, self.policy.num_choices))
        count, prior = self.all_actions(pi) if self.settings.enumerate_actions else self.drawn_actions(pi, number)
        returns: dict[Action, list[float]] = {action: [] for action in count}
        return Node(state, float(value), float(reward), float(discount), count, prior, returns, {}, {})

    def all_actions(self, pi: np.ndarray) -> tuple[dict[Action, int], dict[Action, float]]:
        """MuZero's node: every legal action, with prior π."""
        prior = {a: _prob(pi, a) for a in itertools.product(range(pi.shape[1]), repeat=pi.shape[0])}
        prior = {a: p for a, p in prior.items() if p > 0}
        return dict.fromkeys(prior, 1), prior

    def drawn_actions(self, pi: np.ndarray, number: int) -> tuple[dict[Action, int], dict[Action, float]]:
        """K draws from β = π^(1/τ), and π̂_β ∝ (β̂/β)·π."""
        settings = self.settings
        beta = pi ** (1.0 / settings.temperature)
        beta /= beta.sum(axis=1, keepdims=True)
        shape = (self.batch_size, self.policy.num_dims, settings.num_samples)
        numbers = np.asarray(_jitted_uniforms(self.seeds, number, shape))[self.row]
        count: dict[Action, int] = {}
        for k in range(settings.num_samples):
            action = tuple(_inverse_cdf(beta[dim], float(numbers[dim, k])) for dim in range(len(beta)))
            count[action] = count.get(action, 0) + 1
        beta_hat = {a: n / settings.num_samples for a, n in count.items()}
        weight = {a: beta_hat[a] / _prob(beta, a) * _prob(pi, a) for a in count}
        if settings.temperature == 1:
            weight = beta_hat  # The same number, free of rounding: equal counts are exact ties.
        return count, {a: w / sum(weight.values()) for a, w in weight.items()}

    def simulate(self, node: Node, number: int) -> float:
        """One visit of `node`: the return from here on."""
        action = self.choose(node)
        if action in node.children:
            child = node.children[action]
            below = self.simulate(child, number)
        else:
            state, reward, discount = self.dynamics(node.state, np.array(action, np.int32))
            logits, value = self.predict(state)
            child = self.new_node(number, state, logits, value, reward, discount)
            node.children[action] = child
            below = child.value
        node.returns[action].append(child.reward + child.discount * below)
        self.values_seen.append(node.q(action))
        return node.returns[action][-1]

    def choose(self, node: Node) -> Action:
        """argmax of PUCT (Appendix D); while nothing was visited, the prior decides among equal Q."""
        total = sum(node.visits(a) for a in node.count)
        if total > 0:
            return self.best({a: (self.puct(node, a, total), node.prior[a], node.visits(a)) for a in node.count})
        values = {a: self.normalised(node, a) for a in node.count}
        greatest = {a: q for a, q in values.items() if q == max(values.values())}
        close = {a: q for a, q in values.items() if q > max(values.values()) - MARGIN}
        if len(close) > len(greatest):
            return self.best({a: (q, node.prior[a]) for a, q in close.items()})
        return self.best({a: (math.log(node.prior[a]),) for a in greatest})

    def best(self, candidates: dict[Action, tuple[float, ...]]) -> Action:
        """The candidate with the highest score, the first entry of each.

        Candidates alike in every entry tie in any program, and the first drawn is taken.
        """
        greatest = max(entry[0] for entry in candidates.values())
        options: dict[tuple[float, ...], Action] = {}
        for action, entry in candidates.items():
            if entry[0] > greatest - MARGIN:
                options.setdefault(entry, action)
        if len(options) == 1:
            return next(iter(options.values()))
        choice = self.script[len(self.taken)] if len(self.taken) < len(self.script) else 0
        self.taken.append((choice, len(options)))
        return list(options.values())[choice]

    def puct(self, node: Node, action: Action, total: int) -> float:
        c = self.settings.c1 + math.log((1 + self.settings.c2 + total) / self.settings.c2)
        explore = c * node.prior[action] * math.sqrt(total) / (1 + node.visits(action))
        return self.normalised(node, action) + explore

    def normalised(self, node: Node, action: Action) -> float:
        """Q between the least and the greatest Q seen in this tree; 0 where there is none."""
        q = node.q(action)
        if q == -math.inf:
            return 0.0
        low, high = min(self.values_seen), max(self.values_seen)
        return (q - low) / max(high - low, self.settings.min_value_range)


def _inverse_cdf(probs: np.ndarray, uniform: float) -> int:
    """The first choice whose cumulative probability exceeds the uniform number."""
    total = 0.0
    for choice, p in enumerate(probs):
        total += p
        if p > 0 and total < 1 - 1e-9 and abs(uniform - total) < EDGE:
            raise TooClose
        if uniform < total:
            return choice
    return int(np.flatnonzero(probs)[-1])


def _prob(probs: np.ndarray, action: Action) -> float:
    return math.prod(float(probs[dim, choice]) for dim, choice in enumerate(action))


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


@functools.cache
def _jitted(model: Model) -> tuple[Any, Any]:
    return jax.jit(model.dynamics), jax.jit(model.predict)


@functools.cache
def _jitted_noise(policy: Any) -> Any:
    return jax.jit(policy.noisy, static_argnums=(2, 3))


_jitted_uniforms = jax.jit(uniforms.uniforms, static_argnums=2)
