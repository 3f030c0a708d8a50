"""What the model gets wrong of stored steps, in units of value.

A value that is made of imagined steps has the model's errors in it, and targets
made of such values add them up: a state in which nothing is ever paid can be
worth much if imagined ones drift to where something is. Along an action that was
taken the error is known, for what followed was met; to add it is the control
variate of a doubly robust estimate (Jiang and Li 2016, without importance
weights). Sampled MuZero has no such part.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from smuzero.agent.targets import return_factors, value_of
from smuzero.networks.network import Network, Params
from smuzero.operators.returns import n_step_returns
from smuzero.types import Windows


def model_errors(
    network: Network, params: Params, windows: Windows, num_steps: int, lookahead: int, discount: float
) -> Float[Array, "B V"]:
    """What was met less what is imagined of the first V steps of every window, each along its next L stored actions.

        (Σ_{j<L} γ^j r_j + γ^L v(s_L)) − (Σ_{j<L} γ^j r̂_j + γ^L v(ŝ_L))

    s_L is the state that was met and ŝ_L the one imagined from s_0. Fewer steps than L (`lookahead`) where the sequence
    ends before; 0 past its end, of which nothing was met. v of a true end is 0. Windows must hold actions and
    observations for V (`num_steps`) + L − 1 steps. `discount` is the model's γ, negative where the turn passes, as a
    stored discount then is itself.
    """
    if windows.later_action is None:
        raise ValueError("The windows have no later_action, but what is met after the unroll's actions is needed.")
    needed, held = num_steps + lookahead - 1, windows.action.shape[1] + windows.later_action.shape[1]
    if not needed <= held:
        raise ValueError(f"{num_steps} steps and a lookahead of {lookahead} need {needed} actions, of {held}.")
    rows = np.add.outer(np.arange(num_steps), np.arange(lookahead))

    def expected(latent: Any, action: Num[Array, "L A"], is_step: Bool[Array, " L"]) -> Float[Array, ""]:
        """What the model expects from a latent on along these actions, of those that were taken."""
        total, weight = jnp.zeros(()), jnp.ones(())
        for j in range(lookahead):
            following, logits = network.dynamics(params, latent, action[j])
            total = total + jnp.where(is_step[j], weight * network.reward_support.decode(logits), 0.0)
            weight = jnp.where(is_step[j], weight * discount, weight)
            latent = jax.tree.map(functools.partial(jnp.where, is_step[j]), following, latent)
        return total + weight * value_of(network, params, latent)

    def errors(window: Windows) -> Float[Array, " V"]:
        is_step = jnp.asarray(window.is_step)
        action = jnp.concatenate([jnp.asarray(x) for x in (window.action, window.later_action)])
        met = jax.vmap(network.represent, in_axes=(None, 0))(params, jnp.asarray(window.observation)[: needed + 1])
        values = jax.vmap(value_of, in_axes=(None, None, 0))(
            network, params, jax.tree.map(lambda x: x[lookahead:], met)
        )
        factor = return_factors(window, abs(discount))
        followed = n_step_returns(jnp.asarray(window.reward)[:needed], factor[:needed], values)
        first = jax.tree.map(lambda x: x[:num_steps], met)
        return jnp.where(is_step[:num_steps], followed - jax.vmap(expected)(first, action[rows], is_step[rows]), 0.0)

    return jax.vmap(errors)(windows)
