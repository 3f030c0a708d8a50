"""Action-independent policy improvement: from π and Q to a better policy (Sections 4.1 and 4.2, Appendix F).

An operator is action-independent if actions meet in one number Z(s) only:

    Iπ(a|s) = f(s, a, Z(s)) ≥ 0   with   Σ_a f(s, a, Z(s)) = 1

    pg      policy gradient   f = π Q / Z
    ppo     PPO               f = exp(Q/τ) / Z
    mpo     MPO               f = π exp(Q/τ) / Z
    awr     AWR               f = π exp(A/τ) / Z,   A = Q − V
    muzero  MuZero            f = λ_N π / (Z − Q)   (Grill et al. 2020)

Each is a class with its f as `log_f`, and its Z as `normaliser`. The sum runs
over every action with weight 1 (`improve`), over nodes of a quadrature with
their weights, or over drawn actions with weight β̂/β (`sampled`): `log_measure`
is the log of that weight. All is written for one state; batches come by `vmap`.

Departures: numbers are kept as logarithms and Q is measured from its best
action, which changes Z but not f: so exp cannot overflow, and Q of 10⁶ keeps
the digits that matter.
"""

import abc
import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from smuzero.operators.roots import reciprocal_root

Scalar = int | float | Float[Array, ""]


@dataclasses.dataclass(frozen=True)
class Operator(abc.ABC):
    """One f(s, a, Z). Fields may be traced: an operator is a pytree."""

    def __init_subclass__(cls) -> None:
        # Not `register_dataclass`: in jaxlib 0.10 trees of two such classes compare equal if their fields do, whatever
        # the classes, and `jit` then may run the program it compiled for one operator when given another.
        def children(operator: "Operator") -> tuple[list[tuple[object, object]], None]:
            names = [field.name for field in dataclasses.fields(operator)]
            return [(jax.tree_util.GetAttrKey(name), getattr(operator, name)) for name in names], None

        jax.tree_util.register_pytree_with_keys(cls, children, lambda _, values: cls(*values))

    def entry(self, log_prior: Float[Array, " K"], q: Float[Array, " K"]) -> Float[Array, " K"]:
        """What stands for Q in `log_f`: Q − max_b Q, unless the operator says otherwise; Z takes the shift up."""
        return q - jnp.max(q)

    @abc.abstractmethod
    def log_f(self, log_pi: Float[Array, " K"], x: Float[Array, " K"], z: Scalar) -> Float[Array, " K"]:
        """log f(s, a, Z) given `entry` as x, and log Z as z."""

    def normaliser(
        self, log_measure: Float[Array, " K"], log_pi: Float[Array, " K"], x: Float[Array, " K"]
    ) -> Float[Array, ""]:
        """The z with Σ_a measure(a) f(s, a, Z) = 1; in closed form wherever f = g(s, a)/Z."""
        return jax.nn.logsumexp(log_measure + self.log_f(log_pi, x, 0.0))


@dataclasses.dataclass(frozen=True)
class PolicyGradient(Operator):
    """f = π Q / Z (Ghosh et al. 2020, who assume positive returns)."""

    lower: Scalar | None = None
    """A bound that Q is measured from, in units of Q. None measures from 0, or from the least Q where that is below."""

    def entry(self, log_prior: Float[Array, " K"], q: Float[Array, " K"]) -> Float[Array, " K"]:
        # Paper: silent on negative Q. Of mixed signs, no Z makes f a probability; all negative, Z < 0 does, and prefers
        # the worse actions. Here: Q is measured from its least value, or from `lower`, below which it counts as 0. The
        # least value of drawn actions is above that of all: give `lower` to be independent of the draws.
        lower = jnp.minimum(jnp.min(q), 0.0) if self.lower is None else self.lower
        x = jnp.maximum(q - lower, 0.0)
        # Paper: silent on Q = 0 everywhere, 0/0. Here: π, as for any other constant Q.
        return jnp.where(jnp.all(x == 0), jnp.ones_like(x), x)

    def log_f(self, log_pi: Float[Array, " K"], x: Float[Array, " K"], z: Scalar) -> Float[Array, " K"]:
        return log_pi + jnp.log(x) - z


@dataclasses.dataclass(frozen=True)
class PPO(Operator):
    """f = exp(Q/τ) / Z: the only one without π."""

    temperature: Scalar = 1.0
    """τ, in units of Q."""

    def log_f(self, log_pi: Float[Array, " K"], x: Float[Array, " K"], z: Scalar) -> Float[Array, " K"]:
        return x / self.temperature - z


@dataclasses.dataclass(frozen=True)
class MPO(Operator):
    """f = π exp(Q/τ) / Z."""

    temperature: Scalar = 1.0
    """τ, in units of Q."""

    def log_f(self, log_pi: Float[Array, " K"], x: Float[Array, " K"], z: Scalar) -> Float[Array, " K"]:
        return log_pi + x / self.temperature - z


@dataclasses.dataclass(frozen=True)
class AWR(Operator):
    """f = π exp(A/τ) / Z with A = Q − V.

    V(s) is the same for all actions, so Z takes it up and f is MPO's, until
    `max_weight` bounds exp(A/τ) as Peng et al. 2019 do (at 20).
    """

    temperature: Scalar = 1.0
    """τ, in units of Q."""
    value: Scalar | None = None
    """V(s), in units of Q; None is the mean of Q under the policy that is improved."""
    max_weight: Scalar = float("inf")
    """Largest exp(A/τ)."""

    def entry(self, log_prior: Float[Array, " K"], q: Float[Array, " K"]) -> Float[Array, " K"]:
        # Paper: silent on V. Here: Σ π Q (sampled: under π̂_β), which is V^π, unless it is given.
        best = jnp.max(q)
        value = best + jnp.sum(jnp.exp(log_prior) * (q - best)) if self.value is None else self.value
        advantage = jnp.minimum(q - value, self.temperature * jnp.log(self.max_weight))
        return advantage - jnp.max(advantage)

    def log_f(self, log_pi: Float[Array, " K"], x: Float[Array, " K"], z: Scalar) -> Float[Array, " K"]:
        return log_pi + x / self.temperature - z


@dataclasses.dataclass(frozen=True)
class MuZero(Operator):
    """f = λ_N π / (Z − Q), what the visits of MuZero's search tend to (Appendix F).

    It maximises Σ Π Q − λ_N KL(π, Π) over policies Π. Here z is log(Z − max_b Q).

    # Paper: π̂_β is normalised where it stands for the search's prior (5.1), and is not in F. Here: as in F and 4.3,
    # (β̂/β) multiplies f as it is; with β = π both are the same.
    """

    strength: Scalar = 1.0
    """λ_N, in units of Q; `search_strength` gives that of a search."""

    def log_f(self, log_pi: Float[Array, " K"], x: Float[Array, " K"], z: Scalar) -> Float[Array, " K"]:
        return jnp.log(self.strength) + log_pi - jnp.logaddexp(z, jnp.log(-x))

    def normaliser(
        self, log_measure: Float[Array, " K"], log_pi: Float[Array, " K"], x: Float[Array, " K"]
    ) -> Float[Array, ""]:
        # Measured in units of the largest weight, so that weights and gaps of any size stay floats; the least weight
        # is no 0, or an action that nobody expected could never be found best.
        limits = jnp.finfo(x.dtype)
        log_weight = jnp.log(self.strength) + log_measure + log_pi
        unit = jnp.max(log_weight)
        unit = jnp.where(unit == -jnp.inf, 0.0, unit)
        least, most = math.log(limits.tiny) + 2.0, math.log(limits.max) - 2.0
        weight = jnp.where(log_weight == -jnp.inf, 0.0, jnp.exp(jnp.maximum(log_weight - unit, least)))
        deficit = jnp.exp(jnp.minimum(jnp.log(-x) - unit, most))
        return jnp.log(reciprocal_root(weight, deficit)) + unit


def search_strength(
    visits: Int[Array, ""] | Scalar, num_actions: Int[Array, ""] | Scalar, c1: float = 1.25, c2: float = 19652.0
) -> Float[Array, ""]:
    """λ_N of a search with ΣN = `visits`, in units of the Q that PUCT compares (normalised to [0, 1]).

        λ_N = c(s) √ΣN / (ΣN + |A|),   c(s) = c1 + log((1 + c2 + ΣN)/c2)

    Source: Grill et al. 2020 for λ_N, Appendix D for c(s).
    """
    # Paper: silent on |A| where actions are drawn. Here: the number of distinct ones, over which the search spreads.
    # Paper: silent on ΣN = 0, where λ is 0 and only the best action is left. Here: as after one visit.
    total = jnp.maximum(jnp.asarray(visits, float), 1.0)
    c = c1 + jnp.log((1.0 + c2 + total) / c2)
    return c * jnp.sqrt(total) / (total + jnp.asarray(num_actions, float))


def log_improve(
    operator: Operator,
    log_pi: Float[Array, " K"],
    q: Float[Array, " K"],
    log_measure: Float[Array, " K"] | None = None,
) -> Float[Array, " K"]:
    """log(measure · f(s, a, Z)) of K actions that together weigh 1.

    An action of measure 0, of probability 0 (an illegal one) or with Q = −inf (no
    estimate) gets probability 0 under every operator, whatever else its slot
    holds; where all are such, all get 0. NaN elsewhere comes out as NaN.
    """
    log_measure = jnp.zeros_like(q) if log_measure is None else log_measure
    available = (log_measure != -jnp.inf) & (log_pi != -jnp.inf) & (q != -jnp.inf)
    log_measure = jnp.where(available, log_measure, -jnp.inf)
    log_pi = jnp.where(available, log_pi, 0.0)
    worst = jnp.min(jnp.where(available, q, jnp.inf))
    q = jnp.where(available, q, jnp.where(jnp.any(available), worst, 0.0))
    x = operator.entry(_normalised(log_measure + log_pi), q)
    z = operator.normaliser(log_measure, log_pi, x)
    # Z is exact, its logarithm rounded: normalising once more takes that rounding out.
    return _normalised(jnp.where(available, log_measure + operator.log_f(log_pi, x, z), -jnp.inf))


def improve(operator: Operator, log_pi: Float[Array, " K"], q: Float[Array, " K"]) -> Float[Array, " K"]:
    """Iπ(a|s) = f(s, a, Z(s)) of every action of an enumerated space; see `log_improve` for what is left out."""
    return jnp.exp(log_improve(operator, log_pi, q))


def _normalised(logits: Float[Array, " K"]) -> Float[Array, " K"]:
    total = jax.nn.logsumexp(logits)
    return logits - jnp.where(total == -jnp.inf, 0.0, total)
