"""What decides the next step of a MuJoCo simulation, given and taken back bit for bit.

That is MuJoCo's integration state (the solver's warm start among it) and every
part of the model that a task has changed, such as the place of a target. What a task
or another of dm_control's objects remembers in plain numbers is `plain_attributes`;
random numbers are `random_state`.
"""

import functools
import zlib
from typing import Any

import numpy as np

from smuzero.types import UserError

_FIXED_MODEL_ARRAYS = ("bvh", "flex", "mesh", "names", "oct", "skin", "tex", "text")
"""Prefixes of a model's geometry, textures and names: megabytes that no task changes."""


class SimulatorState:
    """The state of one of dm_control's physics, whose model is remembered as it is now: what differs later was changed.

    Another simulation of an equal model can take the state.
    """

    def __init__(self, physics: Any, name: str):
        """`name` is the environment's, for messages."""
        self._physics, self._name = physics, name
        self._model = changeable_arrays(physics.model.ptr)
        self._pristine = {key: array.copy() for key, array in self._model.items()}

    def get(self) -> dict[str, Any]:
        changed = {
            key: array.copy() for key, array in self._model.items() if not np.array_equal(array, self._pristine[key])
        }
        return {
            "physics": self._physics.get_state(_integration_state()),
            "model": changed,
            "model_checksum": self._checksum,
        }

    def check(self, state: dict[str, Any]) -> None:
        """Raises UserError where a state belongs to another model."""
        if int(state["model_checksum"]) != self._checksum:
            raise UserError(
                f"This state was taken from another model than that of {self._name!r}: restore it into an "
                "environment with the same id and seed, under the same versions of mujoco and dm_control."
            )

    def set(self, state: dict[str, Any]) -> None:
        """Sets MuJoCo's state and all that a step leaves computed for the next one.

        dm_control's step begins in the middle of MuJoCo's, with the quantities
        that depend on position and velocity already known: `mj_step1` finds them.
        """
        import mujoco

        for key, array in self._model.items():
            array[...] = state["model"].get(key, self._pristine[key])
        physics = self._physics
        physics.set_state(np.asarray(state["physics"]), _integration_state())
        mujoco.mj_step1(physics.model.ptr, physics.data.ptr)  # pyright: ignore[reportAttributeAccessIssue]

    @functools.cached_property
    def _checksum(self) -> int:
        checksum = 0
        for array in self._pristine.values():
            checksum = zlib.crc32(np.ascontiguousarray(array).tobytes(), checksum)
        return checksum


def changeable_arrays(model: Any) -> dict[str, np.ndarray]:
    """Views of all arrays of a MuJoCo model that a task might change, by name."""
    names = [name for name in dir(model) if not name.startswith("_") and name.split("_")[0] not in _FIXED_MODEL_ARRAYS]
    arrays = {name: getattr(model, name) for name in names}
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray) and array.size}


def plain_attributes(owner: Any) -> dict[str, Any]:
    """An object's own numbers, texts and arrays: not its random numbers, lists of names, or other objects."""
    plain = {}
    for key, value in vars(owner).items():
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | str):
            plain[key] = value
        elif isinstance(value, np.ndarray):
            plain[key] = value.copy()
    return plain


def set_plain_attribute(owner: Any, key: str, value: Any) -> None:
    """Gives an object one of its plain attributes back; an array as a copy."""
    setattr(owner, key, np.array(value) if isinstance(value, np.ndarray) else value)


def random_state(random: np.random.RandomState) -> dict[str, Any]:
    _, key, position, has_gauss, gauss = random.get_state(legacy=True)
    return {"key": np.array(key), "position": int(position), "has_gauss": int(has_gauss), "gauss": float(gauss)}


def set_random_state(random: np.random.RandomState, state: dict[str, Any]):
    key = np.asarray(state["key"], np.uint32)
    random.set_state(("MT19937", key, int(state["position"]), int(state["has_gauss"]), float(state["gauss"])))


def _integration_state() -> int:
    """MuJoCo's name for the arrays that decide its next step."""
    import mujoco

    return int(mujoco.mjtState.mjSTATE_INTEGRATION)  # pyright: ignore[reportAttributeAccessIssue]
