"""Self-play in the compiled loop, against the rules played move by move."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import FactoredCategorical
from smuzero.agent.selfplay import GameCollector, SelfPlaySettings, make_play
from smuzero.envs.boards import make_board
from smuzero.networks.boards import make_board_network
from smuzero.networks.settings import NetworkSettings
from smuzero.search.settings import SearchSettings

pytest.importorskip("pgx")
GAMES, MOVES = 6, 7


@pytest.fixture(scope="module")
def played():
    """(board, play, params, chunks of 3 calls, sequences) of tic-tac-toe with an untrained network."""
    board = make_board("tictactoe")
    policy = FactoredCategorical(1, 9)
    network = make_board_network(
        NetworkSettings(width=4, num_blocks=0, value_bins=3, value_range=(-1.0, 1.0), reward_bins=3), (3, 3, 2), policy
    )
    search = SearchSettings(num_simulations=4, enumerate_actions=True, two_player=True)
    play = make_play(board, network, policy, search, SelfPlaySettings(moves_per_call=MOVES), 1.0)
    params = network.init(jax.random.key(0))
    collector = GameCollector(board, GAMES, 9)
    chunks, sequences = [], []
    for number in range(3):
        chunk = jax.tree.map(np.asarray, play(params, jax.random.key(number), collector.observation, None))
        chunks.append(chunk)
        sequences += collector.step(chunk).sequences
    return board, play, params, chunks, sequences


def test_every_sequence_is_a_game_by_the_rules(played):
    board, _, _, _, sequences = played
    step = jax.jit(board.step)
    for sequence in sequences:
        state = board.init()
        for t, action in enumerate(sequence.action[:, 0]):
            np.testing.assert_array_equal(board.observe(state), sequence.observation[t])
            assert board.legal(state)[action] and not board.is_terminal(state)
            np.testing.assert_array_equal(board.legal(state), sequence.legal[t])
            assert not sequence.visits[t][~np.asarray(board.legal(state))].any(), "illegal moves are never searched"
            mover, state = int(board.to_play(state)), step(state, int(action))
            assert sequence.reward[t] == board.rewards(state)[mover]
            assert sequence.discount[t] == (0.0 if board.is_terminal(state) else -1.0)
        assert board.is_terminal(state)
        np.testing.assert_array_equal(board.observe(state), sequence.observation[-1])


def test_finished_games_restart_without_stalling_the_others(played):
    chunks, sequences = played[3:]
    recorded = sum(len(sequence.action) for sequence in sequences)
    unfinished = int(np.sum(chunks[-1].games.number))
    assert recorded + unfinished == 3 * MOVES * GAMES, "no move is lost and none is played after an end"
    assert len({len(sequence.action) for sequence in sequences}) > 1, "games of different lengths ran side by side"


def test_outcomes_are_those_of_who_moved_first(played):
    _, _, _, chunks, sequences = played
    outcomes = np.concatenate([chunk.outcome[chunk.is_last] for chunk in chunks])
    expected = [sequence.reward[-1] * (-1) ** (len(sequence.action) - 1) for sequence in sequences]
    assert sorted(outcomes.tolist()) == sorted(expected)


def test_a_collector_goes_on_from_its_state(played):
    board, play, params, chunks, _ = played
    one, other = GameCollector(board, GAMES, 9), GameCollector(board, GAMES, 9)
    one.step(chunks[0])
    assert other.restore(one.state()) == []
    key = jax.random.key(7)
    first, second = (
        collector.step(jax.tree.map(np.asarray, play(params, key, collector.observation, None))).sequences
        for collector in (one, other)
    )
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        jax.tree.map(np.testing.assert_array_equal, a, b)


def test_later_moves_are_the_most_visited(played):
    board, _, params, _, _ = played
    policy = FactoredCategorical(1, 9)
    network = make_board_network(
        NetworkSettings(width=4, num_blocks=0, value_bins=3, value_range=(-1.0, 1.0), reward_bins=3), (3, 3, 2), policy
    )
    search = SearchSettings(num_simulations=4, enumerate_actions=True, two_player=True)
    play = make_play(board, network, policy, search, SelfPlaySettings(moves_per_call=5, opening_moves=2), 1.0)
    chunk = play(params, jax.random.key(0), GameCollector(board, 32, 9).observation, None)
    chosen = jnp.take_along_axis(chunk.visits, chunk.action, axis=2)[..., 0]
    greatest = jnp.max(chunk.visits, axis=2)
    assert (chosen[2:] == greatest[2:]).all() and not (chosen[:2] == greatest[:2]).all()
