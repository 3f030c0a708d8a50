"""What a latent says was observed: a sketch of the observation, read off it by one linear layer. Not MuZero's.

MuZero's latents are told nothing but rewards, values and policies, and those are
slow to tell an encoder of pictures which way a pole leans or turns. A sketch says so
at every point of every picture; that the unrolled latents are asked for it too makes
what moves worth knowing. Nothing but the loss reads it (`learner.reconstruction_weight`).
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num

from smuzero.networks.convolutions import brightness
from smuzero.networks.towers import flattened

BLOCK = 4
"""Points of a picture, in height and width, of which a sketch holds the mean."""


def sketch(observation: Num[Array, "..."], *, takes_symlog: bool = False) -> Float[Array, " size"]:
    """A picture `[H, W, F]` by the means of its blocks of 4x4 points, in [0, 1]; a vector as it is, or its symlog.

    Points beyond the last whole block are left out.
    """
    if observation.ndim != 3:
        return flattened(observation, takes_symlog=takes_symlog)
    rows, columns, planes = observation.shape[0] // BLOCK, observation.shape[1] // BLOCK, observation.shape[2]
    whole = brightness(observation[: rows * BLOCK, : columns * BLOCK])
    return jnp.mean(whole.reshape(rows, BLOCK, columns, BLOCK, planes), axis=(1, 3)).reshape(-1)


class Reconstruction(nnx.Module):
    """Latent -> sketch; it starts at zero, as `heads.Head` does."""

    def __init__(self, width: int, size: int, *, rngs: nnx.Rngs):
        self.linear = nnx.Linear(width, size, kernel_init=nnx.initializers.zeros_init(), rngs=rngs)

    def __call__(self, latent: Float[Array, " width"]) -> Float[Array, " size"]:
        return self.linear(latent)
