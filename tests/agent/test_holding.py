"""Actions that are held to explore (εz-greedy)."""

import numpy as np
import pytest

from smuzero.agent.holding import Holding, check_holds
from smuzero.types import UserError


def numbered(steps: int, num_envs: int = 1) -> np.ndarray:
    """Decisions `[steps, E, 1]` that are told apart by their numbers."""
    return np.arange(steps * num_envs, dtype=np.float32).reshape(steps, num_envs, 1)


def lengths(done: np.ndarray) -> np.ndarray:
    """For how many steps in a row each of one environment's actions was taken."""
    _, counts = np.unique(done, return_counts=True)
    return counts


def test_nothing_is_held_at_probability_zero():
    holding, decided = Holding(3, 0.0, 8, seed=0), numbered(50, 3)
    done = np.stack([holding.choose(row) for row in decided])
    np.testing.assert_array_equal(done, decided)


def test_lengths_of_holds_follow_the_zeta_distribution():
    """P(n) ∝ n⁻² over all n, with everything above the longest counted there."""
    steps, longest = 60_000, 4
    holding = Holding(1, 1.0, longest, seed=0)
    # Every decision that is not held starts a hold of its own number.
    counts = lengths(np.stack([holding.choose(row) for row in numbered(steps)])[:, 0, 0])[:-1]
    zeta = np.pi**2 / 6
    expected = np.array([1.0, 1 / 4, 1 / 9]) / zeta
    expected = np.append(expected, 1 - expected.sum())
    found = np.bincount(counts, minlength=longest + 1)[1:] / len(counts)
    # Five standard errors of a share.
    assert (np.abs(found - expected) < 5 * np.sqrt(expected * (1 - expected) / len(counts))).all()


def test_a_share_of_the_free_decisions_is_held():
    probability = 0.3
    holding = Holding(1, probability, 100, seed=1)
    counts = lengths(np.stack([holding.choose(row) for row in numbered(40_000)])[:, 0, 0])[:-1]
    expected = probability * (1 - 6 / np.pi**2)  # a hold of one step is like none
    assert abs(np.mean(counts > 1) - expected) < 5 * np.sqrt(expected * (1 - expected) / len(counts))


def test_an_episodes_end_lets_go_in_its_environment_alone():
    holding = Holding(2, 1.0, 1000, seed=0)
    held = holding.choose(np.array([[-1.0], [-2.0]]))
    while not (holding.state()["left"] > 1).all():
        held = holding.choose(np.array([[-1.0], [-2.0]]))
    holding.end(np.array([True, False]))
    assert holding.choose(np.array([[7.0], [8.0]]))[0, 0] == 7.0
    assert holding.choose(np.array([[7.0], [8.0]]))[1, 0] == held[1, 0]


def test_goes_on_from_a_state_as_if_never_stopped():
    decided = numbered(400, 4)
    whole, first, second = (Holding(4, 0.3, 16, seed=5) for _ in range(3))
    expected = [whole.choose(row) for row in decided]
    for row in decided[:200]:
        first.choose(row)
    second.restore(first.state())
    np.testing.assert_array_equal([second.choose(row) for row in decided[200:]], expected[200:])


def test_environments_with_legal_moves_are_refused():
    check_holds(None, np.ones((2, 3), np.bool_))
    check_holds(Holding(2, 0.1, 8, seed=0), None)
    with pytest.raises(UserError, match="hold_probability"):
        check_holds(Holding(2, 0.1, 8, seed=0), np.ones((2, 3), np.bool_))
