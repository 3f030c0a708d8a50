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
    network: Network, params: Params, windows: Windows, num_steps: int, discount: float
) -> Float[Array, "B V"]:
    """(r + γ d v(s')) − (r̂ + γ v(ŝ')) of the first V steps of every window, along their stored actions.

    d is the stored discount, s' the state that was met and ŝ' the one imagined; 0 past the sequence's end, of which
    nothing was met. `num_steps` (V) is at most U, the actions that a window holds. `discount` is the model's γ,
    negative where the turn passes, as a stored d then is itself.
    """
    if not 0 < num_steps <= windows.action.shape[1]:
        raise ValueError(f"num_steps is {num_steps}, but must be 1 to {windows.action.shape[1]}, the window's actions.")

    values = jax.vmap(value_of, in_axes=(None, None, 0))

    def errors(observation: Array, action: Array, reward: Array, discounts: Array, is_step: Array) -> Array:
        latents = jax.vmap(network.represent, in_axes=(None, 0))(params, observation[: num_steps + 1])
        before, met = jax.tree.map(lambda x: x[:-1], latents), jax.tree.map(lambda x: x[1:], latents)
        imagined, logits = jax.vmap(network.dynamics, in_axes=(None, 0, 0))(params, before, action[:num_steps])
        expected = jax.vmap(network.reward_support.decode)(logits) + discount * values(network, params, imagined)
        followed = reward[:num_steps] + abs(discount) * discounts[:num_steps] * values(network, params, met)
        return jnp.where(is_step[:num_steps], followed - expected, 0.0)

    fields = (windows.observation, windows.action, windows.reward, windows.discount, windows.is_step)
    return jax.vmap(errors)(*map(jnp.asarray, fields))
