"""How fast Σ Î_β(a) X(a) comes to E_{a∼Iπ}[X] as K grows (Section 4.4, Appendix E).

Four estimates are made of the same draws, by one operator each time:

    sampled     Σ (β̂/β) f(s, a, Ẑ_β) X    the paper's Î_β
    known_z     Σ (β̂/β) f(s, a, Z) X      the sum of its proof, before Ẑ_β stands in for Z
    no_ratio    no β̂/β: each draw counts as if it were one of all actions, π̂ ∝ β̂·π in place of π̂_β
    pi_prior    π in place of π̂_β, over the distinct draws and normalised over them

The first two come to E[X] with standard deviation σ/√K; the last two go
elsewhere, the first of them to the expectation under β·f in place of f.

A departure: the theorem gives σ² = Var_β[(f/β) X], which is right for `known_z`.
For `sampled` it cannot be: a constant added to X moves no error of Î_β, which sums
to 1, but does change that σ². The proof swaps Ẑ_β for Z since Ẑ_β → Z, yet √K (Ẑ_β − Z)
does not vanish, and adds a term of the same order. To first order in β̂ − β

    σ̂² = Var_β[(f/β) (X − c)],   c = Σ_a ∂f/∂Z X / Σ_a ∂f/∂Z,

the theorem's σ² for X measured from c, which is E_{Iπ}[X] wherever f = g/Z.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from smuzero.experiments.theorem import states
from smuzero.experiments.theorem.statistics import kolmogorov_smirnov, power_law, variance_with_error
from smuzero.operators.improvement import MPO, MuZero, Operator, improve
from smuzero.operators.sampled import expectation, log_ratio, sampled_improve

OPERATORS: dict[str, Operator] = {"mpo": MPO(temperature=0.7), "muzero": MuZero(strength=1.5)}
"""One with a closed form, one whose Z is a root."""
FORMS = ("sampled", "known_z", "no_ratio", "pi_prior")
CHUNK = 2**20
"""Draws held at once."""
QUANTILES = tuple(0.5 * math.erfc(-deviation / (4 * math.sqrt(2))) for deviation in range(-12, 13))
"""The probabilities below −3, −2.75, … 3 under N(0, 1)."""


@dataclasses.dataclass(frozen=True)
class RateSettings:
    """What is measured."""

    sizes: tuple[int, ...] = tuple(2**k for k in range(2, 13))
    """Numbers of draws, K."""
    repeats: int = 4096
    """Samples of each size, R."""
    seed: int = 0


QUICK = RateSettings(sizes=tuple(2**k for k in range(2, 9)), repeats=512)
"""Seconds in place of a minute: for tests."""


class Exact(NamedTuple):
    """What is known without sampling, of one state and operator."""

    mean: float
    """E_{a∼Iπ}[X]."""
    z: float
    """Z(s), as the operator's `log_f` takes it."""
    best: float
    """The largest Q."""
    sigma: float
    """√Var_β[(f/β) X], the theorem's."""
    sigma_sampled: float
    """√Var_β[(f/β)(X − c)], with Ẑ_β in place of Z."""
    limit_without_ratio: float
    """Where `no_ratio` goes: E[X] with β·f in place of f."""


def exact(operator: Operator, state: states.State) -> Exact:
    """Sums over all actions of the state."""
    with jax.enable_x64(True):
        log_pi, log_beta, q, x = (jnp.asarray(column, jnp.float64) for column in state.actions)
        log_measure = jnp.asarray(state.log_measure)
        best = jnp.max(q)
        z = operator.normaliser(log_measure, log_pi, q - best)
        f, slope = jax.jvp(lambda z: jnp.exp(operator.log_f(log_pi, q - best, z)), (z,), (jnp.ones_like(z),))
        measure, beta = jnp.exp(log_measure), jnp.exp(log_beta)
        centre = jnp.sum(measure * slope * x) / jnp.sum(measure * slope)
        drawn_twice = jax.nn.log_softmax(log_measure + log_beta + log_pi)
        elsewhere = improve(operator, drawn_twice, q)

        def sigma(x: Array) -> float:
            return math.sqrt(jnp.sum(measure * (f * x) ** 2 / beta) - jnp.sum(measure * f * x) ** 2)

        mean, limit = float(jnp.sum(measure * f * x)), float(jnp.sum(elsewhere * x))
        return Exact(mean, float(z), float(best), sigma(x), sigma(x - centre), limit)


def estimates(
    operator: Operator,
    z: Float[Array, ""],
    best: Float[Array, ""],
    count: Int[Array, " K"],
    log_pi: Float[Array, " K"],
    log_beta: Float[Array, " K"],
    q: Float[Array, " K"],
    x: Float[Array, " K"],
) -> Float[Array, " F"]:
    """One sample's estimates of E_{Iπ}[X], in the order of `FORMS`."""

    def normalised(log_weight: Float[Array, " K"]) -> Float[Array, " K"]:
        return jax.nn.log_softmax(jnp.where(count > 0, log_weight, -jnp.inf))

    known = jnp.exp(log_ratio(log_beta, count) + operator.log_f(log_pi, q - best, z))
    sampled = sampled_improve(operator, log_pi, log_beta, count, q)
    no_ratio = improve(operator, normalised(log_pi + jnp.log(count.astype(q.dtype))), q)
    pi_prior = improve(operator, normalised(log_pi), q)
    return jnp.stack([expectation(probs, x) for probs in (sampled, known, no_ratio, pi_prior)])


@functools.partial(jax.jit, static_argnums=0)
def _all_estimates(
    name: str, z: Float[Array, ""], best: Float[Array, ""], drawn: tuple[Array, ...], count: Int[Array, "R K"]
) -> Float[Array, "R F"]:
    return jax.vmap(functools.partial(estimates, OPERATORS[name], z, best))(count, *drawn)


def sample_errors(
    generator: np.random.Generator, state: states.State, known: dict[str, Exact], size: int, repeats: int
) -> tuple[dict[str, Float[np.ndarray, "R F"]], float]:
    """Errors of R samples of K = `size` draws, by operator; and the share of draws that repeat another."""
    rows = min(repeats, max(1, CHUNK // size))
    found: dict[str, list[np.ndarray]] = {name: [] for name in known}
    distinct = 0
    for start in range(0, repeats, rows):
        places, count = state.draw(generator, min(rows, repeats - start), size)
        drawn = tuple(jnp.asarray(column) for column in states.single(state.look_up(places)))
        distinct += int((count > 0).sum())
        for name, truth in known.items():
            z, best = jnp.float32(truth.z), jnp.float32(truth.best)
            found[name].append(np.asarray(_all_estimates(name, z, best, drawn, jnp.asarray(count)), np.float64))
    errors = {name: np.concatenate(parts) - known[name].mean for name, parts in found.items()}
    return errors, 1 - distinct / (repeats * size)


def measure(settings: RateSettings | None = None) -> list[dict[str, Any]]:
    """One cell for each space, proposal, operator and form: its errors by K, and what they say."""
    settings = RateSettings() if settings is None else settings
    generator = np.random.default_rng(settings.seed)
    cells = []
    for space in states.SPACES:
        for proposal in states.PROPOSALS:
            cells += measure_state(generator, space, proposal, settings)
    return cells


def measure_state(
    generator: np.random.Generator, space: str, proposal: str, settings: RateSettings
) -> list[dict[str, Any]]:
    """The cells of one space and proposal: both operators see the same draws."""
    state = states.make_state(space, proposal)
    known = {name: exact(operator, state) for name, operator in OPERATORS.items()}
    by_size = [sample_errors(generator, state, known, size, settings.repeats) for size in settings.sizes]
    cells = []
    for name, truth in known.items():
        errors = np.stack([found[name] for found, _ in by_size])
        for place, form in enumerate(FORMS):
            names = {"space": space, "proposal": proposal, "operator": name, "form": form}
            said = cell(form, truth, np.array(settings.sizes, float), errors[:, :, place])
            cells.append({**names, **said, "repeated_draws": [share for _, share in by_size]})
    return cells


def cell(form: str, truth: Exact, sizes: Float[np.ndarray, " S"], errors: Float[np.ndarray, "S R"]) -> dict[str, Any]:
    """What R errors at each of S sizes say of one form, as JSON values."""
    sigma = truth.sigma if form == "known_z" else truth.sigma_sampled
    slope = power_law(sizes, errors, terms=0 if form == "known_z" else 2)
    variances = np.array([variance_with_error(row) for row in errors]) * sizes[:, None] / sigma**2
    distance, p_value = kolmogorov_smirnov(errors[-1] * math.sqrt(sizes[-1]) / sigma)
    return {
        "sizes": sizes.tolist(),
        "exact": truth.mean,
        "sigma": sigma,
        "sigma_theorem": truth.sigma,
        "rmse": np.sqrt((errors**2).mean(axis=1)).tolist(),
        "bias": errors.mean(axis=1).tolist(),
        "bias_error": (errors.std(axis=1, ddof=1) / math.sqrt(errors.shape[1])).tolist(),
        "bias_limit": truth.limit_without_ratio - truth.mean if form == "no_ratio" else None,
        "slope": slope.value,
        "slope_error": slope.standard_error,
        "slope_interval": list(slope.interval()),
        "slope_of_a_line": power_law(sizes, errors, terms=0).value,
        "variance_over_sigma2": variances[:, 0].tolist(),
        "variance_over_sigma2_error": variances[:, 1].tolist(),
        "normality_distance": distance,
        "normality_p_value": p_value,
        "quantiles": np.quantile(errors[-1] * math.sqrt(sizes[-1]) / sigma, QUANTILES).tolist(),
        "skewness": float(np.mean((errors[-1] - errors[-1].mean()) ** 3) / errors[-1].std() ** 3),
    }


def disagreements(cell: dict[str, Any], deviations: float = 3.5) -> list[str]:
    """Where a cell contradicts the theorem by more than so many standard errors: slope, variance, bias, normality.

    3.5 standard errors are passed by chance once in 2000 times, and a cell is asked four questions.
    """
    chance = math.erfc(deviations / math.sqrt(2))
    answers = {
        "slope": abs(cell["slope"] + 0.5) <= deviations * cell["slope_error"],
        "variance": abs(cell["variance_over_sigma2"][-1] - 1) <= deviations * cell["variance_over_sigma2_error"][-1],
        "bias": abs(cell["bias"][-1]) <= deviations * cell["bias_error"][-1],
        "normality": cell["normality_p_value"] >= chance,
    }
    return [question for question, holds in answers.items() if not holds]
