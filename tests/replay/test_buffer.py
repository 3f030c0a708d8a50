import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smuzero.replay.buffer import Buffer, ReplaySettings

exponent = st.sampled_from([0.0, 0.4, 1.0, 2.0])


def steps_of(windows):
    """Sequence number and step at which each window starts."""
    return [tuple(row) for row in windows.observation[:, 0].astype(int).tolist()]


def handles(buffer):
    """The handle of every stored step; drawn often enough that each has come up (checked)."""
    found = {}
    while len(found) < len(buffer):
        windows = buffer.sample(64, 0, 1)
        found.update(zip(steps_of(windows), windows.index, strict=True))
    return found


def assert_same_windows(left, right):
    for name, field in left._asdict().items():
        np.testing.assert_array_equal(field, getattr(right, name), err_msg=name)


class NaiveReplay:
    """The formulas of the module docstring over a dict from (sequence, step) to priority."""

    def __init__(self, settings):
        self.settings, self.highest, self.priority = settings, 1.0, {}

    def add(self, number, length):
        self.priority |= {(number, t): self.highest for t in range(length)}
        oldest_kept = number + 1 - self.settings.max_sequences
        self.priority = {key: p for key, p in self.priority.items() if key[0] >= oldest_kept}

    def update(self, key, priority):
        if key in self.priority:
            self.priority[key] = priority + self.settings.priority_offset
            self.highest = max(self.highest, self.priority[key])

    def weights(self, keys):
        masses = {key: p**self.settings.priority_exponent for key, p in self.priority.items()}
        n, total = len(masses), sum(masses.values())
        return np.array([(1 / (n * (masses[key] / total))) ** self.settings.importance_exponent for key in keys])


@settings(deadline=None)
@given(alpha=exponent, beta=exponent, max_sequences=st.integers(1, 4), seed=st.integers(0, 2**32), data=st.data())
def test_priorities_weights_and_eviction_are_the_naive_ones(make_sequence, alpha, beta, max_sequences, seed, data):
    settings = ReplaySettings(max_sequences, 5, priority_exponent=alpha, importance_exponent=beta)
    buffer, naive = Buffer(settings, seed), NaiveReplay(settings)
    drawn = []  # Every batch ever drawn, so that old handles come back too.
    for number in range(data.draw(st.integers(1, 6))):
        length = data.draw(st.integers(1, 5))
        buffer.add(make_sequence(number, length))
        naive.add(number, length)
        windows = buffer.sample(6, 1, 1)
        keys = steps_of(windows)
        drawn.append((windows.index, keys))
        assert set(keys) <= naive.priority.keys()
        assert len(buffer) == len(naive.priority)
        np.testing.assert_allclose(windows.weight, naive.weights(keys), rtol=1e-5)
        index, old_keys = data.draw(st.sampled_from(drawn))
        priorities = data.draw(st.lists(st.floats(0, 100, width=32), min_size=6, max_size=6))
        buffer.update_priorities(index, np.array(priorities))
        for key, priority in zip(old_keys, priorities, strict=True):
            naive.update(key, priority)
    assert buffer.state()["highest_priority"] == naive.highest


def test_steps_are_drawn_in_proportion_to_their_priorities(make_sequence, count_tolerance):
    buffer = Buffer(ReplaySettings(max_sequences=4, max_length=6, priority_exponent=0.7), 0)
    lengths = [6, 2, 5]
    for number, length in enumerate(lengths):
        buffer.add(make_sequence(number, length))
    keys, index = zip(*handles(buffer).items(), strict=True)
    priority = np.random.default_rng(1).exponential(size=len(keys))
    buffer.update_priorities(np.array(index), priority)
    counts = dict.fromkeys(keys, 0)
    for _ in range(200):
        for key in steps_of(buffer.sample(100, 0, 1)):
            counts[key] += 1
    mean = 200 * 100 * (priority + 0.01) ** 0.7 / ((priority + 0.01) ** 0.7).sum()
    assert (np.abs(np.array(list(counts.values())) - mean) <= count_tolerance(mean)).all()


def test_a_stratified_batch_draws_every_step_its_whole_expected_number_of_times(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=2, max_length=8), 0)
    buffer.add(make_sequence(0, 8))
    assert sorted(steps_of(buffer.sample(16, 0, 1))) == sorted(2 * [(0, t) for t in range(8)])


def test_new_steps_enter_at_the_highest_priority_so_far_even_if_it_was_lowered_since(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=3, max_length=1, priority_offset=0.125), 0)
    buffer.add(make_sequence(0, 1))
    np.testing.assert_array_equal(buffer.state()["mass"], [1.0])
    index = buffer.sample(1, 0, 1).index
    buffer.update_priorities(index, np.array([8.0]))
    buffer.update_priorities(index, np.array([0.25]))
    buffer.add(make_sequence(1, 1))
    np.testing.assert_array_equal(buffer.state()["mass"], [0.375, 8.125])


def test_a_priority_of_zero_leaves_a_step_drawable(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=1, max_length=3), 0)
    buffer.add(make_sequence(0, 3))
    index = np.array(list(handles(buffer).values()))
    buffer.update_priorities(index, np.zeros(3))
    assert len(handles(buffer)) == 3
    np.testing.assert_allclose(buffer.sample(9, 0, 1).weight, 1)


def test_the_oldest_sequences_are_evicted_whole(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=3, max_length=5), 0)
    lengths = [5, 2, 4, 1, 3]
    for number, length in enumerate(lengths):
        buffer.add(make_sequence(number, length))
        kept = range(max(0, number - 2), number + 1)
        assert buffer.num_sequences == len(kept)
        assert set(handles(buffer)) == {(i, t) for i in kept for t in range(lengths[i])}


def test_priorities_of_evicted_steps_are_ignored(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=2, max_length=3), 0)
    buffer.add(make_sequence(0, 3))
    old = np.array(list(handles(buffer).values()))
    buffer.add(make_sequence(1, 3))
    buffer.add(make_sequence(2, 3))
    before = buffer.state()
    buffer.update_priorities(old, np.full(3, 100.0))
    np.testing.assert_array_equal(buffer.state()["mass"], before["mass"])
    assert buffer.state()["highest_priority"] == 1.0


def test_handles_that_no_step_ever_had_are_ignored(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=3, max_length=4), 0)
    buffer.add(make_sequence(0, 2))
    buffer.update_priorities(np.arange(-50, 50), np.full(100, 3.0))
    assert sorted(buffer.state()["mass"]) == [3.01, 3.01]  # Handles 12 and 13: the first generation's.
    assert set(steps_of(buffer.sample(64, 0, 1))) == {(0, 0), (0, 1)}  # Not the unused end of the slot: 14 and 15.


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -1.0])
def test_a_priority_that_is_not_finite_or_negative_is_refused_and_changes_nothing(make_sequence, bad):
    buffer = Buffer(ReplaySettings(max_sequences=1, max_length=2), 0)
    buffer.add(make_sequence(0, 2))
    index = buffer.sample(2, 0, 1).index
    with pytest.raises(ValueError, match="1 of 2 priorities are not finite or negative"):
        buffer.update_priorities(index, np.array([5.0, bad]))
    np.testing.assert_array_equal(buffer.state()["mass"], [1.0, 1.0])


def test_a_handle_cut_to_32_bits_is_refused(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=1, max_length=2), 0)
    buffer.add(make_sequence(0, 2))
    index = buffer.sample(2, 0, 1).index.astype(np.int32)
    with pytest.raises(ValueError, match=r"index is int32.*hand back windows\.index as sampled"):
        buffer.update_priorities(index, np.ones(2))


def test_sampling_an_empty_replay_says_to_add_first():
    with pytest.raises(ValueError, match=r"empty.*add a sequence first"):
        Buffer(ReplaySettings(), 0).sample(4, 5, 5)


@pytest.mark.parametrize("sizes", [(0, 5, 5), (4, -1, 5), (4, 5, 0)])
def test_windows_of_no_size_are_refused(make_sequence, sizes):
    buffer = Buffer(ReplaySettings(max_sequences=1, max_length=2), 0)
    buffer.add(make_sequence(0, 2))
    with pytest.raises(ValueError, match="at least 1, 0 and 1"):
        buffer.sample(*sizes)


def test_a_refused_sequence_leaves_the_replay_as_it_was(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=2, max_length=3), 0)
    buffer.add(make_sequence(0, 3))
    with pytest.raises(ValueError, match="4 steps, but this replay takes 1 to 3"):
        buffer.add(make_sequence(1, 4))
    with pytest.raises(ValueError, match="row of words"):
        buffer.add(make_sequence(1, 3, num_words=1))
    assert len(buffer) == 3 and buffer.num_sequences == 1


@pytest.mark.parametrize(
    "wrong",
    [{"max_sequences": 0}, {"max_length": 0}, {"priority_exponent": -0.5}, {"importance_exponent": math.nan}],
)
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ReplaySettings(**wrong)


def through_files(state):
    """The state after a round trip through an npz file without pickle, and JSON for what is no array."""
    file = io.BytesIO()
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    np.savez(file, allow_pickle=False, **arrays)
    file.seek(0)
    rest = json.loads(json.dumps({key: value for key, value in state.items() if not isinstance(value, np.ndarray)}))
    with np.load(file, allow_pickle=False) as loaded:
        return {**loaded, **rest}


@settings(deadline=None)
@given(num_sequences=st.integers(0, 5), seed=st.integers(0, 2**32))
def test_a_restored_replay_goes_on_to_the_last_bit(make_sequence, num_sequences, seed):
    settings = ReplaySettings(max_sequences=3, max_length=4, priority_exponent=0.6)
    rng = np.random.default_rng(seed)
    buffer = Buffer(settings, seed)

    def go_on(replay, numbers, rng):
        drawn = []
        for number in numbers:
            replay.add(make_sequence(number, int(rng.integers(1, 5)), bool(rng.integers(2))))
            drawn.append(replay.sample(5, 2, 2))
            replay.update_priorities(drawn[-1].index, rng.exponential(size=5))
        return drawn

    handed_out = go_on(buffer, range(num_sequences), rng)
    restored = Buffer(settings, seed=seed + 1)
    restored.add(make_sequence(99, 3))  # What was there before must be gone.
    restored.restore(through_files(buffer.state()))
    assert len(restored) == len(buffer)
    for windows in handed_out:  # Handles stay good.
        priority = rng.exponential(size=5)
        buffer.update_priorities(windows.index, priority)
        restored.update_priorities(windows.index, priority)
    future = int(rng.integers(2**32))
    expected = go_on(buffer, range(10, 15), np.random.default_rng(future))
    actual = go_on(restored, range(10, 15), np.random.default_rng(future))
    for left, right in zip(expected, actual, strict=True):
        assert_same_windows(left, right)


def test_a_state_holds_stored_steps_only_and_does_not_change_afterwards(make_sequence):
    buffer = Buffer(ReplaySettings(max_sequences=100, max_length=50), 0)
    buffer.add(make_sequence(0, 3))
    state = buffer.state()
    assert len(state["observation"]) == 4 and len(state["action"]) == len(state["mass"]) == 3
    copies = {key: value.copy() for key, value in state.items() if isinstance(value, np.ndarray)}
    generator = json.dumps(state["generator"])
    for _ in range(100):
        buffer.add(make_sequence(1, 50))
    buffer.sample(4, 1, 1)
    for key, value in copies.items():
        np.testing.assert_array_equal(state[key], value, err_msg=key)
    assert json.dumps(state["generator"]) == generator


def test_a_state_of_other_settings_is_refused(make_sequence):
    with pytest.raises(ValueError, match="settings it was made with"):
        Buffer(ReplaySettings(max_sequences=5), 0).restore(Buffer(ReplaySettings(max_sequences=6), 0).state())


def test_equal_seeds_draw_equal_windows_and_others_do_not(make_sequence):
    buffers = [Buffer(ReplaySettings(max_sequences=2, max_length=50), seed) for seed in (3, 3, 4)]
    for buffer in buffers:
        buffer.add(make_sequence(0, 50))
    first, same, other = (buffer.sample(16, 2, 2) for buffer in buffers)
    assert_same_windows(first, same)
    assert not np.array_equal(first.index, other.index)
