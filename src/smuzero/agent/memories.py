"""What a network with an LSTM remembers at each step of a stored window (Appendix A).

The LSTM goes over the observations before a window's first, from the memory stored
there while acting, and on through the window: truncated backpropagation through
time, for 8 steps. The memories then stand in for the observations
(`smuzero.networks.recurrent`), so that losses, targets and searches need not know.

Paper: silent on which of the 8 steps are learned from. Here: the last, which is the
window's root; those before it give it a memory of the current parameters.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

from smuzero.networks.network import Network, Params
from smuzero.types import Windows


def recalled(
    network: Network,
    params: Params,
    memory: Float[Array, " m"],
    observation: Num[Array, "T ..."],
    is_new: Bool[Array, " T"],
) -> Float[Array, "T m"]:
    """The memory after each of T observations in turn; one that is not new leaves it as it was."""
    recall = network.recall
    assert recall is not None

    def step(memory: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        observation, is_new = row
        memory = jnp.where(is_new, recall(params, memory, observation), memory)
        return memory, memory

    return jax.lax.scan(step, memory, (observation, is_new))[1]


def with_memories(network: Network, params: Params, windows: Windows, num_rows: int | None = None) -> Windows:
    """The windows with memories in place of their first `num_rows` observations; all by default, the others go.

    Unchanged for a network without an LSTM. Past the end of a sequence the memory is that of its final
    observation.
    """
    if network.recall is None:
        return windows
    if windows.history is None:
        raise ValueError("The network has an LSTM, but the windows hold no memory: it is stored while acting.")
    history = windows.history.shape[1]

    def one(window: Windows) -> Array:
        rows = jnp.asarray(window.observation)[:num_rows]
        is_new = jnp.concatenate(
            [
                jnp.asarray(window.is_history),
                jnp.ones(1, jnp.bool_),
                jnp.asarray(window.is_step)[: rows.shape[0] - 1],
            ]
        )
        observation = jnp.concatenate([jnp.asarray(window.history), rows])
        return recalled(network, params, jnp.asarray(window.recurrent), observation, is_new)[history:]

    return windows._replace(observation=jax.vmap(one)(windows))
