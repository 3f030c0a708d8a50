from typing import Any

import gymnasium
import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

from smuzero.actions.spaces import BinnedBox, Discrete, UnsupportedActionSpace, from_gymnasium

relaxed = hypothesis.settings(deadline=None)  # a busy machine is no wrong answer


@st.composite
def boxes(draw) -> dict[str, Any]:
    """Arguments of binned spaces of any shape, dtype and bounds, empty widths among them.

    Built inside the tests: where shapes are checked, beartype draws random numbers, which strategies may not.
    """
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3))
    dtype = np.dtype(draw(st.sampled_from([np.float16, np.float32, np.float64])))
    ends = np.sort(draw(hnp.arrays(dtype, (2, *shape), elements=st.floats(-1000, 1000, width=16))), axis=0)
    low, high = np.asarray(ends[0]), np.asarray(ends[1])
    return dict(low=low, high=high, shape=shape, dtype=dtype, bins=draw(st.integers(2, 15)))


@relaxed
@hypothesis.given(boxes(), st.data())
def test_decoded_actions_belong_to_the_environments_space(arguments, data):
    space = BinnedBox.between(**arguments)
    bins = data.draw(hnp.arrays(np.int32, (space.size,), elements=st.integers(0, space.bins - 1)))
    action = space.decode(bins)
    assert action.shape == space.shape and action.dtype == space.dtype
    assert np.all(action.ravel() >= np.array(space.low)) and np.all(action.ravel() <= np.array(space.high))


@relaxed
@hypothesis.given(boxes())
def test_first_and_last_bins_are_exactly_the_bounds(arguments):
    space = BinnedBox.between(**arguments)
    first, last = (space.decode(np.full(space.size, bin, np.int32)).ravel() for bin in (0, space.bins - 1))
    np.testing.assert_array_equal(first, np.array(space.low, space.dtype))
    np.testing.assert_array_equal(last, np.array(space.high, space.dtype))


@relaxed
@hypothesis.given(st.integers(2, 41), st.data())
def test_encode_undoes_decode(bins, data):
    space = BinnedBox.between(low=[-1.0, 0.0, -3.0], high=[1.0, 1.1, 5.0], shape=(3,), bins=bins)
    action = data.draw(hnp.arrays(np.int32, (3,), elements=st.integers(0, bins - 1)))
    np.testing.assert_array_equal(space.encode(space.decode(action)), action)


@relaxed
@hypothesis.given(boxes(), st.data())
def test_no_bin_is_nearer_than_the_encoded_one(arguments, data):
    space = BinnedBox.between(**arguments)
    action = data.draw(hnp.arrays(np.float64, space.shape, elements=st.floats(-2000, 2000)))
    bins = space.encode(action)
    for dimension, value in enumerate(action.ravel()):
        distances = [abs(value - other) for other in space.values[dimension]]
        assert distances[bins[dimension]] <= min(distances) * (1 + 1e-9)


def test_seven_bins_are_evenly_spaced_as_in_the_paper():
    space = from_gymnasium(gymnasium.spaces.Box(-1.0, 1.0, (1,)))
    assert isinstance(space, BinnedBox)
    np.testing.assert_allclose(space.values, [[-1, -2 / 3, -1 / 3, 0, 1 / 3, 2 / 3, 1]], atol=1e-15)
    assert space.num_choices == 7 and space.size == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_actions_have_the_spaces_own_shape_and_dtype(shape, dtype):
    box = gymnasium.spaces.Box(-1.3, 2.7, shape, dtype)
    space = from_gymnasium(box, bins=4)
    for bin in range(4):
        assert box.contains(space.decode(np.full(space.size, bin, np.int32)))


def test_bounds_are_kept_per_dimension():
    box = gymnasium.spaces.Box(np.array([-1.0, -0.8]), np.array([1.1, 0.8]), dtype=np.float64)
    space = from_gymnasium(box, bins=3)
    np.testing.assert_allclose(space.decode(np.array([1, 2], np.int32)), [0.05, 0.8])


def test_leading_axes_pass_through():
    space = BinnedBox.between(low=-1.0, high=1.0, shape=(2, 3))
    actions = np.random.default_rng(0).integers(0, 7, (4, 5, 6)).astype(np.int32)
    decoded = space.decode(actions)
    assert decoded.shape == (4, 5, 2, 3)
    np.testing.assert_array_equal(decoded[3, 1], space.decode(actions[3, 1]))
    np.testing.assert_array_equal(space.encode(decoded), actions)


@pytest.mark.parametrize("start", [0, 5, -2])
def test_discrete_actions_start_where_the_environment_starts(start):
    space = from_gymnasium(gymnasium.spaces.Discrete(4, start=start))
    assert isinstance(space, Discrete) and space == Discrete(4, start)
    assert (space.size, space.num_choices) == (1, 4)
    choices = np.arange(4, dtype=np.int32)[:, None]
    np.testing.assert_array_equal(space.decode(choices), start + np.arange(4))
    np.testing.assert_array_equal(space.encode(start + np.arange(4)), choices)
    assert gymnasium.spaces.Discrete(4, start=start).contains(space.decode(choices[2]))


def test_discrete_refuses_actions_outside():
    with pytest.raises(ValueError, match="5 to 8"):
        Discrete(4, start=5).encode(9)


def test_spaces_are_hashable_and_equal_by_value():
    assert hash(BinnedBox.between(-1.0, 1.0, (2,))) == hash(BinnedBox.between([-1.0, -1.0], np.ones(2), (2,)))
    assert BinnedBox.between(-1.0, 1.0, (2,)) == BinnedBox((-1.0, -1.0), (1.0, 1.0), (2,))
    assert BinnedBox.between(-1.0, 1.0, (2,)) != BinnedBox.between(-1.0, 1.0, (2,), bins=5)


@pytest.mark.parametrize(
    ("low", "high"), [(-np.inf, np.inf), (0.0, np.inf), (np.finfo(np.float32).min, np.finfo(np.float32).max)]
)
def test_unbounded_boxes_are_refused_with_what_to_do(low, high):
    with pytest.raises(UnsupportedActionSpace, match=r"no finite bounds in dimension.*RescaleAction"):
        from_gymnasium(gymnasium.spaces.Box(low, high, (2,)))


@pytest.mark.parametrize(
    "space",
    [
        gymnasium.spaces.Text(4),
        gymnasium.spaces.Sequence(gymnasium.spaces.Discrete(2)),
        gymnasium.spaces.Dict(name=gymnasium.spaces.Text(4)),
    ],
)
def test_other_spaces_are_refused_naming_those_supported(space):
    with pytest.raises(UnsupportedActionSpace, match="Supported are Discrete, and Box"):
        from_gymnasium(space)


@pytest.mark.parametrize(
    "arguments",
    [
        dict(low=0.0, high=1.0, shape=(1,), bins=1),
        dict(low=1.0, high=0.0, shape=(1,)),
        dict(low=0.0, high=np.inf, shape=(1,)),
        dict(low=np.nan, high=1.0, shape=(1,)),
        dict(low=0.0, high=1.0, shape=(0,)),
        dict(low=0.0, high=1.0, shape=(1,), dtype=np.bool_),
    ],
)
def test_impossible_bins_are_refused(arguments):
    with pytest.raises(ValueError):
        BinnedBox.between(**arguments)


def test_nan_has_no_nearest_bin():
    with pytest.raises(ValueError, match="NaN"):
        BinnedBox.between(-1.0, 1.0, (2,)).encode([0.0, np.nan])
