"""Whether the cheap numbers are uniform and unrelated.

Bounds are derived. For a chi-square statistic X with d degrees of freedom,
P(X > d + 2√(dt) + 2t) <= exp(-t) (Laurent & Massart 2000); a correlation of n
independent pairs lies within 6/√n but once in 10^9.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.uniforms import seeds, uniforms

SIZE = 2**18
SEEDS = [seeds(jax.random.key(0)), seeds(jax.random.key(1)), jnp.array([0, 1], jnp.uint32)]


def numbers(seed: jax.Array, block: int, *shape: int) -> np.ndarray:
    return np.asarray(uniforms(seed, block, shape))


def is_plausible(counts: np.ndarray) -> bool:
    """Whether equally likely cells could have these counts (t = 14: a chance of 1e-6 to be wrong)."""
    expected, freedom, t = counts.sum() / counts.size, counts.size - 1, 14.0
    statistic = ((counts - expected) ** 2 / expected).sum()
    return statistic < freedom + 2 * math.sqrt(freedom * t) + 2 * t


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(x, y)[0, 1])


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_uniform_on_a_fine_grid(seed):
    found = numbers(seed, 0, SIZE)
    assert found.min() >= 0
    assert found.max() < 1
    np.testing.assert_array_equal(found * 2**24, np.floor(found * 2**24))
    assert is_plausible(np.bincount((found * 1024).astype(int), minlength=1024))
    assert is_plausible(np.bincount((found * 2**24).astype(int) % 1024, minlength=1024))


@pytest.mark.parametrize("lag", [1, 2, 3, 20, 256, 1000, 65536])
def test_numbers_at_a_distance_are_unrelated(lag):
    for seed in SEEDS:
        found = numbers(seed, 3, SIZE)
        first, second = found[:-lag], found[lag:]
        assert abs(correlation(first, second)) < 6 / math.sqrt(len(first))
        pairs = (first * 16).astype(int) * 16 + (second * 16).astype(int)
        assert is_plausible(np.bincount(pairs, minlength=256))


def test_blocks_follow_each_other_in_one_stream():
    seed, stream = SEEDS[0], numbers(SEEDS[0], 0, 60)
    np.testing.assert_array_equal(np.concatenate([numbers(seed, block, 20) for block in range(3)]), stream)
    np.testing.assert_array_equal(numbers(seed, 2, 2, 5, 2).reshape(-1), stream[40:])


def test_blocks_share_no_number_beyond_chance():
    first, second = numbers(SEEDS[0], 1, 2**11), numbers(SEEDS[0], 2, 2**11)
    # 2^22 pairs, each alike with a chance of 2^-24: a quarter expected, 8 or more has a chance below 1e-9.
    assert np.isin(first, second).sum() < 8


@pytest.mark.parametrize("block", [0, 1, 50])
def test_keys_give_unrelated_streams(block):
    streams = [numbers(seeds(jax.random.key(key)), block, SIZE // 16) for key in range(6)]
    streams += [numbers(SEEDS[0] ^ jnp.array(flip, jnp.uint32), block, SIZE // 16) for flip in ([1, 0], [0, 1])]
    for k, stream in enumerate(streams):
        for other in streams[:k]:
            assert abs(correlation(stream, other)) < 6 / math.sqrt(len(stream))


def test_one_key_gives_one_stream():
    np.testing.assert_array_equal(seeds(jax.random.key(5)), seeds(jax.random.key(5)))
    np.testing.assert_array_equal(numbers(SEEDS[0], 7, 3, 4), numbers(SEEDS[0], 7, 3, 4))
