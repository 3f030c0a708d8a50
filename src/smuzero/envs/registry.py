"""Where ids lead: `family:name` is looked up by its family, and the family's module makes the environment.

A family is named by the place of a function `(name, seed) -> Env`, imported only
when an environment of that family is first made, so that an optional package is
needed only by those who use it.
"""

import difflib
import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import gymnasium

from smuzero.envs import boards
from smuzero.envs.base import Env, Listed, UnknownEnvironment
from smuzero.envs.wrappers import ActionRepeat, CheckFinite
from smuzero.types import UserError

EnvFactory = Callable[[], gymnasium.Env[Any, Any]]
"""A function that makes one Gymnasium environment of the user's own."""


class Family(NamedTuple):
    """Environments made by one module, which is imported only when one of them is wanted."""

    make: str
    """The place, `module:function`, of a function `(name, seed) -> Env`."""
    list: str
    """The place of a function `() -> list[Listed]`."""
    example: str
    about: str
    """One line for `smuzero envs`."""
    frame_seconds: str | None = None
    """The place of a function `(name) -> float`: the seconds that one frame lasts. None where frames have no such time
    that an agent could go by."""


FAMILIES: dict[str, Family] = {
    "dmc": Family(
        "smuzero.envs.control:make_control",
        "smuzero.envs.control:list_control",
        "dmc:cartpole.swingup",
        "DeepMind Control Suite from its states",
        "smuzero.envs.control:frame_seconds",
    ),
    "dmc-pixels": Family(
        "smuzero.envs.pixels:make_pixels",
        "smuzero.envs.pixels:list_pixels",
        "dmc-pixels:cartpole.balance",
        "DeepMind Control Suite from pictures",
    ),
    "cmu": Family(
        "smuzero.envs.locomotion:make_locomotion",
        "smuzero.envs.locomotion:list_locomotion",
        "cmu:go_to_target",
        "CMU humanoid with 56 action dimensions",
    ),
    "rwrl": Family(
        "smuzero.envs.realworld:make_realworld",
        "smuzero.envs.realworld:list_realworld",
        "rwrl:cartpole.swingup/easy",
        "Real-World RL suite: delays, noise, dropouts, changing bodies",
        "smuzero.envs.realworld:frame_seconds",
    ),
    "atari": Family(
        "smuzero.envs.atari:make_atari",
        "smuzero.envs.atari:list_atari",
        "atari:MsPacman",
        "Atari games from pictures, preprocessed as in MuZero",
    ),
    "gym": Family(
        "smuzero.envs.gym:make_gym",
        "smuzero.envs.gym:list_gym",
        "gym:CartPole-v1",
        "any registered Gymnasium environment",
    ),
}
"""By the word before the colon of an id."""


def make(env_id: str | EnvFactory, *, seed: int, action_repeat: int = 1) -> Env:
    """Makes the environment with this id, or the one a factory returns.

    `dmc:cartpole.swingup` is a task of the DeepMind Control Suite, `gym:CartPole-v1`
    any registered Gymnasium environment; `smuzero envs` lists all. All its randomness comes from `seed`
    (0 to 2³² − 1). With `action_repeat`, each action is given that many times.
    Raises UnknownEnvironment, naming near ids.
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"The seed {seed} is not between 0 and 2**32 - 1.")
    env: Env = CheckFinite(_load(env_id, seed))
    return ActionRepeat(env, action_repeat) if action_repeat != 1 else env


def list_family(family: str) -> list[Listed]:
    """All environments of a family. Raises MissingExtra where its package is not installed."""
    if family not in FAMILIES:
        raise UnknownEnvironment(
            f"There is no family {family!r} of environments.{near_names(family, FAMILIES)} "
            f"Families are {', '.join(FAMILIES)}."
        )
    return _resolve(FAMILIES[family].list)()


def frame_seconds(env_id: str) -> float | None:
    """The seconds that one frame of this environment lasts; None where its family does not say.

    Raises UnknownEnvironment, naming near ids.
    """
    family, _, name = env_id.partition(":")
    place = FAMILIES[family].frame_seconds if family in FAMILIES else None
    return None if place is None else _resolve(place)(name)


def near_names(name: str, known: Iterable[str]) -> str:
    """A sentence with the known names nearest to `name`; empty where none is near."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _load(env_id: Any, seed: int) -> Env:
    if callable(env_id):
        return _resolve("smuzero.envs.gym:from_factory")(env_id, seed)
    if not isinstance(env_id, str):
        raise UserError(
            f"An environment is given by its id or by a function that makes it, not by {type(env_id).__name__}. "
            "In place of an environment, pass a function that returns a new one."
        )
    family, colon, name = env_id.partition(":")
    if boards.is_board(env_id):
        raise UserError(f"{env_id} is a game for two, played in self-play: smuzero train {env_id}.")
    if not colon or family not in FAMILIES:
        examples = ", ".join(f"{known}:…" for known in sorted(FAMILIES))
        suggestion = near_names(family, [*FAMILIES, *boards.GAMES] if colon else boards.GAMES)
        raise UnknownEnvironment(
            f"{env_id!r} is not an environment id.{suggestion} Ids start with their family: {examples}; for example "
            "dmc:cartpole.swingup or gym:CartPole-v1. Board games are go:9x9, tictactoe and others: see docs/go.md."
        )
    return _resolve(FAMILIES[family].make)(name, seed)


def _resolve(place: str) -> Callable[..., Any]:
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)
