"""The LSTM between input block and tower."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smuzero.actions.distributions import FactoredCategorical
from smuzero.networks.model import make_network
from smuzero.networks.recurrent import Memory, Recollection
from smuzero.networks.settings import NetworkSettings

WIDTH = 3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("skip", [False, True])
def test_memory_is_the_equations_of_an_lstm_whose_forget_gate_starts_open(skip):
    embed = nnx.Linear(2, WIDTH, rngs=nnx.Rngs(0))
    memory = Memory(embed, WIDTH, skip=skip, rngs=nnx.Rngs(1))
    draw = np.random.default_rng(0)
    cell, output, observation = draw.normal(size=WIDTH), draw.normal(size=WIDTH), draw.normal(size=2)
    # What was embedded before is nothing that the LSTM goes on from.
    before = [cell, output, draw.normal(size=WIDTH)] if skip else [cell, output]
    x = np.asarray(embed(jnp.asarray(observation, jnp.float32)), np.float64)
    w, u = np.asarray(memory.cell.dense_i.kernel[...]), np.asarray(memory.cell.dense_h.kernel[...])
    i, f, g, o = np.split(x @ w + output @ u, 4)
    new_cell = sigmoid(f + 1.0) * cell + sigmoid(i) * np.tanh(g)
    said = sigmoid(o) * np.tanh(new_cell)
    found = memory(jnp.asarray(np.concatenate(before), jnp.float32), jnp.asarray(observation, jnp.float32))
    np.testing.assert_allclose(found, np.concatenate([new_cell, said, x] if skip else [new_cell, said]), 1e-5, 1e-6)
    read = Recollection(skip=skip)(found)
    np.testing.assert_allclose(read, said + x if skip else said, rtol=1e-5, atol=1e-6)


def test_skip_is_a_setting_of_the_network_that_adds_no_parameters():
    policy = FactoredCategorical(num_dims=1, num_choices=3)
    plain, skipping = (
        make_network(NetworkSettings(width=WIDTH, num_blocks=0, lstm=True, lstm_skip=skip), (2,), policy)
        for skip in (False, True)
    )
    params = plain.init(jax.random.key(0))
    assert plain.recall is not None and skipping.recall is not None
    seen = jnp.ones(2)
    without = plain.recall(params, jnp.zeros(plain.memory_size), seen)
    with_skip = skipping.recall(params, jnp.zeros(skipping.memory_size), seen)
    np.testing.assert_array_equal(without, with_skip[: 2 * WIDTH])
    assert not np.allclose(plain.represent(params, without), skipping.represent(params, with_skip))
