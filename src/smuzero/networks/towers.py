"""The blocks of Appendix A: MuZero's convolutions replaced by fully connected layers.

Every module maps one example, a flat vector, and is batched by `jax.vmap`.
Weights start as Haiku's did (the paper's library): normal with variance
1 / fan-in, truncated at two deviations, which is also Flax's default.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num

from smuzero.operators.scalars import symlog


def flattened(observation: Num[Array, "..."], *, takes_symlog: bool = False) -> Float[Array, " size"]:
    """An observation as one vector of floats, or its symlog."""
    flat = observation.reshape(-1).astype(jnp.float32)
    return symlog(flat) if takes_symlog else flat


class InputBlock(nnx.Module):
    """Linear, LayerNorm, tanh of a flattened observation, of whose numbers the symlog is taken first if so asked."""

    def __init__(self, size: int, width: int, *, takes_symlog: bool = False, rngs: nnx.Rngs):
        self.takes_symlog = takes_symlog
        self.linear = nnx.Linear(size, width, rngs=rngs)
        self.norm = nnx.LayerNorm(width, rngs=rngs)

    def __call__(self, observation: Num[Array, "..."]) -> Float[Array, " width"]:
        return jnp.tanh(self.norm(self.linear(flattened(observation, takes_symlog=self.takes_symlog))))


class ActionBlock(nnx.Module):
    """Linear, LayerNorm, ReLU of an action's one-hot form (Appendix A).

    One-hot because LayerNorm after a linear layer of one scalar would keep
    only the scalar's sign.
    """

    def __init__(self, size: int, width: int, *, rngs: nnx.Rngs):
        self.linear = nnx.Linear(size, width, rngs=rngs)
        self.norm = nnx.LayerNorm(width, rngs=rngs)

    def __call__(self, one_hot: Float[Array, " choices"]) -> Float[Array, " width"]:
        return jax.nn.relu(self.norm(self.linear(one_hot)))


class ResidualBlock(nnx.Module):
    """Two layers of LayerNorm, ReLU, linear, around a skip (ResNet v2, pre-activation)."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        self.norm_1 = nnx.LayerNorm(width, rngs=rngs)
        self.linear_1 = nnx.Linear(width, width, rngs=rngs)
        self.norm_2 = nnx.LayerNorm(width, rngs=rngs)
        self.linear_2 = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, x: Float[Array, " width"]) -> Float[Array, " width"]:
        hidden = self.linear_1(jax.nn.relu(self.norm_1(x)))
        return x + self.linear_2(jax.nn.relu(self.norm_2(hidden)))


class Tower(nnx.Module):
    """`num_blocks` residual blocks, one after the other."""

    def __init__(self, width: int, num_blocks: int, *, rngs: nnx.Rngs):
        self.blocks = nnx.List([ResidualBlock(width, rngs=rngs) for _ in range(num_blocks)])

    def __call__(self, x: Float[Array, " width"]) -> Float[Array, " width"]:
        for block in self.blocks:
            x = block(x)
        return x


class ConditionedBlock(nnx.Module):
    """A residual block whose hidden layer also reads the action's coordinates.

        x + W₂ relu(W₁ relu(LayerNorm(x)) + W_a a)

    Not the paper's. Within one step of a simulator an action changes little;
    here its effect is learned as a change of the latent, starts small, and no
    LayerNorm stands between the action and what it changes.
    """

    def __init__(self, width: int, num_coordinates: int, *, rngs: nnx.Rngs):
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.linear_1 = nnx.Linear(width, width, rngs=rngs)
        self.action = nnx.Linear(num_coordinates, width, use_bias=False, rngs=rngs)
        small = nnx.initializers.variance_scaling(0.01, "fan_in", "truncated_normal")
        self.linear_2 = nnx.Linear(width, width, kernel_init=small, rngs=rngs)

    def __call__(self, x: Float[Array, " width"], coordinates: Float[Array, " coordinates"]) -> Float[Array, " width"]:
        hidden = self.linear_1(jax.nn.relu(self.norm(x))) + self.action(coordinates)
        return x + self.linear_2(jax.nn.relu(hidden))
