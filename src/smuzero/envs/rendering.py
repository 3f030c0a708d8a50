"""Pictures of a MuJoCo model without a screen, drawn by MuJoCo itself.

dm_control decides how to draw when it is first imported, and makes a new scene for
every picture; here that is decided when the first picture is wanted, and the scene
is kept.
"""

import contextlib
import importlib
import os
from typing import Any

import numpy as np
from jaxtyping import UInt8

from smuzero.envs.base import MissingExtra

NEEDS_OPENGL = (
    "Drawing without a screen needs EGL or OSMesa. On Debian and Ubuntu: apt-get install libegl1 libgl1-mesa-dri, then "
    "set MUJOCO_GL=egl (or apt-get install libosmesa6, then MUJOCO_GL=osmesa). `smuzero doctor` says which work."
)

FAST_SAMPLES = 4
"""Samples of a point in fast drawing; MuJoCo's own default is 4, and the suite's models have 8 or more."""


class Renderer:
    """Draws a model's state as one of its cameras sees it.

    Fast drawing leaves out shadows and reflections, and of dm_control's samples of
    a point takes `FAST_SAMPLES`. Without any anti-aliasing it would be faster still, but
    what is thin would move by whole points. (An encoder told speeds as well without: docs/pixels.md.)
    """

    def __init__(self, model: Any, data: Any, size: tuple[int, int], camera: int, *, is_fast: bool):
        """Raises MissingExtra where OpenGL cannot be used."""
        import mujoco

        self._mujoco: Any = mujoco
        self._model, self._data, (height, width) = model, data, size
        visual = model.vis
        visual.global_.offheight, visual.global_.offwidth = height, width
        if is_fast:
            visual.quality.shadowsize = 0
            visual.quality.offsamples = min(FAST_SAMPLES, visual.quality.offsamples)
        # As many as dm_control's cameras allow; geoms beyond it would not be drawn.
        self._scene = self._mujoco.MjvScene(model, maxgeom=2000)
        if is_fast:
            for flag in (self._mujoco.mjtRndFlag.mjRND_SHADOW, self._mujoco.mjtRndFlag.mjRND_REFLECTION):
                self._scene.flags[flag] = 0
        self._option, self._perturbation = self._mujoco.MjvOption(), self._mujoco.MjvPerturb()
        # Rays of distance sensors are no part of what a camera sees.
        self._option.flags[self._mujoco.mjtVisFlag.mjVIS_RANGEFINDER] = 0
        self._camera = self._mujoco.MjvCamera()
        self._camera.type, self._camera.fixedcamid = self._mujoco.mjtCamera.mjCAMERA_FIXED, camera
        self._rectangle = self._mujoco.MjrRect(0, 0, width, height)
        self._picture = np.zeros((height, width, 3), np.uint8)
        self._gl = new_context(width, height)
        try:
            self._gl.make_current()
            self._context = self._mujoco.MjrContext(model, self._mujoco.mjtFontScale.mjFONTSCALE_100.value)
            self._mujoco.mjr_setBuffer(self._mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        except Exception as error:  # OpenGL's bindings fail in as many ways as there are drivers
            raise MissingExtra(f"MuJoCo cannot draw here ({type(error).__name__}: {error}). {NEEDS_OPENGL}") from error

    def draw(self) -> UInt8[np.ndarray, "H W 3"]:
        """The state as it is now."""
        everything = self._mujoco.mjtCatBit.mjCAT_ALL.value
        self._mujoco.mjv_updateScene(
            self._model, self._data, self._option, self._perturbation, self._camera, everything, self._scene
        )
        self._gl.make_current()
        self._mujoco.mjr_render(self._rectangle, self._scene, self._context)
        self._mujoco.mjr_readPixels(self._picture, None, self._rectangle, self._context)
        return self._picture[::-1].copy()  # OpenGL's first row is the lowest

    def new_landscape(self):
        """Tells OpenGL that the model's height field has changed."""
        self._gl.make_current()
        for field in range(self._model.nhfield):
            self._mujoco.mjr_uploadHField(self._model, self._context, field)

    def close(self):
        """Frees what OpenGL holds."""
        with contextlib.suppress(Exception):  # at the end of a process OpenGL may be gone already
            self._gl.make_current()
            self._context.free()
            self._gl.free()


def grayscale(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 1"]:
    """How bright each point is: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded."""
    # In whole numbers, of 16 bits: 256 times the weights, and a half to round by.
    red, green, blue = (picture[..., channel].astype(np.uint16) for channel in range(3))
    return ((77 * red + 150 * green + 29 * blue + 128) >> 8).astype(np.uint8)[..., None]


def new_context(width: int, height: int) -> Any:
    """An OpenGL context: by MUJOCO_GL if that is set, else by what works. Raises MissingExtra if nothing does."""
    asked = os.environ.get("MUJOCO_GL", "").lower()
    names = [asked] if asked in _BACKENDS else [*(["glfw"] if os.environ.get("DISPLAY") else []), "egl", "osmesa"]
    failures = []
    for name in names:
        try:
            return importlib.import_module(_BACKENDS[name]).GLContext(width, height)
        except Exception as error:  # OpenGL's bindings fail in as many ways as there are drivers
            failures.append(f"{name}: {error or type(error).__name__}")
    raise MissingExtra(f"MuJoCo cannot draw here ({'; '.join(failures)}). {NEEDS_OPENGL}")


_BACKENDS = {"egl": "mujoco.egl", "glfw": "mujoco.glfw", "osmesa": "mujoco.osmesa"}
