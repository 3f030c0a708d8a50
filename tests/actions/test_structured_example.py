"""docs/examples/structured_actions.py: where a factored policy provably falls short."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from smuzero.actions.distributions import make_policy

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "structured_actions.py"


def test_only_couriers_who_tell_each_other_get_past_the_bound_of_independent_ones():
    example = runpy.run_path(str(EXAMPLE))
    # Optax mixes integers and floats.
    with jax.numpy_dtype_promotion("standard"):
        assert example["train"]("factored") <= 0.25
        assert example["train"]("autoregressive") > 0.65


def test_no_factored_policy_delivers_more_than_a_quarter():
    """The bound of the docstring, tried on a million pairs of distributions, sparse ones among them."""
    random = np.random.default_rng(0)
    pairs = random.dirichlet(np.full(4, 0.2), (500_000, 2))
    pairs = np.concatenate([pairs, random.dirichlet(np.full(4, 5.0), (500_000, 2))])
    each = pairs[:, 0] * pairs[:, 1]
    assert (each.sum(axis=1) - each.max(axis=1)).max() <= 0.25


def test_worth_of_the_best_policies_of_both_structures():
    example = runpy.run_path(str(EXAMPLE))
    factored, chained = (make_policy(example["SPACE"], kind) for kind in ("factored", "autoregressive"))
    two_doors = jnp.tile(jnp.array([0.0, 0.0, -50.0, -50.0]), 2)
    np.testing.assert_allclose(example["worth"](factored, two_doors), 0.25, rtol=1e-5)
    together = jnp.concatenate([jnp.zeros(8), 50.0 * jnp.eye(4).reshape(-1)])
    np.testing.assert_allclose(example["worth"](chained, together), 0.75, rtol=1e-5)
