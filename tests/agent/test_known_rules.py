"""The search for two players on tic-tac-toe itself, rules in place of a learned model, against perfect play."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import FactoredCategorical
from smuzero.agent.selfplay import OPPONENT
from smuzero.envs.boards import make_board
from smuzero.evaluation.tictactoe import best_moves, cells_of, value
from smuzero.search.plan import Model, search
from smuzero.search.settings import SearchSettings

pytest.importorskip("pgx")


def rules(board):
    def dynamics(state, action):
        after = board.step(state, action[0])
        reward = board.rewards(after)[board.to_play(state)]
        # pgx pays the outcome again if asked about a finished game; nothing is won twice.
        is_over, was_over = board.is_terminal(after), board.is_terminal(state)
        return after, jnp.where(was_over, 0.0, reward), jnp.where(is_over, 0.0, OPPONENT)

    def predict(state):
        return jnp.where(board.legal(state), 0.0, -jnp.inf), jnp.zeros(())

    return Model(FactoredCategorical(1, 9), dynamics, predict)


@pytest.mark.parametrize("settings", [{"enumerate_actions": True}, {"num_samples": 30}])
def test_a_search_with_the_rules_wins_won_positions_and_holds_drawn_ones(settings):
    board = make_board("tictactoe")
    # Each opening leaves few moves that keep the value: a win to take, a loss to stop, a trap to avoid.
    openings = [[0, 3, 1, 4], [0, 4, 1], [0, 1, 4, 8], [0, 2, 6], [4, 0, 1, 7], [0, 4, 8]]
    step, states = jax.jit(board.step), []
    for opening in openings:
        state = board.init()
        for move in opening:
            state = step(state, move)
        states.append(state)
    root = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    found = jax.jit(
        lambda key, root: search(
            key,
            root,
            rules(board),
            SearchSettings(num_simulations=400, noise_fraction=0.0, two_player=True, **settings),
        )
    )(jax.random.key(0), root)
    for row, state in enumerate(states):
        cells = cells_of(np.asarray(board.observe(state)))
        chosen = int(found.action[row, jnp.argmax(found.visits[row]), 0])
        assert chosen in best_moves(cells), (openings[row], found.visits[row])
        if value(cells) != 0:
            assert np.sign(found.value[row]) == value(cells), openings[row]
