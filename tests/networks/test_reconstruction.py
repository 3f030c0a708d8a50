"""Sketches of observations, and that latents learn to draw them."""

import jax
import jax.numpy as jnp
import numpy as np

from smuzero.actions.distributions import FactoredCategorical
from smuzero.networks.convolutions import motion
from smuzero.networks.model import make_network
from smuzero.networks.reconstruction import sketch
from smuzero.networks.settings import NetworkSettings

POLICY = FactoredCategorical(1, 3)


def test_a_sketch_of_a_picture_is_the_means_of_its_blocks_without_the_rest():
    picture = np.random.default_rng(0).integers(0, 256, (10, 13, 2), np.uint8)
    expected = [
        picture[4 * row : 4 * row + 4, 4 * column : 4 * column + 4, plane].mean() / 255
        for row in range(2)
        for column in range(3)
        for plane in range(2)
    ]
    np.testing.assert_allclose(sketch(jnp.asarray(picture)), expected, rtol=1e-6)


def test_tents_are_means_whose_weights_fall_off_linearly():
    picture = np.random.default_rng(0).integers(0, 256, (8, 13, 2), np.uint8)
    expected = []
    for row in range(2):
        for column in range(3):
            for plane in range(2):
                total = weights = 0.0
                for i in range(8):
                    for j in range(12):
                        down, across = abs(i - (4 * row + 1.5)) / 4, abs(j - (4 * column + 1.5)) / 4
                        weight = max(0.0, 1 - down) * max(0.0, 1 - across)
                        total, weights = total + weight * picture[i, j, plane] / 255, weights + weight
                expected.append(total / weights)
    np.testing.assert_allclose(sketch(jnp.asarray(picture), kind="tents"), expected, rtol=1e-5)


def test_what_moves_within_a_block_shows_in_tents_alone():
    one, other = (jnp.zeros((16, 16, 1), jnp.uint8).at[:, column].set(255) for column in (8, 9))
    np.testing.assert_array_equal(sketch(one), sketch(other))
    assert np.abs(sketch(one, kind="tents") - sketch(other, kind="tents")).max() > 0.05


def test_a_sketch_of_a_vector_is_the_vector_or_its_symlog():
    vector = jnp.array([-3.0, 0.0, 100.0])
    np.testing.assert_array_equal(sketch(vector), vector)
    np.testing.assert_allclose(sketch(vector, takes_symlog=True), [-np.log(4), 0.0, np.log(101)], rtol=1e-6)


def test_a_picture_in_motion_is_its_last_one_and_enlarged_differences():
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 6)).astype(np.float32)
    seen = motion(jnp.asarray(picture), 2)
    np.testing.assert_array_equal(seen[..., :2], picture[..., 4:])
    np.testing.assert_array_equal(seen[..., 2:4], 4 * (picture[..., 2:4] - picture[..., :2]))
    np.testing.assert_array_equal(seen[..., 4:], 4 * (picture[..., 4:] - picture[..., 2:4]))
    expected = sketch(255 * motion(jnp.asarray(picture) / 255, 2), kind="tents")
    np.testing.assert_allclose(sketch(jnp.asarray(picture), kind="tents", motion_planes=2), expected, atol=1e-5)


def test_a_latent_says_nothing_at_first_and_only_where_asked_to():
    settings = NetworkSettings(width=4, num_blocks=1)
    network = make_network(settings, (8, 12, 3), POLICY, reconstructs=True)
    assert network.reconstruct is not None and network.sketch is not None
    params = network.init(jax.random.key(0))
    said = network.reconstruct(params, jnp.ones(4))
    assert said.shape == network.sketch(jnp.zeros((8, 12, 3), jnp.uint8)).shape == (18,) and not said.any()
    plain = make_network(settings, (8, 12, 3), POLICY)
    assert plain.reconstruct is None and "reconstruct" not in plain.init(jax.random.key(0))
