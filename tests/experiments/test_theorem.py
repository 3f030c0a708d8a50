"""The theorem of Section 4.4: what is summed exactly, what is estimated, and that biased forms are told apart."""

import collections
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from smuzero.experiments.theorem import illustration, rate, states
from smuzero.experiments.theorem.rate import FORMS, OPERATORS, disagreements, exact
from smuzero.experiments.theorem.statistics import kolmogorov_smirnov, power_law, variance_with_error

PI = np.array([0.1, 0.2, 0.3, 0.4])
BETA = np.array([0.25, 0.35, 0.25, 0.15])
Q = np.array([1.0, -0.5, 0.25, 0.0])
X = np.array([2.0, 1.0, -1.0, 0.5])


def four_actions(x: np.ndarray = X) -> states.State:
    def unused(*_):
        raise AssertionError("nothing is drawn here")

    return states.State(states.Actions(np.log(PI), np.log(BETA), Q, x), np.zeros(4), np.arange(4.0), unused, unused)


def naive_sampled(name: str, frequency: np.ndarray) -> float:
    """Σ (β̂/β) f(s, a, Ẑ_β) X in double precision."""
    ratio = frequency / BETA
    if name == "mpo":
        weight = ratio * PI * np.exp(Q / 0.7)
        return float(weight @ X / weight.sum())
    below, above = 1.0, 100.0
    for _ in range(200):
        middle = (below + above) / 2
        below, above = (middle, above) if np.sum(ratio * 1.5 * PI / (middle - Q)) > 1 else (below, middle)
    return float((ratio * 1.5 * PI / (above - Q)) @ X)


@pytest.mark.parametrize("name", OPERATORS)
def test_exact_mean_is_the_sum_over_all_actions(name):
    assert exact(OPERATORS[name], four_actions()).mean == pytest.approx(naive_sampled(name, BETA), rel=1e-10)


@pytest.mark.parametrize("name", OPERATORS)
def test_variance_of_the_sampled_operator_is_that_of_its_first_order_term(name):
    """σ̂² = Var_β[d/dε of the estimate as β̂ moves from β towards one action], by finite differences."""
    epsilon = 1e-5
    moved = [
        (naive_sampled(name, BETA + epsilon * (one - BETA)) - naive_sampled(name, BETA - epsilon * (one - BETA)))
        / (2 * epsilon)
        for one in np.eye(4)
    ]
    assert exact(OPERATORS[name], four_actions()).sigma_sampled ** 2 == pytest.approx(BETA @ np.square(moved), rel=1e-6)


@pytest.mark.parametrize("name", OPERATORS)
def test_constant_added_to_x_changes_the_theorems_variance_and_no_error(name):
    plain, shifted = (exact(OPERATORS[name], four_actions(x)) for x in (X, X + 3.0))
    assert shifted.mean == pytest.approx(plain.mean + 3.0)
    assert shifted.sigma_sampled == pytest.approx(plain.sigma_sampled)
    assert shifted.sigma > 1.5 * plain.sigma


def test_theorems_variance_is_that_of_f_over_beta_times_x():
    f = PI * np.exp(Q / 0.7) / (PI @ np.exp(Q / 0.7))
    values = f / BETA * X
    expected = BETA @ values**2 - (BETA @ values) ** 2
    assert exact(OPERATORS["mpo"], four_actions()).sigma ** 2 == pytest.approx(expected)


@pytest.mark.parametrize("space", states.SPACES)
@pytest.mark.parametrize("proposal", states.PROPOSALS)
def test_policies_sum_to_one_and_draws_follow_the_proposal(space, proposal):
    state = states.make_state(space, proposal)
    measure, beta = np.exp(state.log_measure), np.exp(state.actions.log_beta)
    assert measure @ np.exp(state.actions.log_pi) == pytest.approx(1.0, abs=1e-6)
    assert measure @ beta == pytest.approx(1.0, abs=1e-6)
    assert (proposal == "β = π") == np.array_equal(state.actions.log_pi, state.actions.log_beta)
    places, count = state.draw(np.random.default_rng(0), 50, 400)
    assert np.all(count.sum(axis=1) == 400)
    drawn = state.look_up(places)
    for column, everywhere in zip(drawn, state.actions, strict=True):
        mean = measure * beta @ everywhere
        deviation = math.sqrt(measure * beta @ (everywhere - mean) ** 2)
        assert np.average(column, weights=count) == pytest.approx(mean, abs=5 * deviation / math.sqrt(20_000))


def test_repeats_are_counted_at_the_first_of_equal_draws():
    draws = np.sort(np.random.default_rng(0).integers(0, 6, size=(20, 9)), axis=1)
    for row, count in zip(draws.tolist(), states.merged_counts(draws), strict=True):
        total = collections.Counter(row)
        assert count.tolist() == [total[draw] if row.index(draw) == k else 0 for k, draw in enumerate(row)]


def test_known_z_estimate_is_right_where_the_sample_is_the_proposal():
    state = four_actions()
    count = jnp.array([5, 7, 5, 3])
    columns = [jnp.asarray(column, jnp.float32) for column in state.actions]
    for name, operator in OPERATORS.items():
        truth = exact(operator, state)
        z, best = jnp.float32(truth.z), jnp.float32(truth.best)
        found = dict(zip(FORMS, rate.estimates(operator, z, best, count, *columns), strict=True))
        assert found["sampled"] == pytest.approx(truth.mean, rel=1e-5), name
        assert found["known_z"] == pytest.approx(truth.mean, rel=1e-5), name
        assert found["no_ratio"] == pytest.approx(truth.limit_without_ratio, rel=1e-5), name
        assert found["pi_prior"] == pytest.approx(truth.mean, rel=1e-5), name  # all actions drawn: MuZero's own


@pytest.fixture(scope="module")
def cells():
    return rate.measure(rate.QUICK)


def test_corrected_forms_follow_the_theorem(cells):
    corrected = [cell for cell in cells if cell["form"] in ("sampled", "known_z")]
    assert len(corrected) == 16
    assert {(cell["space"], cell["proposal"], cell["operator"]): disagreements(cell) for cell in corrected} == {
        (space, proposal, name): [] for space in states.SPACES for proposal in states.PROPOSALS for name in OPERATORS
    }


def test_naive_forms_are_told_apart_by_their_rate_and_bias(cells):
    for cell in cells:
        if cell["form"] in ("no_ratio", "pi_prior"):
            assert {"slope", "bias", "normality"} <= set(disagreements(cell)), cell
        if cell["form"] == "no_ratio":
            # What is left of it at K = 256 is of order 1/K: 5 % of the bias, at the most.
            assert cell["bias"][-1] == pytest.approx(cell["bias_limit"], rel=0.05, abs=4 * cell["bias_error"][-1])


def test_theorems_own_variance_is_told_apart_where_z_is_estimated(cells):
    for cell in cells:
        if (cell["form"], cell["operator"]) == ("sampled", "mpo"):
            wrong = (cell["sigma"] / cell["sigma_theorem"]) ** 2
            changed = {
                **cell,
                "variance_over_sigma2": [wrong * value for value in cell["variance_over_sigma2"]],
                "variance_over_sigma2_error": [wrong * value for value in cell["variance_over_sigma2_error"]],
            }
            assert "variance" in disagreements(changed)


def test_discrete_draws_repeat_and_are_merged(cells):
    shares = {(cell["space"], cell["proposal"]): cell["repeated_draws"] for cell in cells}
    assert shares["discrete", "β = π"][-1] > 0.05
    assert all(share == 0 for share in shares["continuous", "β = π"])


def test_power_law_is_found_with_its_error():
    sizes = 2.0 ** np.arange(2, 10)
    base = np.random.default_rng(0).normal(size=(len(sizes), 4000))
    exactly = np.abs(base[:1]) * sizes[:, None] ** -0.7
    assert power_law(sizes, exactly, terms=2).value == pytest.approx(-0.7, abs=1e-9)
    slope = power_law(sizes, base / np.sqrt(sizes)[:, None], terms=0)
    assert slope.value == pytest.approx(-0.5, abs=4 * slope.standard_error)
    # Errors of a Gaussian's log RMSE are 1/√(2R), and those of a line through them the textbook's.
    spread = np.sum((np.log(sizes) - np.log(sizes).mean()) ** 2)
    assert slope.standard_error == pytest.approx(math.sqrt(1 / (2 * 4000) / spread), rel=0.1)


def test_power_law_with_its_next_term_is_found_where_a_line_would_miss_it():
    sizes = 2.0 ** np.arange(2, 10)
    errors = np.random.default_rng(1).normal(size=(len(sizes), 4000)) * (np.exp(2 / sizes) / np.sqrt(sizes))[:, None]
    corrected, line = (power_law(sizes, errors, terms=terms) for terms in (1, 0))
    assert abs(corrected.value + 0.5) < 4 * corrected.standard_error
    assert abs(line.value + 0.5) > 20 * line.standard_error


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.1])
def test_normality_is_tested_as_scipy_does(shift):
    values = np.random.default_rng(3).normal(size=3000) + shift
    expected = scipy.stats.kstest(values, "norm")
    distance, p_value = kolmogorov_smirnov(values)
    assert distance == pytest.approx(expected.statistic, rel=1e-9)
    assert p_value == pytest.approx(expected.pvalue, abs=0.01)


def test_variance_comes_with_the_error_of_its_fourth_moment():
    variance, error = variance_with_error(3.0 * np.random.default_rng(4).normal(size=20_000))
    assert variance == pytest.approx(9.0, abs=5 * error)
    assert error == pytest.approx(9.0 * math.sqrt(2 / 20_000), rel=0.05)


def test_illustration_shows_distributions_that_come_closer():
    found = illustration.illustrate(seed=0)
    improved = np.array(found["improved"])
    assert improved.sum() == pytest.approx(1.0, abs=1e-3)
    distances = [np.abs(np.array(probs) - improved).sum() for probs in found["sampled"].values()]
    assert distances == sorted(distances, reverse=True)
    assert jax.tree.all(jax.tree.map(np.isfinite, found["sampled"]))
