"""Models of the Real-World RL suite: one length or friction changed, everything that depends on it recomputed.

The suite builds a new simulation for every episode. Here the changed model is
compiled too, but its numbers are then copied into the running one, which keeps
all that points into it: inertias, bounding volumes and the solver's scale follow.
"""

import functools
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

_TEXTURE_SIZE = re.compile(rb'\b(width|height)="\d+"')
"""Textures are not copied; drawing them would be nearly all that compiling costs."""
_STATISTICS = ("meaninertia", "meanmass", "meansize", "extent")


class Perturbation:
    """Gives one domain's parameter a value: `pole_length`, `thigh_length`, `shin_length` or `contact_friction`."""

    def __init__(self, domain: str, model: Any):
        self._model, self._change = model, CHANGES[domain]
        self._xml, assets = _source(domain)
        self._assets = {name: _TEXTURE_SIZE.sub(rb'\1="2"', _bytes(asset)) for name, asset in assets.items()}
        self._arrays = _arrays(model)
        self.value: float | None = None
        """What was applied last."""

    def apply(self, value: float):
        """Makes the running model the one whose parameter has this value."""
        import mujoco

        root = ElementTree.fromstring(self._xml)
        self._change(root, value)
        changed = mujoco.MjModel.from_xml_string(  # pyright: ignore[reportAttributeAccessIssue]
            ElementTree.tostring(root, encoding="unicode"), self._assets
        )
        for name, array in _arrays(changed).items():
            self._arrays[name][...] = array
        for name in _STATISTICS:
            setattr(self._model.stat, name, getattr(changed.stat, name))
        self._model.stat.center[:] = changed.stat.center
        self.value = value


def _pole_length(root: ElementTree.Element, length: float):
    pole = _only(root, "./default/default[@class='pole']/geom")
    pole.set("fromto", f"0 0 0 0 0 {length!r}")
    pole.set("mass", repr(length / 10))


def _thigh_length(root: ElementTree.Element, length: float):
    """Half the thigh's length; the leg below is hung lower, so that the knee stays at its end."""
    for thigh in root.findall("./worldbody/body/body"):
        _only(thigh, "geom").set("pos", f"0 0 {-length!r}")
        _only(thigh, "geom").set("size", f"0.05 {length!r}")
        _only(thigh, "body").set("pos", f"0 0 {-0.25 - 2 * length!r}")


def _shin_length(root: ElementTree.Element, length: float):
    knee = _only(root, ".//default[@class='knee']/geom")
    knee.set("fromto", f"0 0 0 {length!r} 0 {-length!r}")
    for ankle in root.findall("./worldbody/body/body/body/body"):
        ankle.set("pos", f"{length!r} 0 {-length!r}")


def _contact_friction(root: ElementTree.Element, friction: float):
    for geom in (_only(root, "./default/default[@class='body']/geom"), _only(root, "./worldbody/geom[@name='floor']")):
        geom.set("friction", f"{friction!r} .1 .1")


CHANGES = {
    "cartpole": _pole_length,
    "walker": _thigh_length,
    "quadruped": _shin_length,
    "humanoid": _contact_friction,
}


def start_upright(task: Any):
    """Lets a quadruped's episodes start upright, in any direction, as the Real-World RL suite does."""
    task.initialize_episode = functools.partial(_initialize_upright, task)


def _initialize_upright(task: Any, physics: Any):
    from dm_control.suite import base, quadruped

    half = task.random.uniform(0, 2 * np.pi) / 2
    quadruped._find_non_contacting_height(physics, np.array([np.cos(half), 0, 0, np.sin(half)]))
    base.Task.initialize_episode(task, physics)


def _source(domain: str) -> tuple[str, dict[str, Any]]:
    """The text of the domain's model and the files it includes, as dm_control builds the tasks of `realworld.TASKS`."""
    from dm_control.suite import cartpole, common, humanoid, quadruped, walker

    if domain == "quadruped":
        xml = quadruped.make_model(floor_size=quadruped._DEFAULT_TIME_LIMIT * quadruped._WALK_SPEED)
        return _text(xml), common.ASSETS
    xml, assets = {"cartpole": cartpole, "humanoid": humanoid, "walker": walker}[domain].get_model_and_assets()
    return _text(xml), assets


def _bytes(asset: str | bytes) -> bytes:
    return asset.encode() if isinstance(asset, str) else asset


def _text(xml: str | bytes) -> str:
    return xml.decode() if isinstance(xml, bytes) else xml


def _only(root: ElementTree.Element, path: str) -> ElementTree.Element:
    found = root.find(path)
    assert found is not None, f"dm_control's model has no {path}"
    return found


def _arrays(model: Any) -> dict[str, np.ndarray]:
    """All numbers of a model, by name, as views; textures and the like do not depend on a parameter."""
    names = [name for name in dir(model) if not name.startswith(("_", "tex_", "skin_", "mesh_", "names", "text_"))]
    arrays = {name: getattr(model, name) for name in names}
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray) and array.size}
