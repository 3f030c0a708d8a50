"""The control suite from pixels: `dmc-pixels:cartpole.balance` (Section 6.3, Figure 5; Appendix A.2, Table 2).

The simulation, rewards and ends of `dmc:` with a camera's picture in place of the
state: uint8 `[H, W, 3]`, the last few joined along the last axis.

Options:

`render=fast`
    (The default.) No shadows and reflections, and four samples of a point: several times faster in software.
    `render=plain` draws as dm_control does. Results should name which was used.
`size=84`
    Height and width, in pixels.
`stack=3`
    Pictures shown at once.
`repeat=1`
    Frames that an action is held; their rewards are summed, and the last one is drawn. Appendix A.2 has 1. Most
    published results from pixels hold actions for 2 to 8: a result should say so.
`gray=no`
    `yes` shows how bright each point is, in one channel in place of three: a third of the bytes to store and to learn
    from, where colour says nothing.
`camera=N`
    The model's own camera; by default 0, for the quadruped 2, which follows it.

Drawing without a screen needs EGL or OSMesa: `smuzero doctor` says whether they work and what to install.
"""

import functools
from typing import Any

import numpy as np
from jaxtyping import UInt8

from smuzero.envs.base import Env, EnvStep, Listed, Wrapper
from smuzero.envs.control import list_control, load, wrap
from smuzero.envs.options import at_least, one_of, split_options
from smuzero.envs.rendering import Renderer, grayscale
from smuzero.envs.wrappers import ActionRepeat, stacked
from smuzero.types import UserError

# Paper: silent on size, number and camera of the pictures. Here: 84 pixels and 3 pictures, as is usual for the suite.
OPTIONS = {"render": "fast", "size": 84, "stack": 3, "repeat": 1, "gray": False, "camera": -1}
_CAMERAS = {"quadruped": 2}
"""Camera 0 of a quadruped stands still while it walks away."""


def make_pixels(name: str, seed: int) -> Env:
    """Makes `domain.task`, with options as above.

    Raises what `make_control` raises; its first `reset` raises MissingExtra where nothing can be drawn.
    """
    task, options = split_options("dmc-pixels", name, OPTIONS)
    render = one_of(f"dmc-pixels:{name}", "render", options["render"], ("fast", "plain"))
    for key, least in (("size", 8), ("repeat", 1)):
        at_least(f"dmc-pixels:{name}", key, options[key], least)
    env = load(task, seed)
    camera = _camera(env, name, options["camera"])
    domain = task.partition(".")[0]
    inner = ActionRepeat(wrap(env, f"dmc-pixels:{name}", domain), options["repeat"])
    pixels = Pixels(inner, env.physics, options["size"], camera, is_fast=render == "fast", is_gray=options["gray"])
    return stacked(pixels, options["stack"])


def original(name: str, seed: int) -> Any:
    """dm_control's own environment, which shows one picture of the same size and camera, drawn by dm_control."""
    from dm_control.suite.wrappers import pixels

    task, options = split_options("dmc-pixels", name, OPTIONS)
    env = load(task, seed)
    camera, size = _camera(env, name, options["camera"]), options["size"]
    return pixels.Wrapper(env, render_kwargs={"height": size, "width": size, "camera_id": camera})


def _camera(env: Any, name: str, asked: int) -> int:
    """The number of the camera: the one asked for, or where that is -1 the task's own. Raises UserError."""
    cameras = env.physics.model.ncam
    camera = asked if asked >= 0 else min(_CAMERAS.get(name.partition(".")[0], 0), cameras - 1)
    if camera >= cameras:
        raise UserError(f"dmc-pixels:{name}: there is no camera {camera}; the model has cameras 0 to {cameras - 1}.")
    return camera


def list_pixels() -> list[Listed]:
    """All tasks of the suite, with the sets that each belongs to."""
    return [Listed(one.id.replace("dmc:", "dmc-pixels:"), one.tags) for one in list_control()]


class Pixels(Wrapper):
    """A task of the suite, shown by one of its cameras."""

    def __init__(self, env: Env, physics: Any, size: int, camera: int, *, is_fast: bool, is_gray: bool):
        super().__init__(env)
        shape = (size, size, 1 if is_gray else 3)
        self.spec = env.spec._replace(observation_shape=shape, observation_dtype=np.dtype(np.uint8))
        self._is_gray = is_gray
        self._has_landscape = physics.model.nhfield > 0
        self._new_renderer = functools.partial(
            Renderer, physics.model.ptr, physics.data.ptr, (size, size), camera, is_fast=is_fast
        )

    @functools.cached_property
    def _renderer(self) -> Renderer:
        """OpenGL is opened for the first picture: to know an environment's shapes needs none."""
        return self._new_renderer()

    def _draw(self) -> UInt8[np.ndarray, "H W C"]:
        picture = self._renderer.draw()
        return grayscale(picture) if self._is_gray else picture

    def reset(self) -> UInt8[np.ndarray, "H W C"]:
        super().reset()
        if self._has_landscape:
            self._renderer.new_landscape()
        return self._draw()

    def step(self, action: Any) -> EnvStep:
        step = super().step(action)
        return step._replace(observation=self._draw())

    def restore(self, state: dict[str, Any]) -> bool:
        goes_on = super().restore(state)
        if self._has_landscape:
            self._renderer.new_landscape()
        return goes_on

    def close(self):
        if "_renderer" in vars(self):
            self._renderer.close()
        super().close()
