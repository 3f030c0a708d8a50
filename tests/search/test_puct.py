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


def random_node(seed: int) -> tuple[np.ndarray, ...]:
    """Q, visits (some 0, where Q is -inf) and log β̂/β of eight nodes with five actions; raw values."""
    draw = np.random.default_rng(seed)
    visits = draw.integers(0, 4, (8, 5)).astype(np.int32)
    visits[0] = 0
    q = np.where(visits > 0, draw.normal(size=(8, 5)), -np.inf).astype(np.float32)
    return q, visits, draw.normal(size=(8, 5)).astype(np.float32), draw.normal(size=8).astype(np.float32)


def test_a_nodes_value_is_the_mean_over_its_own_visit_and_those_of_its_actions():
    q, visits, _, raw = random_node(0)
    found = puct.node_value(jnp.asarray(raw), jnp.asarray(q), jnp.asarray(visits))
    for row in range(8):
        returns = [raw[row]] + [q[row, a] for a in range(5) for _ in range(visits[row, a])]
        np.testing.assert_allclose(found[row], np.mean(returns), rtol=1e-5)


def test_a_corrected_mean_weighs_visits_by_the_frequency_of_draws_over_their_density():
    q, visits, log_correction, _ = random_node(1)
    found = puct.mean_value(jnp.asarray(q), jnp.asarray(visits), jnp.asarray(log_correction))
    for row in range(8):
        weight = {a: visits[row, a] * math.exp(log_correction[row, a]) for a in range(5) if visits[row, a]}
        total = sum(weight.values())
        expected = sum(weight[a] / total * q[row, a] for a in weight) if weight else 0.0
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-6)


def test_a_correction_of_any_size_is_a_correction_of_shares():
    q, visits = jnp.array([[1.0, -1.0]]), jnp.array([[3, 1]])
    for shift in (-300.0, 0.0, 300.0):
        found = puct.mean_value(q, visits, jnp.array([[shift, shift + math.log(2.0)]]))
        np.testing.assert_allclose(found, [(3 - 2) / 5], rtol=1e-5)


def test_the_opponent_sees_the_range_of_values_mirrored():
    low, high = puct.range_of_mover(jnp.array([-1.0, -1.0]), jnp.array([3.0, 3.0]), jnp.array([1.0, -1.0]))
    assert (low.tolist(), high.tolist()) == ([-1.0, -3.0], [3.0, 1.0])
    # Q = 2 for the opponent is -2 for the root's player, worse for them than anything met: the best there is.
    np.testing.assert_allclose(puct.normalised_value(jnp.array([[2.0]]), low[1:], high[1:], 0.01), [[1.0]])
