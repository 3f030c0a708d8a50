"""Networks that see pictures, pictures with a body, and with an LSTM in between."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smuzero.actions.distributions import FactoredCategorical
from smuzero.networks.convolutions import InputConvolution, of_patches
from smuzero.networks.mixed import mixed_input, split_bytes
from smuzero.networks.model import make_network
from smuzero.networks.pixels import PictureInput, average_pool, make_pixel_network
from smuzero.networks.settings import NetworkSettings
from smuzero.types import Part, join_observation, split_observation

TINY = NetworkSettings(width=4, num_blocks=1, picture_blocks=(0, 1, 0), value_bins=3, reward_bins=3)
POLICY = FactoredCategorical(2, 3, is_ordered=True)
PARTS = (Part("camera", (20, 16, 3), np.dtype(np.uint8)), Part("body", (5,), np.dtype(np.float32)))


def random_bytes(number):
    random = np.random.default_rng(number)
    camera = random.integers(0, 256, PARTS[0].shape, np.uint8)
    return join_observation([camera, random.normal(size=5).astype(np.float32)])


@pytest.mark.parametrize(("size", "expected"), [(96, 6), (84, 6), (64, 4)])
def test_pictures_become_a_sixteenth_with_muzero_planes_and_blocks(size, expected):
    network = make_pixel_network(NetworkSettings(width=256, num_blocks=16), (size, size, 9), POLICY)
    params = jax.eval_shape(network.init, jax.random.key(0))
    picture = jax.ShapeDtypeStruct((size, size, 9), jnp.uint8)
    latent = jax.eval_shape(network.represent, params, picture)
    assert latent.shape == (expected, expected, 256)
    seen = params["represent"]["input"]
    assert seen["input"]["convolution"]["kernel"].shape == (3, 3, 9, 128)
    assert seen["widen"]["convolution"]["kernel"].shape == (3, 3, 128, 256)
    assert [len(seen[f"blocks_{number}"]["blocks"]) for number in (1, 2, 3)] == [2, 3, 3]
    assert len(params["represent"]["tower"]["blocks"]) == len(params["dynamics"]["tower"]["blocks"]) == 16


@pytest.mark.parametrize(("action_input", "planes"), [("one_hot", 6), ("coordinates", 2)])
def test_actions_enter_as_planes_and_lead_elsewhere(action_input, planes):
    settings = NetworkSettings(width=4, num_blocks=1, picture_blocks=(0, 0, 0), action_input=action_input)
    network = make_pixel_network(settings, (20, 16, 3), POLICY)
    params = network.init(jax.random.key(0))
    assert params["dynamics"]["input"]["kernel"].shape == (3, 3, 4 + planes, 4)
    picture = np.random.default_rng(0).integers(0, 256, (20, 16, 3), np.uint8)
    latent = jax.jit(network.represent)(params, picture)
    assert latent.shape == (2, 1, 4) and latent.dtype == jnp.float32
    dynamics = jax.jit(network.dynamics)
    one, other = (dynamics(params, latent, jnp.array(action))[0] for action in ([0, 2], [1, 2]))
    assert one.shape == latent.shape and not np.allclose(one, other)


def test_a_picture_may_become_a_vector_that_knows_what_is_where():
    settings = NetworkSettings(width=8, num_blocks=1, picture_planes=4)
    shape = (20, 17, 3)
    network = make_network(settings, shape, POLICY, lambda rngs: PictureInput(settings, shape, rngs=rngs))
    params = network.init(jax.random.key(0))
    seen = params["represent"]["input"]
    assert seen["patches"]["convolution"]["kernel"].shape == (4, 4, 3, 4)
    assert seen["block"]["linear"]["kernel"].shape == (3 * 3 * 4, 8), "an eighth of 20 and of 17 points, rounded up"
    represent = jax.jit(network.represent)
    picture = np.zeros(shape, np.uint8)
    one, other = picture.copy(), picture.copy()
    one[2, 2], other[14, 14] = 255, 255
    latents = [represent(params, each) for each in (picture, one, other)]
    assert latents[0].shape == (8,)
    assert not np.allclose(latents[0], latents[1]) and not np.allclose(latents[1], latents[2])


@pytest.mark.parametrize("kind", ["planes", "vector", "lstm"])
def test_shapes_of_parameters_are_known_without_making_any(kind):
    if kind == "planes":
        network = make_pixel_network(TINY, (20, 16, 3), POLICY)
    else:
        network = make_network(dataclasses.replace(TINY, lstm=kind == "lstm"), (3,), POLICY)
    made = jax.eval_shape(network.init, jax.random.key(0))
    assert jax.tree.structure(network.shapes) == jax.tree.structure(made)
    for known, leaf in zip(jax.tree.leaves(network.shapes), jax.tree.leaves(made), strict=True):
        assert (known.shape, known.dtype) == (leaf.shape, leaf.dtype)


def test_patches_give_what_the_convolution_gives():
    x = jax.random.normal(jax.random.key(0), (12, 8, 3))
    layer = InputConvolution(3, 5, size=4, stride=4, rngs=nnx.Rngs(0))
    np.testing.assert_allclose(of_patches(x, layer.convolution.kernel[...]), layer.convolution(x), atol=1e-5)
    np.testing.assert_allclose(layer(x), jax.nn.relu(layer.norm(layer.convolution(x))), atol=1e-5)


def test_pooling_is_the_mean_of_the_points_that_there_are():
    x = np.random.default_rng(0).normal(size=(5, 4, 2)).astype(np.float32)
    # At stride 2, XLA pads 5 rows by one before and one after, 4 columns by one after only.
    expected = [
        [x[max(0, 2 * i - 1) : 2 * i + 2, 2 * j : 2 * j + 3].mean(axis=(0, 1)) for j in range(2)] for i in range(3)
    ]
    np.testing.assert_allclose(average_pool(jnp.asarray(x)), np.array(expected), rtol=1e-5)


def test_bytes_are_split_as_numpy_does_and_stacked_parts_are_joined():
    first, second = random_bytes(0), random_bytes(1)
    for name, array in split_observation(PARTS, first).items():
        np.testing.assert_array_equal(split_bytes(PARTS, jnp.asarray(first))[name], array)
    both = split_bytes(PARTS, jnp.concatenate([first, second]))
    for name, array in both.items():
        parts = [split_observation(PARTS, observation)[name] for observation in (first, second)]
        np.testing.assert_array_equal(array, np.concatenate(parts, axis=-1))


def test_camera_and_body_both_reach_the_latent():
    size = len(random_bytes(0))
    network = make_network(TINY, (size,), POLICY, lambda rngs: mixed_input(TINY, size, PARTS, rngs))
    params = network.init(jax.random.key(0))
    represent = jax.jit(network.represent)
    here, there = (split_observation(PARTS, random_bytes(number)) for number in (0, 1))
    latents = [
        represent(params, join_observation([camera["camera"], body["body"]]))
        for camera, body in ((here, here), (there, here), (here, there))
    ]
    assert latents[0].shape == (4,)
    assert not np.allclose(latents[0], latents[1]) and not np.allclose(latents[0], latents[2])


def test_an_lstm_remembers_and_the_tower_reads_its_output_alone():
    settings = NetworkSettings(width=4, num_blocks=1, lstm=True)
    network = make_network(settings, (3,), POLICY)
    params = network.init(jax.random.key(0))
    assert network.memory_size == 8 and network.recall is not None
    seen = jnp.array([1.0, -1.0, 0.5])
    once = network.recall(params, jnp.zeros(8), seen)
    twice = network.recall(params, once, seen)
    assert not np.allclose(once, twice)
    latent = network.represent(params, once)
    np.testing.assert_array_equal(latent, network.represent(params, once.at[:4].set(7.0)))
    assert not np.allclose(latent, network.represent(params, twice))
