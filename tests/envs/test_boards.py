"""Board games: who moves, who wins, what is shown, and that turning the board changes nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.envs.base import UnknownEnvironment
from smuzero.envs.boards import go_size, is_board, make_board

pytest.importorskip("pgx")


def play(board, actions, state=None):
    step = jax.jit(board.step)
    state = board.init() if state is None else state
    for action in actions:
        assert board.legal(state)[action], action
        state = step(state, action)
    return state


def random_game(board, seed, most_moves):
    """All states of a game of random legal moves, and its moves."""
    rng, step = np.random.default_rng(seed), jax.jit(board.step)
    states, actions = [board.init()], []
    while not board.is_terminal(states[-1]) and len(actions) < most_moves:
        actions.append(int(rng.choice(np.flatnonzero(np.asarray(board.legal(states[-1]))))))
        states.append(step(states[-1], actions[-1]))
    return states, actions


def test_ids_of_board_games_are_told_from_others():
    assert is_board("go:9x9") and is_board("tictactoe")
    assert not is_board("gym:CartPole-v1") and not is_board(lambda: None)
    assert go_size("go:13x13") == 13 and go_size("hex") is None


@pytest.mark.parametrize("name", ["go:9x8", "go:20x20", "go", "tictactoe:3x3", "checkers"])
def test_an_unknown_game_is_refused_with_the_known_ones(name):
    with pytest.raises(UnknownEnvironment, match=r"go:\d"):
        make_board(name)


def test_the_winner_is_the_seat_that_made_three_in_a_row():
    board = make_board("tictactoe")
    state = play(board, [0, 3, 1, 4])
    assert board.to_play(state) == 0 and not board.is_terminal(state)
    np.testing.assert_array_equal(board.rewards(state), [0, 0])
    state = play(board, [2], state)
    assert board.is_terminal(state)
    np.testing.assert_array_equal(board.rewards(state), [1, -1])
    second = play(board, [0, 3, 1, 4, 8, 5])
    np.testing.assert_array_equal(board.rewards(second), [-1, 1])


def test_an_observation_is_the_movers_view():
    board = make_board("tictactoe")
    seen = np.asarray(board.observe(play(board, [0])))
    assert seen[0, 0].tolist() == [0, 1], "the stone is the opponent's for who moves now"
    seen = np.asarray(board.observe(play(board, [0, 4])))
    assert seen[0, 0].tolist() == [1, 0] and seen[1, 1].tolist() == [0, 1]


def test_go_ends_with_two_passes_and_white_has_komi():
    board = make_board("go:5x5")
    pass_ = board.num_actions - 1
    state = play(board, [pass_, pass_])
    assert board.is_terminal(state)
    np.testing.assert_array_equal(board.rewards(state), [-1, 1])
    # One stone owns the whole board: 25 against 7.5.
    np.testing.assert_array_equal(board.rewards(play(board, [12, pass_, pass_])), [1, -1])


def test_go_forbids_retaking_a_ko_at_once():
    board = make_board("go:5x5")
    #   . X O . .      Black takes at (1, 2) the stone on (1, 1); White may not take back at once.
    #   X O . O .
    #   . X O . .
    state = play(board, [1, 2, 5, 8, 11, 12, 24, 6])
    state = play(board, [7], state)
    assert not np.asarray(board.observe(state))[1, 1].any(axis=-1, where=np.arange(17) < 2), "captured"
    assert not board.legal(state)[6]


def test_go_forbids_suicide():
    board = make_board("go:5x5")
    state = play(board, [1, 24, 5])
    assert not board.legal(state)[0] and board.legal(state)[2]


@pytest.mark.parametrize("name", ["go:5x5", "tictactoe", "connect_four", "othello"])
def test_symmetries_commute_with_the_rules(name):
    board = make_board(name)
    states, actions = random_game(board, 0, 25)
    step = jax.jit(board.step)
    for source, turned_action in zip(*board.symmetries, strict=True):
        other = board.init()
        for state, action in zip(states, [*actions, None], strict=True):
            seen = np.asarray(board.observe(state))
            turned = seen.reshape(source.size, -1)[source].reshape(seen.shape)
            np.testing.assert_array_equal(turned, board.observe(other))
            legal = np.zeros(board.num_actions, bool)
            legal[turned_action] = np.asarray(board.legal(state))
            np.testing.assert_array_equal(legal, board.legal(other))
            np.testing.assert_array_equal(board.rewards(state), board.rewards(other))
            if action is not None:
                other = step(other, int(turned_action[action]))


def test_go_has_eight_different_symmetries():
    symmetries = make_board("go:5x5").symmetries
    assert len({tuple(row) for row in symmetries.source.tolist()}) == 8
    assert (symmetries.action[:, -1] == 25).all(), "a pass stays a pass"


@pytest.mark.parametrize("name", ["hex", "go:3x3", "connect_four"])
def test_the_mover_changes_with_every_move_and_somebody_loses_what_the_other_wins(name):
    board = make_board(name)
    states, actions = random_game(board, 1, 200)
    assert [int(board.to_play(state)) for state in states] == [number % 2 for number in range(len(states))]
    assert board.is_terminal(states[-1]) and actions
    assert sum(np.asarray(board.rewards(states[-1]))) == 0
    assert not any(np.asarray(board.rewards(state)).any() for state in states[:-1])


def test_boards_run_batched_in_a_compiled_loop():
    board = make_board("connect_four")
    states = jax.vmap(lambda _: board.init())(jnp.arange(7))
    states = jax.jit(jax.vmap(board.step))(states, jnp.arange(7))
    np.testing.assert_array_equal(np.asarray(states.observation)[np.arange(7), 5, np.arange(7), 1], True)
