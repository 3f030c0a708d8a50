"""What an update is compiled with."""

import jax
import jax.numpy as jnp
import pytest

from smuzero.agent import compilation


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_options_change_no_result(precision):
    def loss(x):
        return jnp.sum(jax.nn.relu(x @ x + 1.0))

    x = jax.random.normal(jax.random.key(0), (64, 64))
    asked = jax.jit(jax.grad(loss), compiler_options=compilation.compiler_options(precision))(x)
    assert jnp.allclose(asked, jax.grad(loss)(x), rtol=1e-4, atol=1e-3)


def test_of_the_options_those_are_asked_for_that_this_xla_knows():
    some = {"xla_disable_hlo_passes": "tree_reduction_rewriter"}
    assert compilation.known({"xla_cpu_no_such_option": "", **some}) == some
    assert compilation.known({"xla_cpu_no_such_option": ""}) == {}
