"""Fresh targets for stored steps: the search is run again, with the target network (MuZero Reanalyze).

What a search found when a step was played grows old with the policy and the
values it was found with. Here a share of every batch is searched anew: the
drawn actions are new as well, and are kept together with what the search says
of them, since visits mean nothing without their actions.

Schrittwieser et al. 2020 and 2021; Sampled MuZero uses none of it (share 0).
"""

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt32

from smuzero.actions.distributions import Policy
from smuzero.agent.acting import search_model
from smuzero.agent.improvement import ImprovementSettings, improved_policy, present_policy
from smuzero.agent.model_errors import model_errors
from smuzero.networks.network import Network, Params
from smuzero.search.plan import search
from smuzero.search.settings import SearchSettings
from smuzero.types import Windows, check_at_least


@dataclasses.dataclass(frozen=True)
class ReanalyseSettings:
    """How much of a batch is searched anew, and by what search; what is not named is as in acting."""

    share: float = 0.0
    """Share of a batch's windows whose targets are made fresh; the paper's is 0."""
    num_steps: int | None = None
    """Steps of a window that are searched anew, from its first; later ones teach the policy nothing. None is all."""
    num_samples: int = 20
    """Actions drawn at every node of the fresh search (K)."""
    num_simulations: int = 50
    """Simulations of the fresh search; 0 leaves the lookahead of every drawn action alone, which costs less."""
    lookahead: int = 1
    """Steps of the model by which every drawn action of its root is evaluated: 1 is r + γv, as in acting; further ones
    follow actions drawn from the policy."""
    mixed_fraction: float | None = None
    """Share of draws from the flattened policy, π^(1/`search.mixed_temperature`), which π̂_β corrects for: the policy's
    target sees more actions without being pulled to them, as noise does. None is as in acting."""
    noise_fraction: float = 0.0
    """Share of noise in its root's π and β."""
    value_weight: float = 0.0
    """Share of what the fresh search expects of its step, Σ_a p(a) Q(a), in the value target; the n-step return has the
    rest. Unlike that return, it is not of the policy that once played."""
    value_of: Literal["improved", "policy"] = "improved"
    """Whose p that is: "improved" is Iπ, which prefers what errors make look best, and bootstraps add that up; "policy"
    is π itself, which improves from update to update."""
    corrects_values: bool = False
    """Add to each such value what the model gets wrong along the `lookahead` stored actions that follow
    (`smuzero.agent.model_errors`)."""

    def __post_init__(self):
        for name in ("share", "noise_fraction", "value_weight", "mixed_fraction"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [0, 1].")
        if self.value_of not in ("improved", "policy"):
            raise ValueError(f"value_of is {self.value_of!r}, but can be 'improved' or 'policy'.")
        check_at_least(self, num_steps=1, num_samples=1, num_simulations=0, lookahead=1)

    def num_searches(self, batch_size: int, unroll: int) -> int:
        """Searches that one update makes."""
        return round(self.share * batch_size) * min(self.num_steps or unroll + 1, unroll + 1)


class Fresh(NamedTuple):
    """What fresh searches found for the first R windows of a batch, at the first S of their U + 1 steps."""

    words: UInt32[Array, "R S K W"]
    """The actions drawn, packed,"""
    probs: Float[Array, "R S K"]
    """and the improved policy over them."""
    value: Float[Array, "R S"]
    """What the search expects of the step, in environment units."""


Reanalyse = Callable[[Params, PRNGKeyArray, Windows], Fresh]


def make_reanalyse(
    network: Network,
    policy: Policy,
    settings: ReanalyseSettings,
    acting: SearchSettings,
    improvement: ImprovementSettings,
    discount: float,
) -> Reanalyse:
    """The fresh search of a batch's first windows, as many as the share says; pure, for use inside an update."""
    fresh_search = dataclasses.replace(
        acting,
        num_samples=settings.num_samples,
        num_simulations=settings.num_simulations,
        noise_fraction=settings.noise_fraction,
        root_lookahead=settings.lookahead,
        mixed_fraction=acting.mixed_fraction if settings.mixed_fraction is None else settings.mixed_fraction,
    )

    def reanalyse(params: Params, key: PRNGKeyArray, windows: Windows) -> Fresh:
        num_windows = round(settings.share * windows.action.shape[0])
        num_steps = min(settings.num_steps or windows.visits.shape[1], windows.visits.shape[1])
        observation = jnp.asarray(windows.observation)[:num_windows, :num_steps]
        rows = observation.reshape(num_windows * num_steps, *observation.shape[2:])
        root = jax.vmap(network.represent, in_axes=(None, 0))(params, rows)
        legal = None
        if windows.legal is not None:
            masks = jnp.asarray(windows.legal)[:num_windows, :num_steps]
            legal = masks.reshape(num_windows * num_steps, masks.shape[-1])
        found = search(key, root, search_model(network, policy, params, discount), fresh_search, legal=legal)
        probs = improved_policy(found, improvement, fresh_search)
        valued = probs if settings.value_of == "improved" else present_policy(found)
        # Q is -inf where there is no estimate, and such an action has probability 0.
        value = jnp.sum(valued * jnp.where(valued > 0, found.q, 0.0), axis=-1)
        fresh = Fresh(found.words, probs, value)
        fresh = jax.tree.map(lambda x: x.reshape(num_windows, num_steps, *x.shape[1:]), fresh)
        if not settings.corrects_values:
            return fresh
        first = jax.tree.map(lambda x: x[:num_windows], windows)
        errors = model_errors(network, params, first, num_steps, settings.lookahead, discount)
        return fresh._replace(value=fresh.value + errors)

    return reanalyse


def with_fresh_policy(windows: Windows, fresh: Fresh) -> Windows:
    """The batch with the fresh drawn actions and their probabilities in place of the stored ones."""
    words, visits = jnp.asarray(windows.words), jnp.asarray(windows.visits, jnp.float32)
    first, num_steps = fresh.words.shape[0], words.shape[1]
    if first == words.shape[0]:
        # No stored slots are left, which are more and would all be empty.
        shape = (num_steps, fresh.words.shape[2])
        return windows._replace(words=_padded(fresh.words, shape), visits=_padded(fresh.probs, shape))
    shape = (num_steps, max(words.shape[2], fresh.words.shape[2]))
    return windows._replace(
        words=jnp.concatenate([_padded(fresh.words, shape), _padded(words[first:], shape)]),
        visits=jnp.concatenate([_padded(fresh.probs, shape), _padded(visits[first:], shape)]),
    )


def with_fresh_value(
    value: Float[Array, "B V"], is_step: Bool[Array, "B T"], fresh: Fresh, weight: float
) -> Float[Array, "B V"]:
    """The value targets, mixed with the fresh search's values at the steps that have one."""
    first, num_steps = fresh.value.shape
    stored = value[:first, :num_steps]
    mixed = jnp.where(is_step[:first, :num_steps], (1.0 - weight) * stored + weight * fresh.value, stored)
    return value.at[:first, :num_steps].set(mixed)


def _padded(x: Array, shape: tuple[int, int]) -> Array:
    """`[R, S, K, ...]` with zeros after its steps and slots: steps that teach nothing, empty slots."""
    missing = [(0, shape[0] - x.shape[1]), (0, shape[1] - x.shape[2])]
    return jnp.pad(x, [(0, 0), *missing] + [(0, 0)] * (x.ndim - 3))
