import math

import jax.numpy as jnp
import numpy as np

from smuzero.search import puct


def test_score_is_the_formula_of_appendix_d():
    draw = np.random.default_rng(0)
    q, prior = draw.random((2, 8, 5)).astype(np.float32)
    visits = draw.integers(0, 30, (8, 5)).astype(np.int32)
    found = puct.puct_score(jnp.asarray(q), jnp.asarray(prior), jnp.asarray(visits), 1.25, 100.0)
    for row in range(8):
        total = sum(visits[row])
        for a in range(5):
            c = 1.25 + math.log((1 + 100.0 + total) / 100.0)
            expected = q[row, a] + c * prior[row, a] * math.sqrt(total) / (1 + visits[row, a])
            np.testing.assert_allclose(found[row, a], expected, atol=1e-5)


def test_before_any_visit_values_come_first_and_the_prior_breaks_ties():
    prior, visits = jnp.array([[0.2, 0.5, 0.3]]), jnp.zeros((1, 3), jnp.int32)
    tied = puct.puct_score(jnp.zeros((1, 3)), prior, visits, 1.25, 19652.0)
    ordered = puct.puct_score(jnp.array([[0.01, 0.0, 0.0]]), prior, visits, 1.25, 19652.0)
    assert (int(tied.argmax()), int(ordered.argmax())) == (1, 0)


def test_an_empty_slot_never_wins():
    prior = jnp.array([[-jnp.inf, 0.0, 1.0]])
    for visits in ([0, 0, 0], [0, 0, 1000]):
        score = puct.puct_score(jnp.zeros((1, 3)), prior, jnp.array([visits], jnp.int32), 1.25, 19652.0)
        assert score[0, 0] == -jnp.inf


def test_values_are_scaled_by_the_extremes_of_the_tree():
    q = jnp.array([[-1.0, 0.0, 3.0, -jnp.inf]])
    found = puct.normalised_value(q, jnp.array([-1.0]), jnp.array([3.0]), 0.01)
    np.testing.assert_allclose(found, [[0.0, 0.25, 1.0, 0.0]])


def test_a_range_below_the_least_is_not_stretched():
    q = jnp.array([[0.5, 0.501]])
    found = puct.normalised_value(q, jnp.array([0.5]), jnp.array([0.501]), 0.01)
    np.testing.assert_allclose(found, [[0.0, 0.1]], atol=1e-4)


def test_a_tree_without_any_value_yet_gives_zeros():
    found = puct.normalised_value(jnp.full((1, 2), -jnp.inf), jnp.array([jnp.inf]), jnp.array([-jnp.inf]), 0.01)
    np.testing.assert_array_equal(found, [[0.0, 0.0]])
