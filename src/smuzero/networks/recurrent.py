"""The LSTM of the Real-World RL experiments (Section 6.4, Appendix A), between input block and tower.

What an LSTM makes of an observation is its memory afterwards, and that memory is all
that the tower reads. So a network with one takes two steps where others take one:

    recall: memory, observation -> memory        represent: memory -> latent

and whoever has the memories (acting, replay, learner) goes on as if they were the
observations. A memory is one vector, the LSTM's cell state and its output; it is 0
where an episode starts. With a skip, what the input block makes of the observation
stands behind them: the tower reads its sum with the output, the LSTM goes on from its output alone.

Paper: silent on the LSTM's size. Here: as many units as the tower is wide.
Paper: silent on its biases. Here: 1 at the forget gate and 0 elsewhere, as Haiku's (the paper's library): with 0, half
of what is remembered would be gone at every step before any learning.
"""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num, PRNGKeyArray


def remembering(key: PRNGKeyArray, shape: tuple[int], dtype: Any = jnp.float32) -> Float[Array, " gates"]:
    """First biases of the input, forget, cell and output gates, one after the other."""
    return jnp.zeros((4, shape[0] // 4), dtype).at[1].set(1.0).reshape(-1)


class Memory(nnx.Module):
    """What embeds an observation, then the LSTM; with `skip` the embedding is kept beside its output."""

    def __init__(self, embed: nnx.Module, width: int, *, skip: bool = False, rngs: nnx.Rngs):
        self.embed: Any = embed
        self.skip = skip
        self.cell = nnx.OptimizedLSTMCell(width, width, bias_init=remembering, rngs=rngs)

    def __call__(self, memory: Float[Array, " m"], observation: Num[Array, "..."]) -> Float[Array, " m"]:
        cell, output, *_ = jnp.split(memory, 3 if self.skip else 2)
        embedded = self.embed(observation)
        (cell, output), _ = self.cell((cell, output), embedded)
        return jnp.concatenate([cell, output, embedded] if self.skip else [cell, output])


class Recollection(nnx.Module):
    """What the tower reads: the LSTM's output, in the input block's place; with `skip`, its sum with the embedding."""

    def __init__(self, *, skip: bool = False):
        self.skip = skip

    def __call__(self, memory: Float[Array, " m"]) -> Float[Array, " width"]:
        _, output, *embedded = jnp.split(memory, 3 if self.skip else 2)
        return output + embedded[0] if embedded else output
