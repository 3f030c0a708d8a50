"""A picture and a vector in one observation: what the CMU humanoid sees and what its body senses (Section 6.3).

The picture is scaled down as in `pixels` and flattened; it and the vector each go
through an input block of Appendix A, and the sum through the fully connected tower.

Paper: silent on how the two are joined. Here: as above, with a latent that is a
vector, so that the search costs what it costs without the camera.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from smuzero.networks import towers
from smuzero.networks.pixels import Downsampling, halved
from smuzero.networks.settings import NetworkSettings
from smuzero.types import Part


def split_bytes(parts: tuple[Part, ...], observation: UInt8[Array, " bytes"]) -> dict[str, Array]:
    """`smuzero.types.split_observation` in JAX, for one observation.

    Where several observations are stacked one behind the other, a part's are joined along its last axis.
    """
    frames = observation.reshape(-1, sum(math.prod(part.shape) * part.dtype.itemsize for part in parts))
    arrays, start = {}, 0
    for part in parts:
        length = math.prod(part.shape) * part.dtype.itemsize
        piece = frames[:, start : start + length]
        if part.dtype != np.uint8:
            piece = jax.lax.bitcast_convert_type(piece.reshape(len(frames), -1, part.dtype.itemsize), part.dtype)
        arrays[part.name] = jnp.concatenate(list(piece.reshape(len(frames), *part.shape)), axis=-1)
        start += length
    return arrays


class MixedInput(nnx.Module):
    """The input blocks of an observation's parts, summed; in the place of `towers.InputBlock`."""

    def __init__(self, settings: NetworkSettings, parts: tuple[Part, ...], stack: int, *, rngs: nnx.Rngs):
        self.parts = parts
        pictures, blocks, bare = {}, {}, settings.input_block == "linear"
        for part in parts:
            *rows, channels = part.shape
            size, symlog = stack * math.prod(part.shape), settings.observation_symlog
            if len(part.shape) == 3:
                pictures[part.name] = Downsampling(settings, stack * channels, rngs=rngs)
                size, symlog = math.prod(halved(length, 4) for length in rows) * settings.width, False
            blocks[part.name] = towers.InputBlock(size, settings.width, takes_symlog=symlog, bare=bare, rngs=rngs)
        self.pictures, self.blocks = nnx.Dict(pictures), nnx.Dict(blocks)

    def __call__(self, observation: UInt8[Array, " bytes"]) -> Float[Array, " width"]:
        embedded = []
        for name, array in split_bytes(self.parts, observation).items():
            seen = self.pictures[name](array) if name in self.pictures else array
            embedded.append(self.blocks[name](seen))
        return jnp.sum(jnp.stack(embedded), axis=0)


def mixed_input(
    settings: NetworkSettings, observation_size: int, parts: tuple[Part, ...], rngs: nnx.Rngs
) -> MixedInput:
    """The input block for observations of `observation_size` bytes, of which every so many are one observation."""
    size = sum(math.prod(part.shape) * part.dtype.itemsize for part in parts)
    return MixedInput(settings, parts, observation_size // size, rngs=rngs)
