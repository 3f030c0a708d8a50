import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smuzero.replay.buffer import Buffer, ReplaySettings
from smuzero.types import Windows

HISTORY = 2


def naive_window(sequence, start, unroll, n_step):
    """One window, row by row; actions past the end are None."""
    length = len(sequence.action)
    rows = {name: [] for name in Windows._fields if name not in ("weight", "index")}
    for k in range(unroll + n_step + 1):
        t = start + k
        inside = t < length
        rows["observation"].append(sequence.observation[t if inside else length])
        rows["is_step"].append(inside)
        if k < unroll + n_step:
            rows["reward"].append(sequence.reward[t] if inside else 0)
            rows["discount"].append(sequence.discount[t] if inside else 1)
            rows["action" if k < unroll else "later_action"].append(sequence.action[t] if inside else None)
        if k <= unroll:
            rows["words"].append(sequence.words[t] if inside else np.zeros_like(sequence.words[0]))
            rows["visits"].append(sequence.visits[t] if inside else np.zeros_like(sequence.visits[0]))
            rows["root_value"].append(sequence.root_value[t] if inside else 0)
            rows["legal"].append(sequence.legal[t] if inside else np.ones(4, bool))
    for t in range(start - HISTORY, start):
        rows["is_history"].append(t >= 0)
        rows["history"].append(sequence.observation[max(t, 0)])
    rows["recurrent"] = sequence.recurrent[max(start - HISTORY, 0)]
    rows["is_terminal"] = sequence.discount[-1] == 0
    return rows


@settings(deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 7), st.booleans()), min_size=1, max_size=6),
    max_sequences=st.integers(1, 4),
    unroll=st.integers(0, 4),
    n_step=st.integers(1, 4),
    num_samples=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_windows_are_those_cut_out_row_by_row(make_sequence, lengths, max_sequences, unroll, n_step, num_samples, seed):
    buffer = Buffer(ReplaySettings(max_sequences=max_sequences, max_length=7), seed)
    added = [make_sequence(i, *given, num_samples=num_samples) for i, given in enumerate(lengths)]
    for sequence in added:
        buffer.add(sequence)
    kept = set(range(len(added))[-max_sequences:])
    batch = 8
    windows = buffer.sample(batch, unroll, n_step, HISTORY)
    for b in range(batch):
        number, start = windows.observation[b, 0].astype(int)
        assert number in kept
        for name, expected in naive_window(added[number], start, unroll, n_step).items():
            actual = getattr(windows, name)[b]
            if name not in ("action", "later_action"):
                np.testing.assert_array_equal(actual, expected, err_msg=name)
                continue
            assert len(actual) == (unroll if name == "action" else n_step)
            for action, own in zip(actual, expected, strict=True):
                if own is None:  # Any stored step's action will do: it names its sequence and step.
                    assert action[0] in kept and 0 <= action[1] < len(added[action[0]].action)
                else:
                    np.testing.assert_array_equal(action, own)


def test_windows_have_the_shapes_and_dtypes_of_the_types_module(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=2, max_length=9), 0)
    buffer.add(make_sequence(0, 9))
    windows = buffer.sample(6, 4, 3, 2)
    assert {name: (field.shape, field.dtype.name) for name, field in windows._asdict().items()} == {
        "observation": ((6, 8, 2), "float32"),
        "action": ((6, 4, 2), "int32"),
        "later_action": ((6, 3, 2), "int32"),
        "reward": ((6, 7), "float32"),
        "discount": ((6, 7), "float32"),
        "is_step": ((6, 8), "bool"),
        "is_terminal": ((6,), "bool"),
        "words": ((6, 5, 3, 2), "uint32"),
        "visits": ((6, 5, 3), "float32"),
        "root_value": ((6, 5), "float32"),
        "weight": ((6,), "float32"),
        "index": ((6,), "int64"),
        "legal": ((6, 5, 4), "bool"),
        "history": ((6, 2, 2), "float32"),
        "is_history": ((6, 2), "bool"),
        "recurrent": ((6, 5), "float32"),
    }


def test_pixels_and_discrete_actions_keep_their_shape_and_dtype(make_sequence):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 2), dtype=np.uint8)
    buffer = Buffer(ReplaySettings(max_sequences=2, max_length=4), 0)
    buffer.add(make_sequence(0, 4)._replace(observation=pixels, action=np.arange(4, dtype=np.int32)[:, None]))
    windows = buffer.sample(3, 1, 1)
    assert windows.observation.dtype == np.uint8
    for b in range(3):
        start = windows.action[b, 0, 0]
        np.testing.assert_array_equal(windows.observation[b, :2], pixels[start : start + 2])


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_window_never_reaches_into_the_next_sequence_of_the_ring(make_sequence, is_terminal):
    buffer = Buffer(ReplaySettings(max_sequences=3, max_length=3), 0)
    for number in range(5):
        buffer.add(make_sequence(number, 3, is_terminal))
    windows = buffer.sample(64, 5, 5)
    numbers, steps = np.moveaxis(windows.observation, -1, 0)
    np.testing.assert_array_equal(numbers, np.broadcast_to(numbers[:, :1], numbers.shape))
    np.testing.assert_array_equal(steps, np.minimum(steps[:, :1] + np.arange(11), 3))
    np.testing.assert_array_equal(windows.is_terminal, is_terminal)


def test_what_a_longer_evicted_sequence_left_behind_is_never_seen(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=1, max_length=7), 0)
    buffer.add(make_sequence(0, 7))
    buffer.add(make_sequence(1, 2))
    windows = buffer.sample(32, 3, 3)
    assert (windows.observation[..., 0] == 1).all()
    assert (windows.action[..., 0] == 1).all()
    assert windows.is_step.sum(axis=1).max() <= 2
    assert not windows.visits[~windows.is_step[:, :4]].any()


def test_actions_past_the_end_are_uniform_over_all_stored_steps(make_sequence, count_tolerance):
    lengths = [1, 4, 2]
    buffer = Buffer(ReplaySettings(max_sequences=5, max_length=4), 0)
    for number, length in enumerate(lengths):
        buffer.add(make_sequence(number, length))
    counts = np.zeros((3, 4))
    for _ in range(20):
        windows = buffer.sample(64, 30, 1)
        number, step = windows.action[~windows.is_step[:, :30]].T
        np.add.at(counts, (number, step), 1)
    is_stored = np.arange(4) < np.array(lengths)[:, None]
    assert counts[~is_stored].sum() == 0
    mean = np.full(7, counts.sum() / 7)
    assert (np.abs(counts[is_stored] - mean) <= count_tolerance(mean)).all()


def test_nothing_is_stored_of_masks_and_memories_where_there_are_none(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=2, max_length=9), 0)
    buffer.add(make_sequence(0, 9)._replace(legal=None, recurrent=None))
    windows = buffer.sample(6, 4, 3, 2)
    assert windows.legal is windows.history is windows.recurrent is None
    assert buffer.state()["legal"].size == buffer.state()["recurrent"].size == 0
