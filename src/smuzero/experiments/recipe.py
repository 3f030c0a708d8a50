"""What a run is made from, whole: recorded in `config.json`, so that it can be made again exactly."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from smuzero.actions.spaces import ActionSpace, BinnedBox, Composite, Discrete, MultiDiscrete, SquashedBox
from smuzero.experiments import config as settings
from smuzero.experiments.config import Config
from smuzero.runtime.durable import DamagedFile
from smuzero.types import Part

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An environment, a seed and all settings; and the shapes the network was made for."""

    env: str | None
    """The environment's id; None where it came from a factory, which cannot be written down."""
    env_name: str
    """What the environment calls itself."""
    seed: int
    preset: str
    """The name the settings were composed from, overrides aside."""
    config: Config
    observation_shape: tuple[int, ...]
    space: ActionSpace
    observation_dtype: str = "float32"
    """NumPy's name of it. What is not a float stays what it is up to the network."""
    parts: tuple[Part, ...] = ()
    """Of what an observation is made, where it is several arrays in one."""
    stack: int = 1
    """How many things an observation shows, each of which the replay stores once."""

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return {
            "format": FORMAT,
            "env": self.env,
            "env_name": self.env_name,
            "seed": self.seed,
            "preset": self.preset,
            "observation_shape": list(self.observation_shape),
            "observation_dtype": self.observation_dtype,
            "observation_stack": self.stack,
            "observation_parts": [[part.name, list(part.shape), part.dtype.name] for part in self.parts],
            "action_space": _space_to_json(self.space),
            "settings": settings.to_json(self.config),
        }


def from_json(value: Mapping[str, Any], where: object) -> Recipe:
    """What `Recipe.to_json` gave. Raises DamagedFile, naming the file `where`, and InvalidSetting."""
    if value.get("format") != FORMAT:
        raise DamagedFile(
            f"{where} has format {value.get('format')!r}, but this version of smuzero reads format {FORMAT}."
        )
    try:
        return Recipe(
            env=value["env"],
            env_name=value["env_name"],
            seed=value["seed"],
            preset=value["preset"],
            config=settings.from_json(value["settings"]),
            observation_shape=tuple(value["observation_shape"]),
            space=_space(value["action_space"]),
            observation_dtype=np.dtype(value.get("observation_dtype", "float32")).name,
            stack=value.get("observation_stack", 1),
            parts=tuple(
                Part(name, tuple(shape), np.dtype(dtype)) for name, shape, dtype in value.get("observation_parts", [])
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamagedFile(f"{where} is no configuration of a run ({error!r}): it was changed by hand.") from error


_SPACES = {kind.__name__: kind for kind in (Discrete, MultiDiscrete, BinnedBox, SquashedBox, Composite)}


def _space_to_json(space: ActionSpace) -> dict[str, Any]:
    """The space's fields and its kind; members of a composite space likewise."""
    fields = {field.name: getattr(space, field.name) for field in dataclasses.fields(space)}
    if "dtype" in fields:
        fields["dtype"] = fields["dtype"].name
    if isinstance(space, Composite):
        fields["members"] = [_space_to_json(member) for member in space.members]
    return fields | {"kind": type(space).__name__}


def _space(fields: Mapping[str, Any]) -> ActionSpace:
    given: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in fields.items() if name != "kind"
    }
    if "dtype" in given:
        given["dtype"] = np.dtype(given["dtype"])
    if "members" in given:
        given["members"] = tuple(_space(member) for member in given["members"])
    return _SPACES[fields["kind"]](**given)
