"""Sketches of observations, and that latents learn to draw them."""

import jax
import jax.numpy as jnp
import numpy as np

from smuzero.actions.distributions import FactoredCategorical
from smuzero.networks.model import NetworkSettings, make_network
from smuzero.networks.reconstruction import sketch

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


def test_a_sketch_of_a_vector_is_the_vector_or_its_symlog():
    vector = jnp.array([-3.0, 0.0, 100.0])
    np.testing.assert_array_equal(sketch(vector), vector)
    np.testing.assert_allclose(sketch(vector, takes_symlog=True), [-np.log(4), 0.0, np.log(101)], rtol=1e-6)


def test_a_latent_says_nothing_at_first_and_only_where_asked_to():
    settings = NetworkSettings(width=4, num_blocks=1)
    network = make_network(settings, (8, 12, 3), POLICY, reconstructs=True)
    assert network.reconstruct is not None and network.sketch is not None
    params = network.init(jax.random.key(0))
    said = network.reconstruct(params, jnp.ones(4))
    assert said.shape == network.sketch(jnp.zeros((8, 12, 3), jnp.uint8)).shape == (18,) and not said.any()
    plain = make_network(settings, (8, 12, 3), POLICY)
    assert plain.reconstruct is None and "reconstruct" not in plain.init(jax.random.key(0))
