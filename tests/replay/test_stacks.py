"""Observations that show the last few pictures are stored one picture at a time, and come back whole."""

import numpy as np
import pytest

from smuzero.replay.buffer import Buffer, ReplaySettings
from smuzero.replay.stored import unstacked

STACK = 3


def make_stacked(make_sequence, number, num_steps):
    """Pictures `[2, 2, 3]` stacked as `envs.wrappers.Stack` does."""
    pictures = np.random.default_rng(number).integers(0, 256, (num_steps + 1, 2, 2, 3), np.uint8)
    shown = np.concatenate([pictures[:1]] * (STACK - 1) + [pictures])
    observation = np.concatenate([shown[place : place + num_steps + 1] for place in range(STACK)], axis=-1)
    return make_sequence(number, num_steps)._replace(observation=observation)


def test_windows_are_those_of_a_replay_that_stores_every_observation_whole(make_sequence):
    once, whole = Buffer(ReplaySettings(3, 8), 0, STACK), Buffer(ReplaySettings(3, 8), 0)
    for number, num_steps in enumerate((8, 1, 5, 7)):
        for buffer in (once, whole):
            buffer.add(make_stacked(make_sequence, number, num_steps))
    again = Buffer(ReplaySettings(3, 8), 1, STACK)
    again.restore(once.state())
    one, other, third = (buffer.sample(32, 2, 2, 2) for buffer in (once, whole, again))
    assert one.observation.dtype == np.uint8 and one.observation.shape == (32, 5, 2, 2, 3 * STACK)
    for field, expected, restored in zip(one, other, third, strict=True):
        np.testing.assert_array_equal(field, expected)
        np.testing.assert_array_equal(field, restored)


def test_every_picture_is_stored_once(make_sequence):
    sequence = make_stacked(make_sequence, 0, 8)
    pictures = unstacked(sequence.observation, STACK)
    assert pictures.shape == (9 + STACK - 1, 2, 2, 3)
    np.testing.assert_array_equal(pictures[STACK - 1 :], sequence.observation[..., -3:])


def test_observations_that_are_no_stack_are_refused(make_sequence):
    buffer = Buffer(ReplaySettings(3, 8), 0, STACK)
    sequence = make_stacked(make_sequence, 0, 8)
    with pytest.raises(ValueError, match="no stack of 3"):
        buffer.add(sequence._replace(observation=sequence.observation[::-1]))
