"""Sample-based policy improvement: the operators of `improvement`, over K drawn actions (Sections 4.3 to 4.5).

    Î_β π(a|s) = (β̂/β)(a|s) f(s, a, Ẑ_β(s)),   Σ_a (β̂/β)(a|s) f(s, a, Ẑ_β(s)) = 1

with β̂(a) = count(a)/K. Only the measure of the sum differs from the exact
operator's: what is 1 for each action there is β̂/β here. As everywhere, the K
slots hold distinct actions, `count` says how often each was drawn, and a slot
with count 0 is empty: it gets probability 0 whatever else it holds.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from smuzero.operators.improvement import (
    AWR,
    MPO,
    PPO,
    MuZero,
    Operator,
    PolicyGradient,
    Scalar,
    log_improve,
    search_strength,
)


def log_ratio(log_beta: Float[Array, " K"], count: Int[Array, " K"]) -> Float[Array, " K"]:
    """log (β̂/β)(a), with β̂(a) = count(a) / Σ_b count(b)."""
    times = count.astype(log_beta.dtype)
    return jnp.where(count > 0, jnp.log(times) - jnp.log(jnp.sum(times)) - log_beta, -jnp.inf)


def sampled_improve(
    operator: Operator,
    log_pi: Float[Array, " K"],
    log_beta: Float[Array, " K"],
    count: Int[Array, " K"],
    q: Float[Array, " K"],
) -> Float[Array, " K"]:
    """Î_β π(a|s) of the K slots, which tends to Iπ as K grows (Section 4.4)."""
    return jnp.exp(log_improve(operator, log_pi, q, log_ratio(log_beta, count)))


def expectation(probs: Float[Array, " K"], x: Float[Array, " K"]) -> Float[Array, ""]:
    """Σ_a Î_β π(a|s) X(s, a), the estimate of E_{a∼Iπ}[X|s] (Section 4.4).

    X = −log π_θ gives the cross entropy, X = r + γV' a step of policy evaluation
    (Section 4.5). What X holds where the probability is 0 does not matter.
    """
    return jnp.sum(probs * jnp.where(probs == 0, 0.0, x))


def resample(key: PRNGKeyArray, probs: Float[Array, " K"]) -> Int[Array, ""]:
    """The slot of one action drawn from Î_β π: sampling importance resampling (Section 4.5; Rubin 1987)."""
    return jax.random.categorical(key, jnp.log(probs))


@dataclasses.dataclass(frozen=True)
class ImprovementSettings:
    """Which operator makes the policy target, and its constants; every one is a compile-time constant."""

    operator: str = "muzero"
    """muzero, mpo, awr, ppo or pg (Section 4.1, Appendix F)."""
    temperature: float = 0.1
    """τ of mpo, awr and ppo, in units of the Q that is given (Section 4.1, which names no number)."""
    c1: float = 1.25
    """Exploration constant of PUCT, which λ_N of muzero follows from (Appendix D)."""
    c2: float = 19652.0
    """Visits at which exploration has grown by log 2 (Appendix D)."""
    max_weight: float = float("inf")
    """Largest exp(A/τ) of awr; Peng et al. 2019 use 20."""
    lower: float | None = None
    """What Q is measured from under pg; by default 0, or the least Q where that is below."""

    def __post_init__(self):
        if self.operator not in OPERATORS:
            raise ValueError(f"operator is {self.operator!r}, but must be one of {', '.join(OPERATORS)} (Section 4.1).")
        for name in ("temperature", "c1", "c2", "max_weight"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be above 0.")


OPERATORS: dict[str, Callable[[ImprovementSettings, Scalar, Scalar | None], Operator]] = {
    "muzero": lambda settings, strength, value: MuZero(strength),
    "mpo": lambda settings, strength, value: MPO(settings.temperature),
    "awr": lambda settings, strength, value: AWR(settings.temperature, value, settings.max_weight),
    "ppo": lambda settings, strength, value: PPO(settings.temperature),
    "pg": lambda settings, strength, value: PolicyGradient(settings.lower),
}
"""By name: (settings, λ_N, V(s) if known) -> the operator."""


def improved_policy(
    settings: ImprovementSettings,
    log_pi: Float[Array, " K"],
    log_beta: Float[Array, " K"],
    count: Int[Array, " K"],
    q: Float[Array, " K"],
    visits: Int[Array, ""] | Scalar,
    value: Scalar | None = None,
) -> Float[Array, " K"]:
    """The policy over K slots that stands in place of normalised visits: to act by (`resample`), and as a target.

    `visits` is ΣN of the search, which muzero's λ_N follows from; `value` is V(s)
    for awr. For muzero, q must be in the units PUCT compares, normalised to
    [0, 1], or it is not what the search's visits tend to; then the others' τ is
    one constant for all environments as well.
    """
    strength = search_strength(visits, jnp.sum((count > 0).astype(q.dtype)), settings.c1, settings.c2)
    operator = OPERATORS[settings.operator](settings, strength.astype(q.dtype), value)
    return sampled_improve(operator, log_pi, log_beta, count, q)
