"""Sample-based policy improvement: the operators of `improvement`, over K drawn actions (Sections 4.3 to 4.5).

    Î_β π(a|s) = (β̂/β)(a|s) f(s, a, Ẑ_β(s)),   Σ_a (β̂/β)(a|s) f(s, a, Ẑ_β(s)) = 1

with β̂(a) = count(a)/K. Only the measure of the sum differs from the exact
operator's: what is 1 for each action there is β̂/β here. As everywhere, the K
slots hold distinct actions, `count` says how often each was drawn, and a slot
with count 0 is empty: it gets probability 0 whatever else it holds.
"""

import math

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


OPERATORS = ("muzero", "mpo", "awr", "ppo", "pg")
"""The operators by name (Section 4.1, Appendix F)."""


def operator_named(
    name: str, strength: Scalar, value: Scalar | None = None, temperature: Scalar = 0.1, max_weight: Scalar = math.inf
) -> Operator:
    """The operator of that name, with λ_N for muzero, V(s) for awr, τ for mpo, awr and ppo; raises ValueError."""
    known = {
        "muzero": MuZero(strength),
        "mpo": MPO(temperature),
        "awr": AWR(temperature, value, max_weight),
        "ppo": PPO(temperature),
        "pg": PolicyGradient(),
    }
    if name not in known:
        raise ValueError(f"operator is {name!r}, but must be one of {', '.join(OPERATORS)} (Section 4.1).")
    return known[name]


def improved_policy(
    name: str,
    log_pi: Float[Array, " K"],
    log_beta: Float[Array, " K"],
    count: Int[Array, " K"],
    q: Float[Array, " K"],
    visits: Int[Array, ""] | Scalar,
    value: Scalar | None = None,
    *,
    temperature: Scalar = 0.1,
    max_weight: Scalar = math.inf,
    c1: float = 1.25,
    c2: float = 19652.0,
) -> Float[Array, " K"]:
    """The policy over K slots that stands in place of normalised visits: to act by (`resample`), and as a target.

    `visits` is ΣN of the search, which muzero's λ_N follows from with PUCT's c1
    and c2 (Appendix D); `value` is V(s) and `max_weight` the largest exp(A/τ) for
    awr; `temperature` is τ of mpo, awr and ppo, for which the paper names no
    number. For muzero, q must be in the units PUCT compares, normalised to
    [0, 1], or it is not what the search's visits tend to; then the others' τ is
    one constant for all environments as well. Raises ValueError for an unknown name.
    """
    strength = search_strength(visits, jnp.sum((count > 0).astype(q.dtype)), c1, c2)
    operator = operator_named(name, strength.astype(q.dtype), value, temperature, max_weight)
    return sampled_improve(operator, log_pi, log_beta, count, q)
