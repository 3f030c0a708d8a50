"""Pictures moved by a few points at random before they are learned from (Yarats et al. 2021; not the paper's).

What an encoder has learned by heart about single pictures is of no use for moved ones,
and few pictures then teach as much as many. Every picture of a window is moved by
itself, what it showed before (its stack) with it; border points fill what is uncovered.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num, PRNGKeyArray

from smuzero.types import Windows


def shifted(key: PRNGKeyArray, picture: Num[Array, "H W C"], most: int) -> Num[Array, "H W C"]:
    """The picture moved by −`most` to `most` points in both directions."""
    padded = jnp.pad(picture, [(most, most), (most, most), (0, 0)], mode="edge")
    row, column = jax.random.randint(key, (2,), 0, 2 * most + 1)
    return jax.lax.dynamic_slice(padded, (row, column, 0), picture.shape)


def with_shifted_pictures(key: PRNGKeyArray, windows: Windows, most: int, *, whole: bool = True) -> Windows:
    """The windows with every picture moved, or with `whole` false the first of each, which a model is unrolled from.

    Raises ValueError where observations are no pictures.
    """
    observation = jnp.asarray(windows.observation)
    if observation.ndim != 5:
        raise ValueError(
            f"picture_shift is {most}, but observations of shape {observation.shape[2:]} are no pictures: make it 0."
        )
    if not whole:
        observation = observation[:, :1]
    rows = observation.reshape(-1, *observation.shape[2:])
    moved = jax.vmap(shifted, in_axes=(0, 0, None))(jax.random.split(key, len(rows)), rows, most)
    return windows._replace(observation=moved.reshape(observation.shape))
