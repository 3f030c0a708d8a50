"""The search's benchmark, on networks small enough to be timed in a test."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import FactoredCategorical
from smuzero.experiments.benchmarks import mctx_search
from smuzero.experiments.benchmarks import search as bench
from smuzero.search.plan import Model
from smuzero.search.settings import SearchSettings

QUICK = SearchSettings(num_samples=4, num_simulations=6)
TINY = (16, 1)


def counting_model(calls: list[str]) -> Model:
    """A model that notes each of its calls when one is run; actions move a state, states are worth themselves."""

    def dynamics(state, action):
        after = state + action[0].astype(jnp.float32)
        jax.debug.callback(lambda _: calls.append("dynamics"), after)
        return after, jnp.float32(0.5), jnp.float32(0.9)

    def predict(state):
        jax.debug.callback(lambda _: calls.append("predict"), state)
        return jnp.zeros(bench.BINS), state

    return Model(FactoredCategorical(1, bench.BINS), dynamics, predict)


def test_a_cell_names_its_sizes_and_compares_its_programs():
    (cell,) = bench.measure([TINY], [2], [3], QUICK, seconds=0.0)
    assert (cell["network"], cell["batch"], cell["action_dims"], cell["note"]) == ("16x1", 2, 3, "")
    assert cell["over_net"] == cell["search_ms"] / cell["net_only_ms"] > 0
    assert cell["over_mctx"] == cell["mctx_ms"] / cell["search_ms"] > 0
    assert cell["over_mctx_fast_draws"] > 0


def test_every_combination_asked_for_is_a_cell():
    cells = bench.measure([TINY], [1, 2], [1, 2], QUICK, seconds=0.0, with_mctx=False)
    assert [(cell["action_dims"], cell["batch"]) for cell in cells] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_every_option_is_timed_beside_the_search_without_any():
    cells = bench.measure_options([TINY], [1], [2], QUICK, seconds=0.0)
    assert [cell["option"] for cell in cells] == ["none", *bench.OPTIONS]
    assert cells[0]["over_none"] == 1.0
    assert all(cell["over_net"] > 0 and cell["search_ms"] > 0 for cell in cells)


def test_every_head_is_timed_against_the_calls_of_its_own_network():
    cells = bench.measure_heads([TINY], [1], [1, 2], QUICK, seconds=0.0)
    found = [(cell["action_dims"], cell["head"]) for cell in cells]
    assert found == [(dims, head) for dims in (1, 2) for head in bench.HEADS]
    assert all(cell["over_net"] == cell["search_ms"] / cell["net_only_ms"] for cell in cells)


def test_without_mctx_its_time_is_none_and_a_note_says_why(monkeypatch):
    monkeypatch.setattr(mctx_search, "is_installed", lambda: False)
    (cell,) = bench.measure([TINY], [1], [1], QUICK, seconds=0.0)
    assert cell["mctx_ms"] is None and cell["over_mctx"] is None and cell["over_mctx_fast_draws"] is None
    assert "not installed" in cell["note"]


def test_net_only_makes_the_calls_of_the_search():
    root, batch = jnp.zeros((3,)), 3
    calls: dict[str, list[str]] = {"search": [], "net_only": []}
    jax.block_until_ready(bench.search(jax.random.key(0), root, counting_model(calls["search"]), QUICK).value)
    jax.block_until_ready(bench.net_only(jax.random.key(0), root, counting_model(calls["net_only"]), QUICK))
    jax.effects_barrier()
    assert sorted(calls["search"]) == sorted(calls["net_only"])
    assert calls["search"].count("dynamics") == batch * (QUICK.num_samples + QUICK.num_simulations)


@pytest.mark.parametrize("fast_draws", [False, True])
def test_mctx_spends_every_simulation_on_drawn_actions(fast_draws):
    policy = FactoredCategorical(2, bench.BINS)

    def dynamics(state, action):
        return state + jnp.sum(action).astype(jnp.float32), jnp.float32(0.1), jnp.float32(0.9)

    model = Model(policy, dynamics, lambda state: (jnp.full(policy.num_logits, 0.1) * state, jnp.tanh(state)))
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        visits = mctx_search.search(jax.random.key(0), jnp.arange(3.0), model, QUICK, fast_draws)
    assert visits.shape == (3, QUICK.num_samples)
    np.testing.assert_array_equal(visits.sum(axis=1), QUICK.num_simulations)


def test_plain_draws_for_mctx_are_merged_with_their_frequency_as_prior():
    policy, logits = FactoredCategorical(2, 3), jnp.zeros((4, 6))
    log_prior, actions = mctx_search.plain_slots(jax.random.key(0), logits, policy, QUICK)
    for row, drawn in zip(np.exp(np.asarray(log_prior)), np.asarray(actions).tolist(), strict=True):
        for slot, action in enumerate(drawn):
            expected = drawn.count(action) / QUICK.num_samples if drawn.index(action) == slot else 0.0
            np.testing.assert_allclose(row[slot], expected, rtol=1e-6)


def test_lively_parameters_tell_fresh_heads_apart():
    params = {"head": jnp.zeros((4, 3)), "bias": jnp.zeros(3)}
    changed = bench.lively(params, jax.random.key(0))
    assert np.all(changed["head"] != 0) and np.all(changed["bias"] == 0)


@pytest.mark.parametrize(("dims", "most"), [(1, 0.2), (6, 0.2), (21, 0.2)])
def test_tree_of_the_papers_network_takes_a_fifth_more_than_its_latents(dims, most):
    found = bench.memory_per_row(jnp.zeros((8, 512)), FactoredCategorical(dims, bench.BINS), SearchSettings())
    assert 1.0 < found["tree_over_latents"] <= 1.0 + most
    assert found["tree_kib"] > 51 * 512 * 4 / 1024
