"""Plan with a model of your own: balance a pendulum, whose torque is a continuous number.

A search needs two pure functions of ONE state, and any pytree can be a state.
Here both are written down; a network's `apply` fits in the same place.
"""

import jax
import jax.numpy as jnp

import smuzero
from smuzero.actions.distributions import FactoredCategorical

TORQUES = jnp.linspace(-2.0, 2.0, 21)  # The continuous action, cut into 21 bins.


def dynamics(state, action):
    """One step of 0.1 s: (next state, reward, discount). The angle 0 is upright."""
    velocity = state["velocity"] + 0.1 * (15.0 * jnp.sin(state["angle"]) + 3.0 * TORQUES[action[0]])
    angle = state["angle"] + 0.1 * velocity
    reward = jnp.exp(-10.0 * (angle + 0.25 * velocity) ** 2)
    return {"angle": angle, "velocity": velocity}, reward, jnp.float32(0.9)


def predict(state):
    """(policy logits, value): pushing back is a good idea, and nothing is known of the return."""
    guess = -8.0 * (state["angle"] + 0.25 * state["velocity"])
    return -0.5 * (TORQUES - jnp.clip(guess, -2.0, 2.0)) ** 2, jnp.float32(0.0)


model = smuzero.Model(FactoredCategorical(num_dims=1, num_choices=TORQUES.size), dynamics, predict)
settings = smuzero.SearchSettings(num_samples=20, num_simulations=100, noise_fraction=0.0)


@jax.jit
def best_action(key, states):
    """The most visited action `[B, 1]` for a batch of states, whose leaves are `[B]`."""
    result = smuzero.search(key, states, model, settings)
    best = jnp.argmax(result.visits, axis=-1)
    return result.action[jnp.arange(best.size), best]


if __name__ == "__main__":
    states = {"angle": jnp.array([-0.1, 0.0, 0.1]), "velocity": jnp.array([0.0, 0.0, 0.2])}
    actions = best_action(jax.random.key(0), states)
    print(TORQUES[actions[:, 0]])  # Each pushes back: about 1, 0 and -2.
