import numpy as np
import pytest

from smuzero.replay import stored as storage


def test_a_checked_sequence_comes_in_the_dtypes_of_the_replay(make_sequence):
    sequence = make_sequence(0, 4)
    given = sequence._replace(reward=sequence.reward.astype(np.float64), visits=sequence.visits.astype(np.int64))
    checked = storage.checked(given, 10, None)
    assert (checked.reward.dtype, checked.visits.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(checked.reward, sequence.reward)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observation": np.zeros((4, 2), np.float32)}, "observation has 4 rows in a sequence of 4 actions, but 5"),
        ({"reward": np.zeros(3, np.float32)}, "reward has 3 rows in a sequence of 4 actions, but 4"),
        ({"reward": np.zeros((4, 1), np.float32)}, "reward has shape .4, 1., but it needs 1 axes"),
        ({"visits": np.ones((4, 5), np.int32)}, "must agree"),
        ({"words": np.zeros((4, 3, 2), np.float32)}, "words has dtype float32, but the replay stores uint32"),
        ({"discount": np.array([1, 0, 1, 1], np.float32)}, "discount is 0 at step 1 of 4"),
    ],
)
def test_a_sequence_that_contradicts_itself_is_refused(make_sequence, change, message):
    with pytest.raises(ValueError, match=message):
        storage.checked(make_sequence(0, 4)._replace(**change), 10, None)


@pytest.mark.parametrize("num_steps", [1, 10])
def test_the_shortest_and_the_longest_sequence_are_taken(make_sequence, num_steps):
    assert len(storage.checked(make_sequence(0, num_steps), 10, None).action) == num_steps


def test_a_sequence_too_long_or_empty_is_refused_with_both_lengths(make_sequence):
    with pytest.raises(ValueError, match="has 11 steps, but this replay takes 1 to 10"):
        storage.checked(make_sequence(0, 11), 10, None)
    longer = make_sequence(0, 1)
    empty = longer._replace(**{name: field[:0] for name, field in longer._asdict().items() if name != "observation"})
    with pytest.raises(ValueError, match="has 0 steps"):
        storage.checked(empty, 10, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observation": np.zeros((5, 3), np.float32)}, r"row of observation has shape \(3,\).* shape \(2,\)"),
        ({"observation": np.zeros((5, 2), np.uint8)}, "dtype uint8, .* dtype float32"),
        ({"action": np.zeros((4, 2), np.float32)}, "row of action .* float32, .* int32"),
    ],
)
def test_rows_unlike_those_stored_are_refused_with_both_shapes(make_sequence, change, message):
    stored = storage.allocate(make_sequence(0, 1), 2, 10)
    with pytest.raises(ValueError, match=message):
        storage.checked(make_sequence(0, 4)._replace(**change), 10, stored)


def test_packed_rows_are_the_sequences_one_after_the_other(make_sequence):
    sequences = [make_sequence(0, 4), make_sequence(1, 1), make_sequence(2, 10)]
    stored = storage.allocate(sequences[0], 5, 10)
    for slot, sequence in enumerate(sequences):
        storage.write(stored, slot, sequence)
    length = np.array([4, 1, 10])
    rows = storage.packed(stored, length)
    for i, name in enumerate(rows):
        np.testing.assert_array_equal(rows[name], np.concatenate([sequence[i] for sequence in sequences]))
    again = storage.allocate(sequences[0], 5, 10)
    storage.unpack(again, length, rows)
    for array, expected in zip(again, stored, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_a_replay_larger_than_memory_says_how_large_it_would_be(make_sequence):
    with pytest.raises(MemoryError, match=r"GB when full.*smaller max_sequences"):
        storage.allocate(make_sequence(0, 1), 10**9, 10**6)
