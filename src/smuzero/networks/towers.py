"""The blocks of Appendix A: MuZero's convolutions replaced by fully connected layers.

Every module maps one example, a flat vector, and is batched by `jax.vmap`.
Weights start as Haiku's did (the paper's library): normal with variance
1 / fan-in, truncated at two deviations, which is also Flax's default.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, Num

from smuzero.operators.scalars import symlog

Activation = Callable[[Array], Array]

ACTIVATIONS: dict[Literal["relu", "silu"], Activation] = {"relu": jax.nn.relu, "silu": jax.nn.silu}
"""Appendix A's, and one that is smooth."""

LEAST_DEVIATION = 1e-3
"""What hardly moves is not divided by less: its noise would be all there is to see."""

FARTHEST = 10.0
"""Deviations from the mean beyond which a number counts as this far: one that was 0 so far may become anything."""

MEMORY = 1000
"""Batches over which means and deviations are averaged."""


def flattened(observation: Num[Array, "..."], *, takes_symlog: bool = False) -> Float[Array, " size"]:
    """An observation as one vector of floats, or its symlog."""
    flat = observation.reshape(-1).astype(jnp.float32)
    return symlog(flat) if takes_symlog else flat


class Statistics(nnx.Module):
    """(x − mean) / deviation of every observed number, over what was learned from so far; not the paper's.

    No gradient moves them: `followed` does, as batches come.
    """

    def __init__(self, size: int):
        self.mean = nnx.Param(jnp.zeros(size))
        self.variance = nnx.Param(jnp.ones(size))

    def __call__(self, flat: Float[Array, " size"]) -> Float[Array, " size"]:
        mean, variance = jax.lax.stop_gradient((self.mean[...], self.variance[...]))
        return jnp.clip((flat - mean) / jnp.maximum(jnp.sqrt(variance), LEAST_DEVIATION), -FARTHEST, FARTHEST)


def followed(
    statistics: dict[str, Float[Array, " size"]], flat: Float[Array, "B size"], num_updates: Int[Array, ""]
) -> dict[str, Float[Array, " size"]]:
    """`Statistics` after one more batch: a mean over all of them at first, a moving one from the thousandth on."""
    rate = jnp.maximum(1.0 / (1.0 + num_updates.astype(jnp.float32)), 1.0 / MEMORY)
    mean = statistics["mean"] + rate * (jnp.mean(flat, axis=0) - statistics["mean"])
    # About the mean, not as a difference of two squares, which may be large and nearly the same.
    square = jnp.mean(jnp.square(flat - mean[None]), axis=0)
    return {"mean": mean, "variance": statistics["variance"] + rate * (square - statistics["variance"])}


class InputBlock(nnx.Module):
    """Linear, LayerNorm, tanh of a flattened observation (Appendix A).

    Not the paper's: the symlog of its numbers, or their distance from their means, is taken first (`takes_symlog`,
    `has_statistics`), and a `bare` block ends with its linear layer, since LayerNorm takes away what all numbers have
    in common, such as how large they are.
    """

    def __init__(
        self,
        size: int,
        width: int,
        *,
        takes_symlog: bool = False,
        has_statistics: bool = False,
        bare: bool = False,
        rngs: nnx.Rngs,
    ):
        self.takes_symlog = takes_symlog
        self.statistics = Statistics(size) if has_statistics else None
        self.linear = nnx.Linear(size, width, rngs=rngs)
        self.norm = None if bare else nnx.LayerNorm(width, rngs=rngs)

    def __call__(self, observation: Num[Array, "..."]) -> Float[Array, " width"]:
        flat = flattened(observation, takes_symlog=self.takes_symlog)
        embedded = self.linear(flat if self.statistics is None else self.statistics(flat))
        return embedded if self.norm is None else jnp.tanh(self.norm(embedded))


class ActionBlock(nnx.Module):
    """Linear, LayerNorm, activation of an action's one-hot form (Appendix A).

    One-hot because LayerNorm after a linear layer of one scalar would keep
    only the scalar's sign.
    """

    def __init__(self, size: int, width: int, activate: Activation = jax.nn.relu, *, rngs: nnx.Rngs):
        self.activate = activate
        self.linear = nnx.Linear(size, width, rngs=rngs)
        self.norm = nnx.LayerNorm(width, rngs=rngs)

    def __call__(self, one_hot: Float[Array, " choices"]) -> Float[Array, " width"]:
        return self.activate(self.norm(self.linear(one_hot)))


class ResidualBlock(nnx.Module):
    """Two layers of LayerNorm, activation, linear, around a skip (ResNet v2, pre-activation)."""

    def __init__(self, width: int, activate: Activation = jax.nn.relu, *, rngs: nnx.Rngs):
        self.activate = activate
        self.norm_1 = nnx.LayerNorm(width, rngs=rngs)
        self.linear_1 = nnx.Linear(width, width, rngs=rngs)
        self.norm_2 = nnx.LayerNorm(width, rngs=rngs)
        self.linear_2 = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, x: Float[Array, " width"]) -> Float[Array, " width"]:
        hidden = self.linear_1(self.activate(self.norm_1(x)))
        return x + self.linear_2(self.activate(self.norm_2(hidden)))


class Tower(nnx.Module):
    """`num_blocks` residual blocks, one after the other."""

    def __init__(self, width: int, num_blocks: int, activate: Activation = jax.nn.relu, *, rngs: nnx.Rngs):
        self.blocks = nnx.List([ResidualBlock(width, activate, rngs=rngs) for _ in range(num_blocks)])

    def __call__(self, x: Float[Array, " width"]) -> Float[Array, " width"]:
        for block in self.blocks:
            x = block(x)
        return x


class ConditionedBlock(nnx.Module):
    """A residual block whose hidden layer also reads the action's coordinates.

        x + W₂ φ(W₁ φ(LayerNorm(x)) + W_a a)

    Not the paper's. Within one step of a simulator an action changes little;
    here its effect is learned as a change of the latent, starts small, and no
    LayerNorm stands between the action and what it changes.
    """

    def __init__(self, width: int, num_coordinates: int, activate: Activation = jax.nn.relu, *, rngs: nnx.Rngs):
        self.activate = activate
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.linear_1 = nnx.Linear(width, width, rngs=rngs)
        self.action = nnx.Linear(num_coordinates, width, use_bias=False, rngs=rngs)
        small = nnx.initializers.variance_scaling(0.01, "fan_in", "truncated_normal")
        self.linear_2 = nnx.Linear(width, width, kernel_init=small, rngs=rngs)

    def __call__(self, x: Float[Array, " width"], coordinates: Float[Array, " coordinates"]) -> Float[Array, " width"]:
        hidden = self.linear_1(self.activate(self.norm(x))) + self.action(coordinates)
        return x + self.linear_2(self.activate(hidden))
