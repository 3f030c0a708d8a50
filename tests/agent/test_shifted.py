from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.agent.shifted import shifted, with_shifted_pictures
from smuzero.types import Windows

PICTURE = np.arange(5 * 4 * 2, dtype=np.uint8).reshape(5, 4, 2)


def cuts(most):
    """All that a picture can become: its border widened by its own points, and a piece of the old size cut out."""
    padded = np.pad(PICTURE, [(most, most), (most, most), (0, 0)], mode="edge")
    places = range(2 * most + 1)
    return {(i, j): padded[i : i + 5, j : j + 4].tobytes() for i in places for j in places}


def test_a_picture_is_moved_to_every_place_that_is_allowed_and_no_other():
    move = jax.jit(jax.vmap(lambda key: shifted(key, jnp.asarray(PICTURE), 1)))
    found = {np.asarray(picture).tobytes() for picture in move(jax.random.split(jax.random.key(0), 300))}
    # Each of 9 places is missed by 300 draws with probability (8/9)^300 < 1e-15.
    assert found == set(cuts(1).values())


def windows(observation):
    fields: dict[str, Any] = dict.fromkeys(Windows._fields)
    return Windows(**{**fields, "observation": observation})


def test_every_picture_of_a_batch_is_moved_by_itself():
    observation = np.broadcast_to(PICTURE, (6, 7, *PICTURE.shape))
    moved = np.asarray(with_shifted_pictures(jax.random.key(0), windows(observation), 2).observation)
    assert moved.shape == observation.shape and moved.dtype == np.uint8
    found = {row.tobytes() for window in moved for row in window}
    assert found <= set(cuts(2).values()) and len(found) > 10


def test_the_first_pictures_alone_may_be_moved():
    observation = np.broadcast_to(PICTURE, (6, 7, *PICTURE.shape))
    moved = np.asarray(with_shifted_pictures(jax.random.key(0), windows(observation), 2, whole=False).observation)
    assert moved.shape == (6, 1, *PICTURE.shape)
    assert {row.tobytes() for row in moved[:, 0]} <= set(cuts(2).values())


def test_vectors_cannot_be_moved():
    with pytest.raises(ValueError, match="picture_shift is 2"):
        with_shifted_pictures(jax.random.key(0), windows(np.zeros((2, 3, 5), np.float32)), 2)
