"""Windows turned by a board's symmetries, one symmetry each."""

import numpy as np

from smuzero.replay.buffer import ReplaySettings
from smuzero.replay.symmetric import SymmetricBuffer, turned
from smuzero.types import Sequence

# A strip of three cells and a pass: as it is, and mirrored.
SOURCE = np.array([[0, 1, 2], [2, 1, 0]])
ACTION = np.array([[0, 1, 2, 3], [2, 1, 0, 3]])


def sequence():
    return Sequence(
        observation=np.arange(12, dtype=np.uint8).reshape(4, 1, 3, 1),
        action=np.array([[0], [1], [3]], np.int32),
        reward=np.zeros(3, np.float32),
        discount=np.array([-1, -1, 0], np.float32),
        words=np.tile(np.array([[0], [3]], np.uint32), (3, 1, 1)),
        visits=np.array([[1, 2]] * 3, np.int32),
        root_value=np.zeros(3, np.float32),
    )


def buffer(seed=0):
    made = SymmetricBuffer(ReplaySettings(max_sequences=2, max_length=3), seed, SOURCE, ACTION)
    made.add(sequence())
    return made


def test_a_mirrored_window_shows_mirrored_cells_moves_and_searches():
    plain = super(SymmetricBuffer, buffer()).sample(2, 1, 1)
    seen = turned(plain, SOURCE, ACTION, np.array([0, 1]))
    np.testing.assert_array_equal(seen.observation[0], plain.observation[0])
    np.testing.assert_array_equal(seen.observation[1], plain.observation[1][:, :, ::-1])
    np.testing.assert_array_equal(seen.action[1], ACTION[1][plain.action[1]])
    assert seen.later_action is not None and plain.later_action is not None
    np.testing.assert_array_equal(seen.later_action[1], ACTION[1][plain.later_action[1]])
    assert seen.words[1, 0, :, 0].tolist() == [2, 3] and seen.words.dtype == np.uint32
    np.testing.assert_array_equal(seen.visits, plain.visits)


def test_what_was_legal_turns_with_the_moves():
    # A turn by a third, whose inverse is another one.
    source = np.array([[0, 1, 2], [1, 2, 0]])
    action = np.concatenate([np.argsort(source, axis=1), [[3], [3]]], axis=1)
    made = SymmetricBuffer(ReplaySettings(max_sequences=2, max_length=3), 0, source[:1], action[:1])
    made.add(sequence()._replace(legal=np.array([[1, 0, 0, 1], [0, 1, 0, 0], [1, 1, 0, 1]], bool)))
    plain = made.sample(8, 1, 1)
    seen = turned(plain, source, action, np.ones(8, np.int64))
    assert seen.legal is not None and plain.legal is not None
    for move in range(4):
        np.testing.assert_array_equal(seen.legal[:, :, action[1, move]], plain.legal[:, :, move])
    assert not plain.legal.all()


def test_both_symmetries_are_drawn_and_follow_from_the_state():
    one, other = buffer(), buffer(seed=5)
    other.restore(one.state())
    drawn = one.sample(64, 1, 1)
    first = drawn.words[:, 0, 0, 0]
    assert {0, 2} == set(first[drawn.is_step[:, 0]].tolist())
    np.testing.assert_array_equal(drawn.observation, other.sample(64, 1, 1).observation)
