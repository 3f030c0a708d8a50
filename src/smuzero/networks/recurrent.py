"""The LSTM of the Real-World RL experiments (Section 6.4, Appendix A), between input block and tower.

What an LSTM makes of an observation is its memory afterwards, and that memory is all
that the tower reads. So a network with one takes two steps where others take one:

    recall: memory, observation -> memory        represent: memory -> latent

and whoever has the memories (acting, replay, learner) goes on as if they were the
observations. A memory is one vector, the LSTM's cell state and its output; it is 0
where an episode starts.

Paper: silent on the LSTM's size. Here: as many units as the tower is wide.
"""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num


class Memory(nnx.Module):
    """What embeds an observation, then the LSTM."""

    def __init__(self, embed: nnx.Module, width: int, *, rngs: nnx.Rngs):
        self.embed: Any = embed
        self.cell = nnx.OptimizedLSTMCell(width, width, rngs=rngs)

    def __call__(self, memory: Float[Array, " m"], observation: Num[Array, "..."]) -> Float[Array, " m"]:
        cell, output = jnp.split(memory, 2)
        (cell, output), _ = self.cell((cell, output), self.embed(observation))
        return jnp.concatenate([cell, output])


class Recollection(nnx.Module):
    """The LSTM's output, read off a memory: it takes the input block's place before the tower."""

    def __call__(self, memory: Float[Array, " m"]) -> Float[Array, " width"]:
        return jnp.split(memory, 2)[1]
