"""Elo against numbers worked by hand, and against the likelihood itself."""

import math

import numpy as np
import pytest

from smuzero.evaluation.elo import Unrated, expected_score, rate


def matrix(*rows):
    return np.array(rows, np.float64)


def test_two_players_differ_by_the_log_of_their_odds():
    ratings = rate(["a", "b"], matrix([0, 64], [36, 0]))
    assert ratings.elo == pytest.approx([2000.0, 2000.0 - 400 * math.log10(64 / 36)])
    # Information is n·p·q = 100·0.64·0.36 in nats², so one deviation is 400/ln 10/√23.04 = 36.19 Elo.
    assert ratings.high[1] - ratings.elo[1] == pytest.approx(1.959964 * 36.1909, rel=1e-4)
    assert ratings.low[0] == ratings.high[0] == 2000.0


def test_a_draw_is_half_a_win_and_half_a_loss():
    # 50 wins and 50 draws are 75 of 100 points: odds of 3, or 190.85 Elo.
    ratings = rate(["a", "b"], matrix([0, 75], [25, 0]))
    assert ratings.elo[0] - ratings.elo[1] == pytest.approx(400 * math.log10(3))
    assert ratings.points.tolist() == [75.0, 25.0] and ratings.games.tolist() == [100.0, 100.0]


def test_differences_add_up_along_a_chain():
    # a and c never met: the only estimate of their difference is the sum.
    ratings = rate(["a", "b", "c"], matrix([0, 3, 0], [1, 0, 3], [0, 1, 0]), anchor=2, anchor_elo=0.0)
    step = 400 * math.log10(3)
    assert ratings.elo == pytest.approx([2 * step, step, 0.0])
    widths = ratings.high - ratings.elo
    assert widths[0] == pytest.approx(math.sqrt(2) * widths[1]), "variances of independent differences add"


def test_ratings_maximise_the_likelihood():
    rng = np.random.default_rng(0)
    points = rng.integers(1, 20, (4, 4)).astype(np.float64)
    np.fill_diagonal(points, 0.0)
    best = rate(list("abcd"), points).elo

    def log_likelihood(elo):
        return sum(
            points[i, j] * math.log(1 / (1 + 10 ** ((elo[j] - elo[i]) / 400))) for i in range(4) for j in range(4)
        )

    for _ in range(50):
        assert log_likelihood(best) > log_likelihood(best + rng.normal(0, 5, 4))


def test_expected_score_is_that_of_elo():
    assert expected_score(200.0) == pytest.approx(1 / (1 + 10**-0.5))
    assert expected_score(-1e6) == 0.0


def test_players_without_a_link_are_named():
    points = matrix([0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0])
    with pytest.raises(Unrated, match="No game links a, b with c, d"):
        rate(list("abcd"), points)


def test_a_player_who_won_everything_has_no_finite_rating():
    with pytest.raises(Unrated, match="a and its like took every point from b"):
        rate(["a", "b"], matrix([0, 10], [0, 0]))


def test_prior_draws_keep_a_perfect_score_finite():
    # 10 : 0 and one drawn game are 10.5 : 0.5, odds of 21.
    ratings = rate(["a", "b"], matrix([0, 10], [0, 0]), prior_draws=1.0)
    assert ratings.elo[0] - ratings.elo[1] == pytest.approx(400 * math.log10(21))
    assert ratings.games.tolist() == [10.0, 10.0], "the prior is no game"


def test_very_uneven_results_still_converge():
    ratings = rate(["a", "b"], matrix([0, 99999], [1, 0]))
    assert ratings.elo[0] - ratings.elo[1] == pytest.approx(400 * math.log10(99999))


def test_impossible_results_are_refused():
    with pytest.raises(ValueError, match="negative"):
        rate(["a", "b"], matrix([0, -1], [1, 0]))
    with pytest.raises(ValueError, match="anchor is 2"):
        rate(["a", "b"], matrix([0, 1], [1, 0]), anchor=2)
