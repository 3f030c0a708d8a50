"""The convolutional network: what it sees of an action, what it keeps of the board."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smuzero.actions.distributions import FactoredCategorical
from smuzero.networks.boards import action_planes, make_board_network
from smuzero.networks.convolutions import ConvolutionalBlock, PlaneHead
from smuzero.networks.settings import NetworkSettings

SETTINGS = NetworkSettings(width=4, num_blocks=1, value_bins=3, value_range=(-1.0, 1.0), reward_bins=3)


def one_hot(action, n):
    return jnp.zeros(n).at[action].set(1.0)


def test_a_move_is_a_one_on_its_point_and_a_pass_is_zeros():
    planes = action_planes(one_hot(7, 26), (5, 5))
    assert planes.shape == (5, 5, 1) and planes[1, 2, 0] == 1.0 and planes.sum() == 1.0
    assert not action_planes(one_hot(25, 26), (5, 5)).any()


def test_a_move_of_connect_four_is_its_column():
    planes = action_planes(one_hot(3, 7), (6, 7))
    np.testing.assert_array_equal(planes[..., 0], np.tile(np.arange(7) == 3, (6, 1)))


def test_several_moves_of_one_point_are_planes_of_that_point():
    planes = action_planes(one_hot(73 * 10 + 5, 4672), (8, 8))
    assert planes.shape == (8, 8, 73) and planes[1, 2, 5] == 1.0


def test_latents_keep_the_board_and_outputs_have_the_sizes_asked_for():
    policy = FactoredCategorical(1, 26)
    network = make_board_network(SETTINGS, (5, 5, 17), policy)
    params = network.init(jax.random.key(0))
    latent = jax.jit(network.represent)(params, jnp.zeros((5, 5, 17), jnp.uint8).at[1, 1, 0].set(1))
    assert latent.shape == (5, 5, 4)
    assert latent.min() == 0.0 and latent.max() == pytest.approx(1.0)
    dynamics = jax.jit(network.dynamics)
    after, reward = dynamics(params, latent, jnp.array([7]))
    logits, value = jax.jit(network.predict)(params, after)
    assert (after.shape, reward.shape, logits.shape, value.shape) == ((5, 5, 4), (3,), (26,), (3,))
    assert not logits.any() and not value.any(), "before learning the policy is uniform"
    other = dynamics(params, latent, jnp.array([25]))[0]
    assert not np.allclose(after, other)


def test_a_batch_says_of_each_example_what_it_says_alone():
    network = make_board_network(SETTINGS, (3, 3, 2), FactoredCategorical(1, 9))
    params = network.init(jax.random.key(0))
    boards = jax.random.bernoulli(jax.random.key(1), 0.5, (4, 3, 3, 2)).astype(jnp.uint8)
    together = jax.jit(jax.vmap(network.represent, in_axes=(None, 0)))(params, boards)
    np.testing.assert_allclose(together[2], jax.jit(network.represent)(params, boards[2]), atol=1e-5)


def test_a_block_is_two_normalised_convolutions_around_a_skip():
    block = ConvolutionalBlock(2, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (3, 4, 2))

    def layer(x, norm, convolution):
        x = np.asarray(x, np.float64)
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-6) * np.asarray(norm.scale[...]) + np.asarray(norm.bias[...])
        x = np.pad(np.maximum(x, 0.0), ((1, 1), (1, 1), (0, 0)))
        kernel = np.asarray(convolution.kernel[...])
        rows = [
            [np.einsum("ijc,ijcd->d", x[i : i + 3, j : j + 3], kernel) for j in range(x.shape[1] - 2)]
            for i in range(x.shape[0] - 2)
        ]
        return np.array(rows) + np.asarray(convolution.bias[...])

    expected = np.asarray(x) + layer(layer(x, block.norm_1, block.convolution_1), block.norm_2, block.convolution_2)
    np.testing.assert_allclose(block(x), expected, atol=1e-4)


def test_a_head_starts_at_zero_with_and_without_a_layer_between():
    for hidden in (0, 5):
        head = PlaneHead((2, 3), 4, 7, head_planes=2, hidden=hidden, rngs=nnx.Rngs(0))
        assert head(jnp.ones((2, 3, 4))).shape == (7,) and not head(jnp.ones((2, 3, 4))).any()
