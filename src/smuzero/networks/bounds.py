"""What keeps a latent in bounds.

MuZero rescales its hidden state to [0, 1] by its own minimum and maximum. Paper: silent on latents of fully
connected networks. Here: a setting, `latent`.
"""

from collections.abc import Callable

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from smuzero.networks.settings import NetworkSettings

SMALLEST_RANGE = 1e-5
"""A latent of equal numbers has no range to divide by (the floor of MuZero's pseudocode)."""


def rescale(latent: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The latent in [0, 1], by its own minimum and maximum (MuZero)."""
    low, high = jnp.min(latent), jnp.max(latent)
    return (latent - low) / jnp.maximum(high - low, SMALLEST_RANGE)


def make_bound(settings: NetworkSettings, rngs: nnx.Rngs) -> Callable[[Array], Array]:
    """What keeps a latent in bounds; LayerNorm without weights of its own, which the next layer has."""
    if settings.latent == "minmax":
        return rescale
    return nnx.LayerNorm(settings.width, use_bias=False, use_scale=False, rngs=rngs)
