"""Products in bfloat16: what is rounded, and what is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smuzero.actions.distributions import make_policy
from smuzero.actions.spaces import BinnedBox
from smuzero.networks.model import make_network
from smuzero.networks.pixels import make_pixel_network
from smuzero.networks.precision import bfloat16_products, set_bfloat16_products
from smuzero.networks.settings import NetworkSettings

KEY = jax.random.key(0)
POLICY = make_policy(BinnedBox((-1.0,) * 2, (1.0,) * 2, (2,)))


def rounded(x):
    return np.asarray(jnp.asarray(x).astype(jnp.bfloat16).astype(jnp.float32), np.float64)


def test_factors_are_rounded_and_sums_are_not():
    left, right = np.random.default_rng(0).normal(size=(2, 64, 64)).astype(np.float32)
    product = bfloat16_products(jnp.asarray(left), jnp.asarray(right), (((1,), (0,)), ((), ())))
    assert product.dtype == jnp.float32
    np.testing.assert_allclose(product, rounded(left) @ rounded(right), rtol=1e-4, atol=1e-4)
    assert np.abs(product - left @ right).max() > 1e-2


def test_every_linear_layer_within_a_module_is_set_and_adds_its_bias_unrounded():
    class Pair(nnx.Module):
        def __init__(self, rngs):
            self.layers = nnx.List([nnx.Linear(8, 8, rngs=rngs), nnx.Linear(8, 4, rngs=rngs)])

    pair = Pair(nnx.Rngs(0))
    set_bfloat16_products(pair)
    for layer in pair.layers:
        assert layer.bias is not None
        layer.bias[...] = jnp.full(layer.bias.shape, 1.001)
        x = jax.random.normal(jax.random.key(1), (8,))
        expected = rounded(x) @ rounded(layer.kernel[...]) + np.float32(1.001)
        np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_linear_layers_that_read_planes_are_rounded_too():
    def value_logits(precision):
        settings = NetworkSettings(8, 0, picture_blocks=(0, 0, 0), matmul_precision=precision)
        network = make_pixel_network(settings, (16, 16, 3), POLICY)
        assert network.matmul_precision == precision
        params = jax.tree.map(lambda x: x + 0.1 * jnp.sin(jnp.arange(x.size)).reshape(x.shape), network.init(KEY))
        return np.asarray(network.predict(params, jax.random.normal(KEY, (1, 1, 8)))[1])

    fine, coarse = value_logits("float32"), value_logits("bfloat16")
    assert 0 < np.abs(fine - coarse).max() < 0.03 * np.abs(fine).max()


@pytest.mark.parametrize("action_input", ["one_hot", "coordinates"])
def test_a_network_differs_by_rounding_only_and_has_the_same_parameters(action_input):
    def outputs(precision):
        settings = NetworkSettings(32, 1, action_input=action_input, matmul_precision=precision)
        network = make_network(settings, (5,), POLICY)
        params = network.init(KEY)
        latent = network.represent(params, jnp.linspace(-1.0, 1.0, 5))
        following, _ = network.dynamics(params, latent, jnp.array([1, 0]))
        return params, np.stack([latent, following])

    plain, fine = outputs("float32")
    same, coarse = outputs("bfloat16")
    jax.tree.map(np.testing.assert_array_equal, plain, same)
    assert coarse.dtype == np.float32
    assert 0 < np.abs(fine - coarse).max() < 0.03 * np.abs(fine).max()
