import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smuzero.replay.sum_tree import SumTree

# Sums of multiples of 1/8 below 2^20 are exact in float64, so the tree must agree to the bit with any order of adding.
exact_mass = st.integers(0, 2**16).map(lambda n: n / 8)
any_mass = st.floats(0, 1e6)


@st.composite
def updates(draw, mass):
    num_leaves = draw(st.integers(1, 40))
    one = st.tuples(st.integers(0, num_leaves - 1), mass)
    return num_leaves, draw(st.lists(st.lists(one, max_size=12), max_size=8))


def updated(num_leaves, batches):
    """The tree after the updates, and the same masses in a plain array."""
    tree, masses = SumTree(num_leaves), np.zeros(num_leaves)
    for batch in batches:
        tree.set(np.array([i for i, _ in batch], np.int64), np.array([mass for _, mass in batch], np.float64))
        for i, mass in batch:
            masses[i] = mass
    return tree, masses


@settings(deadline=None)
@given(updates(exact_mass), st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_draws_are_those_of_the_cumulative_sum(case, uniforms):
    tree, masses = updated(*case)
    np.testing.assert_array_equal(tree.get(np.arange(len(masses))), masses)
    assert tree.total == masses.sum()
    if tree.total > 0:
        # Midway between two multiples of 1/8 a point is far from every boundary, whatever the division rounds.
        points = np.floor(np.array(uniforms) * tree.total * 8) / 8
        expected = np.searchsorted(np.cumsum(masses), points, side="right")
        np.testing.assert_array_equal(tree.sample((points + 1 / 16) / tree.total), expected)


@settings(deadline=None)
@given(updates(any_mass), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_no_leaf_of_mass_zero_is_ever_drawn(case, uniforms):
    tree, masses = updated(*case)
    if tree.total > 0:
        assert (masses[tree.sample(np.array([0.0, 1.0, np.nextafter(1, 0), *uniforms]))] > 0).all()


@settings(deadline=None)
@given(updates(any_mass))
def test_total_is_the_sum_within_one_rounding_per_level(case):
    tree, masses = updated(*case)
    depth = math.ceil(math.log2(len(masses))) if len(masses) > 1 else 0
    assert abs(tree.total - math.fsum(masses)) <= (depth + 1) * np.finfo(np.float64).eps * math.fsum(masses)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_many_updates_leave_exactly_the_tree_of_the_last_masses(seed):
    rng = np.random.default_rng(seed)
    tree = SumTree(300)
    for _ in range(2000):
        tree.set(rng.integers(300, size=16), 10.0 ** rng.uniform(-12, 12, size=16))
    fresh = SumTree(300)
    fresh.set(np.arange(300), tree.get(np.arange(300)))
    assert tree.total == fresh.total
    uniforms = rng.random(1000)
    np.testing.assert_array_equal(tree.sample(uniforms), fresh.sample(uniforms))


def test_of_an_index_given_twice_the_last_value_counts():
    tree = SumTree(3)
    tree.set(np.array([1, 1]), np.array([5.0, 2.0]))
    assert tree.total == 2.0


@pytest.mark.parametrize("mass", [-1.0, math.nan, math.inf])
def test_a_mass_that_is_none_is_refused_and_changes_nothing(mass):
    tree = SumTree(3)
    tree.set(np.array([0]), np.array([1.0]))
    with pytest.raises(ValueError, match="finite and at least 0"):
        tree.set(np.array([0, 1]), np.array([7.0, mass]))
    assert tree.total == 1.0


@pytest.mark.parametrize("index", [-1, 3])
def test_an_index_outside_the_tree_is_refused(index):
    # The array has more leaves than items, so the unused ones must be out of reach.
    with pytest.raises(ValueError, match="leaves 0 to 2"):
        SumTree(3).set(np.array([index]), np.array([1.0]))


def test_an_empty_tree_says_that_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="no leaf to draw"):
        SumTree(3).sample(np.array([0.5]))
