"""Convolutional blocks: towers over planes, as MuZero has them for boards and for pixels.

Every module maps one example `[H, W, C]` and is batched by `jax.vmap`. The blocks
are the fully connected ones of `towers` with 3x3 convolutions in place of linear
layers.

Departure from MuZero: LayerNorm in place of batch normalisation, over all points
and planes of one example, with a scale and an offset for each plane. Appendix A
makes the same change for its own networks; an example is then never judged by
those that happen to be batched with it, in acting least of all.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num

BRIGHTEST = 255.0


def brightness(picture: Num[Array, "H W F"]) -> Float[Array, "H W F"]:
    """A picture of uint8 as numbers in [0, 1]."""
    return picture.astype(jnp.float32) / BRIGHTEST


MOTION_GAIN = 4.0
"""Within a step things move by about a point: differences are small beside the pictures that they are of."""


def motion(x: Float[Array, "H W F"], planes: int) -> Float[Array, "H W F"]:
    """The last picture of a stack of pictures of so many planes, and what each differs by from the one before it.

    How fast something moves is then in the input, and no small difference of large numbers that an encoder has to find.
    """
    return jnp.concatenate([x[..., -planes:], MOTION_GAIN * (x[..., planes:] - x[..., :-planes])], axis=-1)


def convolution(planes_in: int, planes_out: int, *, size: int = 3, stride: int = 1, rngs: nnx.Rngs) -> nnx.Conv:
    """A square convolution that keeps height and width, or divides them by `stride`."""
    return nnx.Conv(planes_in, planes_out, (size, size), strides=(stride, stride), padding="SAME", rngs=rngs)


def plane_norm(planes: int, *, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """LayerNorm of one example's points and planes together; scale and offset of each plane are its own."""
    return nnx.LayerNorm(planes, reduction_axes=(-3, -2, -1), feature_axes=-1, rngs=rngs)


class InputConvolution(nnx.Module):
    """Convolution of an observation's planes (3x3 unless said otherwise), LayerNorm, ReLU."""

    def __init__(self, planes_in: int, planes: int, *, size: int = 3, stride: int = 1, rngs: nnx.Rngs):
        self.convolution = convolution(planes_in, planes, size=size, stride=stride, rngs=rngs)
        self.norm = plane_norm(planes, rngs=rngs)
        self.patch = size if size == stride else 0

    def __call__(self, observation: Num[Array, "H W F"]) -> Float[Array, "h w C"]:
        x = observation.astype(jnp.float32)
        if self.patch and x.shape[0] % self.patch == 0 and x.shape[1] % self.patch == 0:
            assert self.convolution.bias is not None
            convolved = of_patches(x, self.convolution.kernel[...])
            bias = jnp.broadcast_to(self.convolution.bias[...], convolved.shape)
            return jax.nn.relu(self.norm(convolved + bias))
        return jax.nn.relu(self.norm(self.convolution(x)))


def of_patches(x: Float[Array, "H W F"], kernel: Float[Array, "s s F C"]) -> Float[Array, "h w C"]:
    """A convolution whose stride is its size, as one product of patches with the kernel: on a CPU twice as fast."""
    size, (height, width, planes) = kernel.shape[0], x.shape
    patches = x.reshape(height // size, size, width // size, size, planes).transpose(0, 2, 1, 3, 4)
    return patches.reshape(height // size, width // size, -1) @ kernel.reshape(-1, kernel.shape[-1])


class ConvolutionalBlock(nnx.Module):
    """Two layers of LayerNorm, ReLU, 3x3 convolution, around a skip (ResNet v2, pre-activation)."""

    def __init__(self, planes: int, *, rngs: nnx.Rngs):
        self.norm_1 = plane_norm(planes, rngs=rngs)
        self.convolution_1 = convolution(planes, planes, rngs=rngs)
        self.norm_2 = plane_norm(planes, rngs=rngs)
        self.convolution_2 = convolution(planes, planes, rngs=rngs)

    def __call__(self, x: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        hidden = self.convolution_1(jax.nn.relu(self.norm_1(x)))
        return x + self.convolution_2(jax.nn.relu(self.norm_2(hidden)))


class ConvolutionalTower(nnx.Module):
    """`num_blocks` residual blocks of `planes` planes, one after the other."""

    def __init__(self, planes: int, num_blocks: int, *, rngs: nnx.Rngs):
        self.blocks = nnx.List([ConvolutionalBlock(planes, rngs=rngs) for _ in range(num_blocks)])

    def __call__(self, x: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        for block in self.blocks:
            x = block(x)
        return x


class PlaneHead(nnx.Module):
    """What is read off planes: 1x1 convolution, then linear layers; the last starts at zero, as `heads.Head` does."""

    def __init__(
        self, shape: tuple[int, int], planes: int, outputs: int, *, head_planes: int, hidden: int, rngs: nnx.Rngs
    ):
        """`hidden` is the width of a layer in between; 0 leaves it out."""
        size = shape[0] * shape[1] * head_planes
        self.norm = plane_norm(planes, rngs=rngs)
        self.convolution = convolution(planes, head_planes, size=1, rngs=rngs)
        self.hidden = nnx.Linear(size, hidden, rngs=rngs) if hidden else None
        self.linear = nnx.Linear(hidden or size, outputs, kernel_init=nnx.initializers.zeros_init(), rngs=rngs)

    def __call__(self, latent: Float[Array, "H W C"]) -> Float[Array, " outputs"]:
        flat = jax.nn.relu(self.convolution(jax.nn.relu(self.norm(latent)))).reshape(-1)
        if self.hidden is not None:
            flat = jax.nn.relu(self.hidden(flat))
        return self.linear(flat)
