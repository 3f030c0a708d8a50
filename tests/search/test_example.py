"""docs/examples/own_model.py: a user's own model with a continuous action."""

import functools
import itertools
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "own_model.py"


@functools.cache
def example() -> dict:
    return runpy.run_path(str(EXAMPLE))


def pendulums() -> dict[str, jax.Array]:
    angle, velocity = np.meshgrid([-0.12, -0.05, 0.0, 0.1], [-0.4, -0.1, 0.0, 0.2])
    return {"angle": jnp.asarray(angle.ravel(), jnp.float32), "velocity": jnp.asarray(velocity.ravel(), jnp.float32)}


def rewards(act, steps: int) -> np.ndarray:
    """[steps, B] when `act` chooses the actions."""
    step, states, found = jax.jit(jax.vmap(example()["dynamics"])), pendulums(), []
    for t in range(steps):
        states, reward, _ = step(states, act(jax.random.key(t), states))
        found.append(reward)
    return np.stack(found)


def test_example_runs_as_a_script(capsys):
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert capsys.readouterr().out.startswith("[")


def test_planned_torques_keep_every_pendulum_upright_and_no_torque_does_not():
    planned = rewards(example()["best_action"], 40)
    none = rewards(lambda key, states: jnp.full((16, 1), 10), 40)
    assert planned[-20:].min() > 0.7
    assert none[-20:].mean() < 0.4


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planned_torques_are_nearly_as_good_as_the_best_of_all_three_step_plans(seed):
    """A torque is worth the best plan that begins with it; losses are relative to the range over torques."""
    dynamics = example()["dynamics"]
    plans = jnp.asarray(list(itertools.product(range(21), repeat=3)), jnp.int32)

    def plan_return(state, plan):
        total, weight = 0.0, 1.0
        for k in range(3):
            state, reward, discount = dynamics(state, plan[k][None])
            total, weight = total + weight * reward, weight * discount
        return total

    every = jax.jit(jax.vmap(jax.vmap(plan_return, (None, 0)), (0, None)))(pendulums(), plans)
    best = np.asarray(every).reshape(16, 21, -1).max(axis=2)
    chosen = np.asarray(example()["best_action"](jax.random.key(seed), pendulums()))[:, 0]
    lost = (best.max(axis=1) - best[np.arange(16), chosen]) / (best.max(axis=1) - best.min(axis=1))
    assert lost.mean() < 0.05
    assert lost.max() < 0.2
