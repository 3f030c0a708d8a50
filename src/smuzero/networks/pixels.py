"""MuZero's network for pictures (Sections 6.2 and 6.3, Appendix C): a picture is scaled down sixteenfold to a latent.

The representation is MuZero's: two convolutions of stride 2 and two average poolings,
residual blocks in between, then the tower; 96x96 (or 84x84) points become 6x6. The
latent stays spatial. Pictures come as uint8 and are divided by 255 here, on whatever
computes the network: the host never holds them as floats.

With `picture_latent` "vector" (not the paper's) a few convolutions embed the picture in the
place of Appendix A's input block, and all that follows is the fully connected network:
a search, and the learning of it, then cost what they cost from states.

An action enters the dynamics as planes, each full of one number: its one-hot choices,
or its coordinates (`action_input`).

Paper: silent on the network for the control suite from pixels. Here: MuZero's for
Atari, with the action as one-hot planes, as Appendix A replaces convolutions only
where observations have one dimension. Departures: those of `planes`.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num

from smuzero.actions.distributions import Policy
from smuzero.networks import towers
from smuzero.networks.bounds import make_bound
from smuzero.networks.convolutions import ConvolutionalTower, InputConvolution, brightness, motion
from smuzero.networks.network import Network
from smuzero.networks.planes import make_plane_network
from smuzero.networks.settings import NetworkSettings


def average_pool(x: Float[Array, "H W C"]) -> Float[Array, "h w C"]:
    """Means of 3x3 points at every second point; at the border, of the points that there are."""

    def window_sum(x: Array) -> Array:
        return jax.lax.reduce_window(x, 0.0, jax.lax.add, (3, 3, 1), (2, 2, 1), "SAME")

    return window_sum(x) / window_sum(jnp.ones((*x.shape[:2], 1), x.dtype))


def halved(length: int, times: int) -> int:
    """A length after that many layers of stride 2."""
    for _ in range(times):
        length = -(-length // 2)
    return length


class Downsampling(nnx.Module):
    """A picture at a sixteenth of its height and width.

    Convolution of stride 2 to half the planes, blocks; convolution of stride 2 to
    all, blocks; pooling, blocks; pooling. MuZero's planes are 128 and 256, its
    blocks 2, 3 and 3.
    """

    def __init__(self, settings: NetworkSettings, planes: int, *, rngs: nnx.Rngs):
        half, full = max(1, settings.width // 2), settings.width
        first, second, third = settings.picture_blocks
        self.input = InputConvolution(planes, half, stride=2, rngs=rngs)
        self.blocks_1 = ConvolutionalTower(half, first, rngs=rngs)
        self.widen = InputConvolution(half, full, stride=2, rngs=rngs)
        self.blocks_2 = ConvolutionalTower(full, second, rngs=rngs)
        self.blocks_3 = ConvolutionalTower(full, third, rngs=rngs)

    def __call__(self, picture: Num[Array, "H W F"]) -> Float[Array, "h w C"]:
        x = self.blocks_1(self.input(brightness(picture)))
        x = self.blocks_2(self.widen(x))
        return average_pool(self.blocks_3(average_pool(x)))


class PixelRepresentation(nnx.Module):
    """Downsampling, then the tower."""

    def __init__(self, settings: NetworkSettings, planes: int, *, rngs: nnx.Rngs):
        self.input = Downsampling(settings, planes, rngs=rngs)
        self.tower = ConvolutionalTower(settings.width, settings.num_blocks, rngs=rngs)
        self.bound = make_bound(settings, rngs)

    def __call__(self, picture: Num[Array, "H W F"]) -> Float[Array, "h w C"]:
        return self.bound(self.tower(self.input(picture)))


class PictureInput(nnx.Module):
    """A picture as one vector: a convolution of stride 4, one of stride 2, and the input block of Appendix A.

    What is where is read off an eighth of the picture's height and width, point by point.
    """

    def __init__(self, settings: NetworkSettings, observation_shape: tuple[int, ...], *, rngs: nnx.Rngs):
        height, width, planes_in = observation_shape
        planes, self.motion_planes = settings.picture_planes, settings.motion_planes
        # Size 4 and stride 4: no point is read twice, which is what makes the largest layer cheap.
        self.patches = InputConvolution(planes_in, planes, size=4, stride=4, rngs=rngs)
        self.convolution = InputConvolution(planes, planes, stride=2, rngs=rngs)
        self.block = towers.InputBlock(halved(height, 3) * halved(width, 3) * planes, settings.width, rngs=rngs)

    def __call__(self, picture: Num[Array, "H W F"]) -> Float[Array, " width"]:
        seen = brightness(picture)
        if self.motion_planes:
            seen = motion(seen, self.motion_planes)
        return self.block(self.convolution(self.patches(seen)))


def tiled(numbers: Float[Array, " F"], shape: tuple[int, int]) -> Float[Array, "H W F"]:
    """One plane for each number, full of it."""
    return jnp.broadcast_to(numbers, (*shape, numbers.shape[0]))


def make_pixel_network(settings: NetworkSettings, observation_shape: tuple[int, ...], policy: Policy) -> Network:
    """The network for pictures of one shape; `settings.width` are planes (MuZero's 256), `num_blocks` its 16."""
    height, width, planes = observation_shape
    shape = (halved(height, 4), halved(width, 4))
    one_hot = settings.action_input == "one_hot"
    seen = policy.features if one_hot else policy.coordinates
    return make_plane_network(
        settings,
        policy,
        shape,
        lambda rngs: PixelRepresentation(settings, planes, rngs=rngs),
        lambda action: tiled(seen(action), shape),
        policy.num_features if one_hot else policy.num_coordinates,
    )
