import hypothesis
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from smuzero.operators.returns import n_step_returns


def naive_returns(reward, factor, bootstrap):
    n = len(reward) - len(bootstrap) + 1
    returns = []
    for k in range(len(bootstrap)):
        total, product = 0.0, 1.0
        for i in range(n):
            total += product * reward[k + i]
            product *= factor[k + i]
        returns.append(total + product * bootstrap[k])
    return returns


@hypothesis.settings(deadline=None)
@hypothesis.given(strategies.data(), strategies.integers(1, 4), strategies.integers(1, 4))
def test_returns_agree_with_a_plain_loop(data, count, n):
    def numbers(length, low, high):
        return data.draw(arrays.arrays(np.float32, length, elements=strategies.floats(low, high, width=32)))

    steps = count - 1 + n
    reward, factor, bootstrap = numbers(steps, -2, 2), numbers(steps, 0, 1), numbers(count, -100, 100)
    returns = n_step_returns(jnp.asarray(reward), jnp.asarray(factor), jnp.asarray(bootstrap))
    np.testing.assert_allclose(returns, naive_returns(reward, factor, bootstrap), rtol=1e-5, atol=1e-5)


def test_nothing_passes_a_termination():
    returns = n_step_returns(jnp.array([1.0, 2.0, 4.0]), jnp.array([0.5, 0.0, 0.5]), jnp.array([100.0, 100.0]))
    np.testing.assert_allclose(returns, [1 + 0.5 * 2, 2])


def test_a_factor_of_one_carries_the_final_value_back_unchanged():
    returns = n_step_returns(jnp.array([1.0, 0.0, 0.0]), jnp.array([0.5, 1.0, 1.0]), jnp.array([8.0]))
    np.testing.assert_allclose(returns, [1 + 0.5 * 8])
