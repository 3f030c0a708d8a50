import jax
import pytest


@pytest.fixture(autouse=True)
def ordinary_promotion():
    """Optax mixes dtypes, which the strict promotion of these tests refuses."""
    with jax.numpy_dtype_promotion("standard"):
        yield
