"""What the model gets wrong of stored steps, in units of value.

A value that is made of imagined steps has the model's errors in it, and targets
made of such values add them up: a state in which nothing is ever paid can be
worth much if imagined ones drift to where something is. Along an action that was
taken the error is known, for what followed was met; to add it is the control
variate of a doubly robust estimate (Jiang and Li 2016, without importance
weights). Sampled MuZero has no such part.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from smuzero.agent.targets import value_of
from smuzero.networks.model import Network, Params
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
    actions = jnp.concatenate([jnp.asarray(x) for x in (windows.action, windows.later_action)], axis=1)
    needed = num_steps + lookahead - 1
    if not needed <= actions.shape[1]:
        raise ValueError(
            f"{num_steps} steps and a lookahead of {lookahead} need {needed} actions, of {actions.shape[1]}."
        )

    values = jax.vmap(value_of, in_axes=(None, None, 0))

    def errors(observation: Array, action: Array, reward: Array, discounts: Array, is_step: Array) -> Array:
        met = jax.vmap(network.represent, in_axes=(None, 0))(params, observation[: needed + 1])
        met_values = values(network, params, met)
        imagined = jax.tree.map(lambda x: x[:num_steps], met)
        rewards, ends = [], []
        for j in range(lookahead):
            imagined, logits = jax.vmap(network.dynamics, in_axes=(None, 0, 0))(
                params, imagined, action[j : j + num_steps]
            )
            rewards.append(jax.vmap(network.reward_support.decode)(logits))
            ends.append(values(network, params, imagined))
        followed, expected = jnp.zeros(num_steps), jnp.zeros(num_steps)
        for j in reversed(range(lookahead)):
            here = slice(j, j + num_steps)
            goes_on = is_step[j + 1 : j + 1 + num_steps] & (j + 1 < lookahead)
            met_next = jnp.where(goes_on, followed, met_values[j + 1 : j + 1 + num_steps])
            followed = reward[here] + abs(discount) * discounts[here] * met_next
            expected = rewards[j] + discount * jnp.where(goes_on, expected, ends[j])
        return jnp.where(is_step[:num_steps], followed - expected, 0.0)

    return jax.vmap(errors)(
        jnp.asarray(windows.observation),
        actions,
        *(jnp.asarray(x) for x in (windows.reward, windows.discount, windows.is_step)),
    )
