"""The search written to be read: one tree, nodes as objects, recursion, no batch.

Nothing is kept that can be computed again: priors, counts and corrected values
are worked out from a node's draws and visits each time they are asked for.

It shares with `smuzero.search` the random numbers and the model, and nothing
else: draws, merging, π̂_β, PUCT and backup are written from the paper's words.
Everything is computed in float64. Where two actions score closer than the
float32 of the real search can tell apart, either is right: `outcomes` gives the
tree of every such choice. Where a uniform number lies that close to an edge of
the inverse CDF, `TooClose` says that there is nothing to compare with.
"""

import collections
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
from smuzero.search.proposal import num_lanes
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
    """The model's own, for the player to move."""
    reward: float
    """Of the step that led here, like `discount`."""
    discount: float
    side: int
    """1 where the player at the root is to move, -1 where it is the opponent."""
    draws: list[Action]
    """In order; every action once where all are held."""
    pi: dict[Action, float]
    beta: dict[Action, float]
    returns: dict[Action, list[float]]
    estimate: dict[Action, float] = dataclasses.field(default_factory=dict)
    """Q of an action before its first visit."""
    children: dict[Action, "Node"] = dataclasses.field(default_factory=dict)

    def visits(self, action: Action) -> int:
        return len(self.returns[action])

    def total_visits(self) -> int:
        return sum(self.visits(action) for action in self.returns)


def outcomes(
    key: Array, root: Any, model: Model, settings: SearchSettings, row: int, legal: np.ndarray | None = None
) -> Iterator["Search"]:
    """Every finished search that is right for row `row` of a batch of roots: one, but for scores that almost tie."""
    script: list[int] = []
    while True:
        search = Search(key, root, model, settings, row, script)
        search.run(legal)
        yield search
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

    def run(self, legal: np.ndarray | None) -> None:
        logits, value = self.predict(self.state)
        if legal is not None:
            logits = np.where(legal[self.row], logits, -np.inf)
        if self.settings.noise_fraction > 0:
            share = self.settings.noise_fraction
            if self.settings.noise_scope == "action":
                share = 1 - (1 - share) ** (1 / self.policy.num_dims)
            logits = _jitted_noise(self.policy)(self.noise_key, logits, share, self.settings.noise_concentration)
        self.root = root = self.new_node(0, self.state, logits, value, 0.0, 0.0, 1)
        if self.settings.evaluate_root:
            for action in root.returns:
                state, reward, discount = self.dynamics(self.state, np.array(action, np.int32))
                root.estimate[action] = float(reward) + float(discount) * float(self.predict(state)[1])
                self.values_seen.append(root.estimate[action])
        for number in range(1, self.settings.num_simulations + 1):
            self.last_count, self.last_prior = self.count(root), self.prior(root)
            self.simulate(root, number)

    def new_node(self, number: int, state: Any, logits: Any, value: Any, reward: Any, discount: Any, side: int) -> Node:
        pi = _softmax(np.asarray(logits, np.float64).reshape(self.policy.num_dims, self.policy.num_choices))
        if self.settings.enumerate_actions:
            every = itertools.product(range(pi.shape[1]), repeat=pi.shape[0])
            draws = [action for action in every if _prob(pi, action) > 0]
            beta = dict.fromkeys(draws, 1 / len(draws))
        else:
            draws, beta = self.draw(pi, number)
        probs = {action: _prob(pi, action) for action in draws}
        returns: dict[Action, list[float]] = {action: [] for action in draws}
        return Node(state, float(value), float(reward), float(discount), side, draws, probs, beta, returns)

    def draw(self, pi: np.ndarray, number: int) -> tuple[list[Action], dict[Action, float]]:
        """K draws from β = (1 - m)·β₁ + m·π^(1/τ₂), and the density of each."""
        settings = self.settings
        first = _flattened(pi, math.inf if settings.proposal == "uniform" else settings.temperature)
        second = _flattened(pi, settings.mixed_temperature)
        share = settings.mixed_fraction
        shape = (self.batch_size, self.policy.num_dims + (share > 0), num_lanes(settings))
        numbers = np.asarray(_jitted_uniforms(self.seeds, number, shape))[self.row]
        draws = []
        for column in numbers.T[: settings.num_samples]:
            if share > 0 and abs(column[-1] - share) < EDGE:
                raise TooClose
            part = second if share > 0 and column[-1] < share else first
            draws.append(tuple(_inverse_cdf(part[dim], float(column[dim])) for dim in range(len(pi))))
        return draws, {a: (1 - share) * _prob(first, a) + share * _prob(second, a) for a in draws}

    def offered(self, node: Node) -> list[Action]:
        """The draws that a node offers: all, or with progressive widening more of them the more it was visited."""
        settings = self.settings
        if settings.widening_start == 0:
            return node.draws
        size = settings.widening_start * (node.total_visits() + 1) ** settings.widening_exponent
        return node.draws[: math.ceil(round(size, 6))]

    def count(self, node: Node) -> dict[Action, int]:
        """How often each action was drawn, in the order of the first draws.

        Where a node has room for every action they stand in their own order, the first dimension counting fastest.
        """
        count = dict(collections.Counter(self.offered(node)))
        if self.settings.is_widening or self.policy.num_choices**self.policy.num_dims > self.settings.num_samples:
            return count
        return {action: count[action] for action in sorted(count, key=lambda action: action[::-1])}

    def prior(self, node: Node) -> dict[Action, float]:
        """π̂_β ∝ (β̂/β)·π, with β̂ the frequency of the draws; or what the setting has in its place."""
        settings, count = self.settings, self.count(node)
        if settings.enumerate_actions or settings.prior == "policy":
            return {a: node.pi[a] for a in count}
        if settings.prior == "policy_normalised":
            return _normalised({a: node.pi[a] for a in count})
        beta_hat = {a: n / sum(count.values()) for a, n in count.items()}
        if settings.proposal == "policy" and settings.temperature == 1 and settings.mixed_fraction == 0:
            return beta_hat  # The same number, free of rounding: equal counts are exact ties.
        return _normalised({a: beta_hat[a] / node.beta[a] * node.pi[a] for a in count})

    def simulate(self, node: Node, number: int) -> float:
        """One visit of `node`: the return from here on."""
        action = self.choose(node)
        if action in node.children:
            child = node.children[action]
            below = self.simulate(child, number)
        else:
            state, reward, discount = self.dynamics(node.state, np.array(action, np.int32))
            logits, value = self.predict(state)
            side = -node.side if discount < 0 else node.side
            child = self.new_node(number, state, logits, value, reward, discount, side)
            node.children[action] = child
            below = child.value
        node.returns[action].append(child.reward + child.discount * below)
        self.values_seen.append(node.side * self.q(node, action))
        return node.returns[action][-1]

    def q(self, node: Node, action: Action) -> float:
        """Q for the player to move: the mean return; before the first visit the estimate, or -inf without one.

        With a corrected backup it is r + γ·V(s') with the next node's corrected value.
        """
        returns = node.returns[action]
        if not returns:
            return node.estimate.get(action, -math.inf)
        if self.settings.correct_backup:
            child = node.children[action]
            return child.reward + child.discount * self.node_value(child)
        return sum(returns) / len(returns)

    def search_value(self, node: Node) -> float:
        """Q expected under the visits, or under the visits corrected by β̂/β."""
        visited = [a for a in node.returns if node.visits(a)]
        weight = {a: float(node.visits(a)) for a in visited}
        if self.settings.correct_backup:
            weight = {a: node.draws.count(a) / len(node.draws) / node.beta[a] * weight[a] for a in visited}
        return sum(weight[a] * self.q(node, a) for a in visited) / sum(weight.values())

    def node_value(self, node: Node) -> float:
        """The mean over a node's visits, of which the first brought the model's own value."""
        total = node.total_visits()
        if total == 0:
            return node.value
        return (node.value + total * self.search_value(node)) / (1 + total)

    def choose(self, node: Node) -> Action:
        """argmax of PUCT (Appendix D); while nothing was visited, the prior decides among equal Q."""
        total, prior = node.total_visits(), self.prior(node)
        if total > 0:
            return self.best({a: (self.puct(node, a, prior[a], total), prior[a], node.visits(a)) for a in prior})
        values = {a: self.normalised(node, a) for a in prior}
        greatest = {a: q for a, q in values.items() if q == max(values.values())}
        close = {a: q for a, q in values.items() if q > max(values.values()) - MARGIN}
        if len(close) > len(greatest):
            return self.best({a: (q, prior[a]) for a, q in close.items()})
        return self.best({a: (math.log(prior[a]),) for a in greatest})

    def best(self, candidates: dict[Action, tuple[float, ...]]) -> Action:
        """The candidate with the highest score, the first entry of each.

        Candidates alike in every entry tie in any program, and the first one is taken.
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

    def puct(self, node: Node, action: Action, prior: float, total: int) -> float:
        c = self.settings.c1 + math.log((1 + self.settings.c2 + total) / self.settings.c2)
        return self.normalised(node, action) + c * prior * math.sqrt(total) / (1 + node.visits(action))

    def normalised(self, node: Node, action: Action) -> float:
        """Q between the least and the greatest Q seen in this tree, all for the player who moves at `node`.

        Where there is no Q, 0 or the node's own value in its place.
        """
        q = self.q(node, action)
        if q == -math.inf:
            if self.settings.unvisited == "minimum" or not self.values_seen:
                return 0.0
            q = self.node_value(node)
        seen = [node.side * value for value in self.values_seen]
        scaled = (q - min(seen)) / max(max(seen) - min(seen), self.settings.min_value_range)
        return min(max(scaled, 0.0), 1.0)


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


def _flattened(pi: np.ndarray, temperature: float) -> np.ndarray:
    """π^(1/τ); for τ = ∞ the same for every choice that π can bring."""
    weights = (pi > 0).astype(float) if temperature == math.inf else pi ** (1 / temperature)
    return weights / weights.sum(axis=1, keepdims=True)


def _normalised(weights: dict[Action, float]) -> dict[Action, float]:
    total = sum(weights.values())
    return {action: weight / total for action, weight in weights.items()}


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
