import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smuzero.operators.roots import reciprocal_root

root_jit = jax.jit(reciprocal_root)
SIZE = 8


def test_root_of_one_term_is_its_weight():
    assert float(reciprocal_root(jnp.array([0.3, 0.0]), jnp.array([0.0, 5.0]))) == np.float32(0.3)


def test_root_of_a_quadratic_is_worked_by_hand():
    # 1/z + 2/(z + 2) = 1 is z² − z − 2 = 0.
    root = float(reciprocal_root(jnp.array([1.0, 2.0]), jnp.array([0.0, 2.0])))
    assert root == pytest.approx(2.0, rel=1.2e-7)  # the nearest floats


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=200, deadline=None)
@given(exponents=st.lists(st.tuples(st.floats(-30, 2), st.floats(-30, 30)), min_size=SIZE, max_size=SIZE))
def test_residual_is_at_machine_precision_over_thirty_orders_of_magnitude(dtype, exponents):
    weight = np.array([10.0**w for w, _ in exponents], dtype)
    deficit = np.array([0.0, *(10.0**d for _, d in exponents[1:])], dtype)
    with jax.enable_x64(dtype is np.float64):
        z = np.asarray(root_jit(jnp.asarray(weight), jnp.asarray(deficit)))
    assert z.dtype == dtype
    weight, deficit, z = weight.astype(np.longdouble), deficit.astype(np.longdouble), z.astype(np.longdouble)
    # |d log Σ / d log z| ≤ 1, so a z right to its last bit leaves as much; beside it, the rounding of K + 2 sums.
    assert abs(np.sum(weight / (z + deficit)) - 1) <= (SIZE + 2) * np.finfo(dtype).eps


def test_without_weight_the_answer_is_finite():
    assert np.isfinite(reciprocal_root(jnp.zeros(3), jnp.zeros(3)))
