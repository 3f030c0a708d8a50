"""What a search says the policy should become: its visits, or an operator applied to its root values.

Sampled MuZero learns from the root's visits (Section 5.3). Section 4 allows any
action-independent operator in their place, which needs of the search no more
than Q of the drawn actions: with few simulations those say more than counts do.
"""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from smuzero.operators import sampled
from smuzero.search.plan import SearchResult, corrected_visits
from smuzero.search.settings import SearchSettings

OWN = ("visits", "corrected_visits")
"""Targets that are counts, not operators."""


@dataclasses.dataclass(frozen=True)
class ImprovementSettings:
    """How the policy's target is made from a search; the default is the paper's."""

    operator: Literal["visits", "corrected_visits", "muzero", "mpo", "awr", "ppo", "pg"] = "visits"
    """The root's visits (Section 5.3); visits times β̂/β, for `search.prior` "policy" (Section 5.1); or an operator
    of Section 4 on the root's Q."""
    temperature: float = 0.1
    """τ of mpo, awr and ppo, in the unit of Q below."""
    unit: Literal["range", "spread"] = "range"
    """Unit of Q: "range" is the tree's largest Q less its smallest, as in PUCT; "spread" the standard deviation of Q
    over a state's actions, a mean over the states searched together."""
    min_spread: float = 0.05
    """Least spread that counts as one, in units of value: before any reward, Q differs by the network's noise only."""
    reference: Literal["policy", "proposal"] = "policy"
    """What an operator improves: "policy" is π (Section 4), "proposal" the β that the actions were drawn from. Where β
    is flatter than π the policy then stays open by what β adds to it; the spread of Q is β's as well."""
    max_weight: float = 20.0
    """Largest exp(A/τ) of awr (Peng et al. 2019)."""
    acts: bool = False
    """Act by the improved policy as well: one of the K drawn actions is drawn again by it (sampling importance
    resampling, Section 4.5), in place of by visits."""

    def __post_init__(self):
        for name in ("temperature", "min_spread", "max_weight"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be above 0.")
        if self.operator not in OWN and self.operator not in sampled.OPERATORS:
            known = ", ".join((*OWN, *sampled.OPERATORS))
            raise ValueError(f"operator is {self.operator!r}, but must be one of {known} (Section 4.1).")
        if self.unit not in ("range", "spread"):
            raise ValueError(f"unit is {self.unit!r}, but must be 'range' or 'spread'.")
        if self.reference not in ("policy", "proposal"):
            raise ValueError(f"reference is {self.reference!r}, but must be 'policy' or 'proposal'.")
        if self.reference == "proposal" and self.operator in OWN:
            raise ValueError(f"reference is 'proposal', but {self.operator} are counts: it needs an operator.")
        if self.operator == "muzero" and self.unit != "range":
            raise ValueError("unit is 'spread', but muzero's λ_N is made for Q in units of the tree's range: use it.")

    @property
    def needs_visits(self) -> bool:
        """The target is made from how often actions were visited, and not from Q alone."""
        return self.operator in (*OWN, "muzero")


VISITS = ImprovementSettings()
"""The paper's own target."""


def improved_policy(found: SearchResult, settings: ImprovementSettings, search: SearchSettings) -> Float[Array, "B K"]:
    """The policy that each root's policy is to learn, over its K slots; each row sums to 1."""
    if settings.operator == "visits":
        visits = found.visits.astype(jnp.float32)
        return visits / jnp.sum(visits, axis=-1, keepdims=True)
    if settings.operator == "corrected_visits":
        return corrected_visits(found)
    low, unit = _unit(found, settings, search)

    def improve(log_pi: Array, log_beta: Array, count: Array, q: Array, value: Array) -> Array:
        return sampled.improved_policy(
            settings.operator,
            log_pi,
            log_beta,
            count,
            q,
            search.num_simulations,
            value,
            temperature=settings.temperature,
            max_weight=settings.max_weight,
            c1=search.c1,
            c2=search.c2,
        )

    q, value = (found.q - low[:, None]) / unit[:, None], (found.raw_value - low) / unit
    log_pi = found.log_beta if settings.reference == "proposal" else found.log_pi
    return jax.vmap(improve)(log_pi, found.log_beta, found.count, q, value)


def present_policy(found: SearchResult) -> Float[Array, "B K"]:
    """(β̂/β) π over each root's slots that have an estimate of Q, normalised: Σ p Q tends to that of π as K grows."""
    has_q = _has_q(found)
    log_weight = found.log_pi + jax.vmap(sampled.log_ratio)(found.log_beta, found.count)
    return jax.nn.softmax(jnp.where(has_q, log_weight, -jnp.inf), axis=-1, where=has_q)


def q_spread(found: SearchResult, reference: str = "policy") -> Float[Array, " B"]:
    """Standard deviation of Q over each root's actions, in units of value: under π̂_β, or as they were drawn."""
    has_q = _has_q(found)
    weight = jnp.where(has_q, found.prior if reference == "policy" else found.count.astype(jnp.float32), 0.0)
    weight = weight / jnp.maximum(jnp.sum(weight, axis=-1, keepdims=True), jnp.finfo(jnp.float32).tiny)
    q = jnp.where(has_q, found.q, 0.0)
    mean = jnp.sum(weight * q, axis=-1, keepdims=True)
    return jnp.sqrt(jnp.sum(weight * jnp.square(q - mean), axis=-1))


def _has_q(found: SearchResult) -> Bool[Array, "B K"]:
    """The slots that hold an action with an estimate of Q."""
    return (found.count > 0) & jnp.isfinite(found.q)


def _unit(
    found: SearchResult, settings: ImprovementSettings, search: SearchSettings
) -> tuple[Float[Array, " B"], Float[Array, " B"]]:
    """What Q is measured from, and in what."""
    low, high = found.tree.low, found.tree.high
    if settings.unit == "range":
        return low, jnp.maximum(high - low, search.min_value_range)
    spread = jnp.mean(q_spread(found, settings.reference))
    return low, jnp.broadcast_to(jnp.maximum(spread, settings.min_spread), low.shape)
