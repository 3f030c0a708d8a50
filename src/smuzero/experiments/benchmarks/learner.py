"""Updates per second of the learner, the fresh searches in them, and its share of the processor's matrix products.

The peak is measured in the same run: the best of several products of two large
matrices. An update's floating-point operations are XLA's own count of the
program before optimisation, so elementwise work is in it (a few percent for
the paper's network, more for small ones).
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from smuzero.actions.distributions import make_policy
from smuzero.actions.spaces import ActionSpace, BinnedBox
from smuzero.agent.compilation import compiler_options
from smuzero.agent.learner import init_learner
from smuzero.experiments import build, presets
from smuzero.experiments.config import Config
from smuzero.networks.precision import bfloat16_products
from smuzero.search.expand import num_slots
from smuzero.types import Windows

OBSERVATION_SHAPE = (24,)
"""As walker.walk has it,"""
SPACE = BinnedBox((-1.0,) * 6, (1.0,) * 6, (6,))
"""and its actions."""
PEAK_SIZE = 2048
"""Rows and columns of the product that measures the peak."""


def measure(names: tuple[str, ...] = tuple(presets.PRESETS), seconds: float = 3.0) -> list[dict[str, Any]]:
    """One cell for each preset, timed for about `seconds` each."""
    peak = matmul_flops_per_second()
    return [cell(name, presets.compose(name, "dmc:walker.walk"), peak, seconds) for name in names]


def cell(name: str, config: Config, peak: float, seconds: float) -> dict[str, Any]:
    """What one preset's learner reaches; `peak` in operations per second."""
    policy, network = build.build_network(config, OBSERVATION_SHAPE, SPACE)
    state = init_learner(network, config.learner, jax.random.key(0))
    windows = random_windows(config, OBSERVATION_SHAPE, SPACE)
    update = build.build_update(config, policy, network)
    lowered = update.lower(state, windows)  # pyright: ignore[reportFunctionMemberAccess]
    flops = float(lowered.cost_analysis()["flops"])
    state, *_ = jax.block_until_ready(update(state, windows))
    updates, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds or updates == 0:
        state, *_ = jax.block_until_ready(update(state, windows))
        updates += 1
    return {
        "preset": name,
        "network": f"{config.network.width}x{config.network.num_blocks}",
        "batch": config.learner.batch_size,
        "updates_per_second": updates / passed,
        "searches_per_second": config.reanalyse.num_searches(config.learner.batch_size, config.learner.unroll)
        * (updates / passed),
        "gflop_per_update": flops / 1e9,
        "peak_gflop_per_second": peak / 1e9,
        "share_of_peak": flops * updates / passed / peak,
    }


def matmul_flops_per_second(size: int = PEAK_SIZE, tries: int = 8, precision: str = "float32") -> float:
    """Operations per second of the fastest of several products of two square matrices, as a network multiplies them."""
    left, right = jax.random.normal(jax.random.key(0), (2, size, size))
    multiply = jnp.matmul if precision == "float32" else in_bfloat16
    product = jax.jit(multiply, compiler_options=compiler_options(precision))
    product(left, right).block_until_ready()
    best = min(_seconds(lambda: product(left, right).block_until_ready()) for _ in range(tries))
    return 2.0 * size**3 / best


def in_bfloat16(left: jax.Array, right: jax.Array) -> jax.Array:
    """The product of two matrices as `network.matmul_precision bfloat16` has it."""
    return bfloat16_products(left, right, (((1,), (0,)), ((), ())))


def random_windows(config: Config, observation_shape: tuple[int, ...], space: ActionSpace) -> Windows:
    """A full batch of made-up windows in the shapes a replay gives."""
    policy = make_policy(space)
    random, sizes = np.random.default_rng(0), config.learner
    batch, unroll, n_step, samples = sizes.batch_size, sizes.unroll, sizes.n_step, num_slots(policy, config.search)
    numbers = random.random((batch, unroll + 1, policy.num_uniforms, samples), np.float32)
    draw = jax.vmap(jax.vmap(policy.sample_words, in_axes=(None, 0)), in_axes=(None, 0))
    words = np.asarray(jnp.swapaxes(jax.jit(draw)(jnp.zeros(policy.num_logits), numbers), -1, -2))
    visits = random.multinomial(config.search.num_simulations, np.full(samples, 1 / samples), (batch, unroll + 1))
    return Windows(
        observation=random.normal(size=(batch, unroll + n_step + 1, *observation_shape)).astype(np.float32),
        action=np.asarray(policy.unpack(jnp.asarray(words[:, :unroll, 0]))),
        later_action=np.asarray(policy.unpack(jnp.asarray(words[:, np.arange(n_step) % unroll, -1]))),
        reward=random.random((batch, unroll + n_step), np.float32),
        discount=np.ones((batch, unroll + n_step), np.float32),
        is_step=np.ones((batch, unroll + n_step + 1), np.bool_),
        is_terminal=np.zeros(batch, np.bool_),
        words=words,
        visits=visits.astype(np.float32),
        root_value=random.normal(size=(batch, unroll + 1)).astype(np.float32),
        weight=np.ones(batch, np.float32),
        index=np.arange(batch),
    )


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
