"""What an update is compiled with."""

import jax
import jax.numpy as jnp

from smuzero.agent import compilation


def test_the_options_change_no_result():
    def loss(x):
        return jnp.sum(jax.nn.relu(x @ x + 1.0))

    x = jax.random.normal(jax.random.key(0), (64, 64))
    asked = jax.jit(jax.grad(loss), compiler_options=compilation.compiler_options())(x)
    assert jnp.allclose(asked, jax.grad(loss)(x), rtol=1e-4, atol=1e-3)


def test_an_xla_that_does_not_know_an_option_is_asked_for_nothing(monkeypatch):
    monkeypatch.setattr(compilation, "PLAIN_PRODUCTS", {"xla_cpu_no_such_option": ""})
    compilation.compiler_options.cache_clear()
    assert compilation.compiler_options() is None
    compilation.compiler_options.cache_clear()
