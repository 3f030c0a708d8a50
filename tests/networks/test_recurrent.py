"""The LSTM between input block and tower."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smuzero.actions.distributions import FactoredCategorical
from smuzero.networks.model import NetworkSettings, make_network
from smuzero.networks.recurrent import Memory

WIDTH = 3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("skip", [False, True])
def test_memory_is_the_equations_of_an_lstm_whose_forget_gate_starts_open(skip):
    embed = nnx.Linear(2, WIDTH, rngs=nnx.Rngs(0))
    memory = Memory(embed, WIDTH, skip=skip, rngs=nnx.Rngs(1))
    draw = np.random.default_rng(0)
    scale = draw.normal(size=WIDTH)
    if memory.scale is not None:
        assert not memory.scale[...].any(), "the embedding alone at first"
        memory.scale[...] = jnp.asarray(scale, jnp.float32)
    cell, output, observation = draw.normal(size=WIDTH), draw.normal(size=WIDTH), draw.normal(size=2)
    x = np.asarray(embed(jnp.asarray(observation, jnp.float32)), np.float64)
    w, u = np.asarray(memory.cell.dense_i.kernel[...]), np.asarray(memory.cell.dense_h.kernel[...])
    i, f, g, o = np.split(x @ w + output @ u, 4)
    new_cell = sigmoid(f + 1.0) * cell + sigmoid(i) * np.tanh(g)
    said = sigmoid(o) * np.tanh(new_cell)
    said = x + scale * said if skip else said
    found = memory(jnp.asarray(np.concatenate([cell, output]), jnp.float32), jnp.asarray(observation, jnp.float32))
    np.testing.assert_allclose(found, np.concatenate([new_cell, said]), rtol=1e-5, atol=1e-6)


def test_skip_is_a_setting_that_adds_a_weight_for_every_unit():
    policy = FactoredCategorical(num_dims=1, num_choices=3)
    sizes = []
    for skip in (False, True):
        network = make_network(NetworkSettings(width=WIDTH, num_blocks=0, lstm=True, lstm_skip=skip), (2,), policy)
        params = network.init(jax.random.key(0))
        assert network.recall is not None
        assert network.recall(params, jnp.zeros(network.memory_size), jnp.ones(2)).shape == (2 * WIDTH,)
        sizes.append(sum(leaf.size for leaf in jax.tree.leaves(params)))
    assert sizes[1] - sizes[0] == WIDTH
