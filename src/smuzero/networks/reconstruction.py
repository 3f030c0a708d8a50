"""What a latent says was observed: a sketch of the observation, read off it by one linear layer. Not MuZero's.

MuZero's latents are told nothing but rewards, values and policies, and those are
slow to tell an encoder of pictures which way a pole leans or turns. A sketch says so
at every point of every picture; that the unrolled latents are asked for it too makes
what moves worth knowing. Nothing but the loss reads it (`learner.reconstruction_weight`).
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Float32, Num

from smuzero.networks.convolutions import brightness, motion
from smuzero.networks.towers import flattened

Kind = Literal["blocks", "tents"]
BLOCK = 4
"""Points of a picture, in height and width, to one number of its sketch."""


def sketch(
    observation: Num[Array, "..."], *, takes_symlog: bool = False, kind: Kind = "blocks", motion_planes: int = 0
) -> Float[Array, " size"]:
    """A picture `[H, W, F]` by means over 4x4 points, in [0, 1]; a vector as it is, or its symlog.

    "blocks" weighs the points of a block alike, so that what moves inside of one leaves no trace. "tents" are as
    many means whose weights fall off linearly to the centres of their neighbours: what is thin, and moves by less
    than a point, is shared between two of them otherwise than before. With `motion_planes` they are of what the
    network sees, the last picture and differences. Points beyond the last whole block are left out.
    """
    if observation.ndim != 3:
        return flattened(observation, takes_symlog=takes_symlog)
    rows, columns, planes = observation.shape[0] // BLOCK, observation.shape[1] // BLOCK, observation.shape[2]
    whole = brightness(observation[: rows * BLOCK, : columns * BLOCK])
    if motion_planes:
        whole = motion(whole, motion_planes)
    if kind == "tents":
        return jnp.einsum("rh,hwf,cw->rcf", tents(rows), whole, tents(columns)).reshape(-1)
    return jnp.mean(whole.reshape(rows, BLOCK, columns, BLOCK, planes), axis=(1, 3)).reshape(-1)


def tents(number: int) -> Float32[np.ndarray, "number points"]:
    """Weights of means around the centres of blocks: they fall linearly to 0 at a block's length; each row sums to 1.

    w_ij ∝ max(0, 1 − |j − c_i| / 4),   c_i = 4i + 3/2
    """
    centres = BLOCK * np.arange(number)[:, None] + (BLOCK - 1) / 2
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(number * BLOCK) - centres) / BLOCK)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


class Reconstruction(nnx.Module):
    """Latent -> sketch; it starts at zero, as `heads.Head` does."""

    def __init__(self, width: int, size: int, *, rngs: nnx.Rngs):
        self.linear = nnx.Linear(width, size, kernel_init=nnx.initializers.zeros_init(), rngs=rngs)

    def __call__(self, latent: Float[Array, " width"]) -> Float[Array, " size"]:
        return self.linear(latent)
