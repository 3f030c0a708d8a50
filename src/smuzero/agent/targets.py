"""What the learner's predictions are compared with, made from a window of stored steps.

Appendix A: n-step returns bootstrapped from a target network, and the root's
visits. Where a sequence ends inside a window, the steps after it are absorbing
if the episode truly ended: reward 0 and value 0 whatever is done (MuZero).
After a time limit nothing is known about them and they are masked; returns
reaching past it are cut short and bootstrapped from the final observation.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from smuzero.networks.network import Network, Params
from smuzero.operators.returns import n_step_returns
from smuzero.types import Windows


class Targets(NamedTuple):
    """Targets for the root (step 0) and U unrolled steps of one window, with weight 0 where nothing is known."""

    policy: Float[Array, "U+1 K"]
    """Visits of the root's K sampled actions, normalised; 0 where masked."""
    policy_mask: Float[Array, " U+1"]
    value: Float[Array, " U+1"]
    """Environment units."""
    value_mask: Float[Array, " U+1"]
    reward: Float[Array, " U"]
    """Reward k follows action k, and so is predicted with latent k + 1."""
    reward_mask: Float[Array, " U"]
    latent_mask: Float[Array, " U"]
    """1 where a real observation followed action k."""
    latent: Any = None
    """Pytree of `[U, ...]`: the target network's states for the observations after each action; None if not used."""
    sketch: Float[Array, "U+1 size"] | None = None
    """What was observed at each step, as the network is to say it; None if not used."""
    sketch_weight: Float[Array, ""] | None = None
    """What an error of the sketch counts."""


def value_of(network: Network, params: Params, latent: Any) -> Float[Array, ""]:
    """The network's value of one latent state, in environment units."""
    _, value_logits = network.predict(params, latent)
    return network.value_support.decode(value_logits)


def return_factors(window: Windows, discount: float) -> Float[Array, " T"]:
    """The factors f of `n_step_returns` for all T rows of a window: γ·discount at a stored step, 1 past the end."""
    return jnp.where(jnp.asarray(window.is_step)[:-1], discount * jnp.asarray(window.discount), 1.0)


def bootstrap_values(network: Network, target_params: Params, window: Windows) -> Float[Array, " S"]:
    """The target network's values n steps after each of the window's S = U + 1 steps."""
    num_steps = window.visits.shape[0]

    def value(observation: Array) -> Array:
        return value_of(network, target_params, network.represent(target_params, observation))

    return jax.vmap(value)(jnp.asarray(window.observation)[-num_steps:])


def latent_targets(network: Network, target_params: Params, window: Windows) -> Any:
    """The target network's states for the observations that followed the window's U actions."""
    num_unroll = window.action.shape[0]
    return jax.vmap(network.represent, in_axes=(None, 0))(
        target_params, jnp.asarray(window.observation[1 : num_unroll + 1])
    )


def make_targets(window: Windows, bootstrap: Float[Array, " S"], discount: float) -> Targets:
    """The targets of one window (no batch axis), given the values n steps after each of its S = U + 1 steps.

        z_k = Σ_{i<n} (Π_{j<i} f_{k+j}) r_{k+i} + (Π_{j<n} f_{k+j}) v_{k+n}

    with f = γ·discount at a stored step and 1 past the sequence's end, where
    rewards are 0 and observations repeat the final one.
    """
    num_steps = window.visits.shape[0]
    reward, is_step = jnp.asarray(window.reward), jnp.asarray(window.is_step)
    factor = return_factors(window, discount)
    value = n_step_returns(reward, factor, bootstrap)

    is_step = is_step[:num_steps]
    is_known = is_step | window.is_terminal
    visits = jnp.asarray(window.visits, jnp.float32)
    # At least 1: masked steps, whose visits are all 0, must not divide by 0.
    total = jnp.maximum(jnp.sum(visits, axis=-1, keepdims=True), 1.0)
    return Targets(
        policy=visits / total,
        policy_mask=is_step.astype(jnp.float32),
        value=jnp.where(is_step, value, 0.0),
        value_mask=is_known.astype(jnp.float32),
        reward=reward[: num_steps - 1],
        reward_mask=is_known[:-1].astype(jnp.float32),
        latent_mask=is_step[:-1].astype(jnp.float32),
    )


def averaged_targets(
    network: Network, target_params: Params, window: Windows, discount: float, num_bootstraps: int
) -> Targets:
    """The targets of a window whose returns are bootstrapped from several consecutive states (Appendix B: four).

    The mean of the target network's values at the indices n … n + m − 1, each
    seen from the player to move at index n. The window holds m − 1 rows more than
    `make_targets` needs.

    # Paper: silent on a game that ends among the m states. Here: each value travels back to index n by what was
    # stored in between, so that such an end counts as what it was; without one this is the plain mean.
    """
    num_steps, extra = window.visits.shape[0], num_bootstraps - 1

    def value(observation: Array) -> Array:
        return value_of(network, target_params, network.represent(target_params, observation))

    values = jax.vmap(value)(jnp.asarray(window.observation)[-(num_steps + extra) :])
    num_rows = window.reward.shape[0] - extra
    n_step = num_rows - num_steps + 1
    reward = jnp.asarray(window.reward)
    factor = return_factors(window, discount)
    bootstraps = [
        n_step_returns(
            reward[n_step : n_step + num_steps - 1 + later],
            factor[n_step : n_step + num_steps - 1 + later],
            values[later : later + num_steps],
        )
        for later in range(num_bootstraps)
    ]
    near = window._replace(
        reward=window.reward[:num_rows], discount=window.discount[:num_rows], is_step=window.is_step[: num_rows + 1]
    )
    return make_targets(near, jnp.mean(jnp.stack(bootstraps), axis=0), discount)
