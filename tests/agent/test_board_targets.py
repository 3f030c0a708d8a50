"""Targets of games for two, with signs worked by hand (Appendix B: n = 25, four bootstrap values)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.agent.targets import averaged_targets, make_targets
from smuzero.networks.network import Network
from smuzero.operators.scalars import Support
from smuzero.replay.windows import gather
from smuzero.types import Sequence

VALUES = jnp.array([0.1, 0.2, -0.3, 0.4, 0.5, -0.6, 0.7, 0.8, -0.9, 1.0])
"""What the target network says of position 0, 1, …, each for the player to move there."""
NETWORK = Network(
    init=lambda key: None,
    represent=lambda params, observation: observation,
    dynamics=lambda params, latent, action: (latent, jnp.zeros(2)),
    # Logits of two bins, -1 and 1, whose expectation is the value.
    predict=lambda params, latent: (
        jnp.zeros(1),
        jnp.log(jnp.stack([1.0 - VALUES[latent[0]], 1.0 + VALUES[latent[0]]])),
    ),
    value_support=Support(-1.0, 1.0, 2),
    reward_support=Support(-1.0, 1.0, 2),
)


def game(length, winner_moved_last):
    """A stored game in which the player of the last move wins, or loses by it; position t is the number t."""
    reward = np.zeros(length, np.float32)
    reward[-1] = 1.0 if winner_moved_last else -1.0
    discount = np.full(length, -1.0, np.float32)
    discount[-1] = 0.0
    return Sequence(
        observation=np.arange(length + 1, dtype=np.int32)[:, None],
        action=np.zeros((length, 1), np.int32),
        reward=reward,
        discount=discount,
        words=np.zeros((length, 1, 1), np.uint32),
        visits=np.ones((length, 1), np.int32),
        root_value=np.zeros(length, np.float32),
    )


def window_of(sequence, start, unroll, n_step):
    stored = jax.tree.map(lambda field: field[None], sequence)
    length = np.array([len(sequence.action)])
    one = gather(
        stored,
        length,
        np.array([start]),
        np.zeros((1, unroll), np.int64),
        n_step,
        np.ones(1, np.float32),
        np.zeros(1, np.int64),
    )
    return jax.tree.map(lambda field: field[0], one)


def test_the_outcome_is_the_movers_at_every_position():
    # Three moves; who made the first and the third won: +1, -1, +1, and 0 once the game is over.
    window = window_of(game(3, True), 0, 3, 25)
    targets = make_targets(window, jnp.ones(4), 1.0)
    np.testing.assert_allclose(targets.value, [1, -1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(targets.reward, [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(make_targets(window_of(game(3, False), 0, 2, 25), jnp.ones(3), 1.0).value, [-1, 1, -1])


def test_a_bootstrap_an_odd_number_of_moves_later_changes_sign():
    window = window_of(game(9, True), 0, 1, 3)
    targets = averaged_targets(NETWORK, None, window, 1.0, 1)
    np.testing.assert_allclose(targets.value, [-VALUES[3], -VALUES[4]], atol=1e-6)


def test_four_bootstraps_are_averaged_from_one_players_view():
    window = window_of(game(9, True), 0, 1, 2 + 3)
    targets = averaged_targets(NETWORK, None, window, 1.0, 4)
    # Seen from index 2 the values of 3 and 5 are the opponent's; two moves are an even number, so no sign is left.
    at_root = (VALUES[2] - VALUES[3] + VALUES[4] - VALUES[5]) / 4
    after_one = (VALUES[3] - VALUES[4] + VALUES[5] - VALUES[6]) / 4
    np.testing.assert_allclose(targets.value, [at_root, after_one], atol=1e-6)


def test_an_end_among_the_four_counts_as_what_it_was():
    # Four moves, the last of them winning. From index 2: v(2), -v(3), then twice the loss that follows move 3.
    window = window_of(game(4, True), 0, 0, 2 + 3)
    targets = averaged_targets(NETWORK, None, window, 1.0, 4)
    assert targets.value[0] == pytest.approx(float(VALUES[2] - VALUES[3] - 1 - 1) / 4)


def test_one_bootstrap_is_the_plain_target():
    window = window_of(game(9, True), 1, 2, 3)
    plain = make_targets(window, VALUES[jnp.array([4, 5, 6])], 0.9)
    averaged = averaged_targets(NETWORK, None, window, 0.9, 1)
    np.testing.assert_allclose(plain.value, averaged.value, atol=1e-6)


@pytest.mark.parametrize("length", [3, 6, 9])
def test_averaged_targets_are_the_mean_of_longer_returns(length):
    window, returns = window_of(game(length, False), 1, 2, 2 + 3), []
    for n_step in (2, 3, 4, 5):
        cut = window._replace(
            reward=window.reward[: 2 + n_step],
            discount=window.discount[: 2 + n_step],
            is_step=window.is_step[: 3 + n_step],
        )
        places = window.observation[n_step : n_step + 3, 0]
        returns.append(make_targets(cut, VALUES[places], 1.0).value)
    averaged = averaged_targets(NETWORK, None, window, 1.0, 4)
    np.testing.assert_allclose(averaged.value, np.mean(returns, axis=0), atol=1e-6)
