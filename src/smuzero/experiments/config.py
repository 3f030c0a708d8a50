"""A run's settings, composed: the one place where the layers' own settings meet.

A setting is named by its section and itself, `search.num_samples`. By such names
presets say how they differ, users override, and `config.json` is read back.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from smuzero.agent.improvement import ImprovementSettings
from smuzero.agent.learner_settings import LearnerSettings
from smuzero.agent.reanalyse import ReanalyseSettings
from smuzero.agent.selfplay import SelfPlaySettings
from smuzero.networks.settings import NetworkSettings
from smuzero.replay.buffer import ReplaySettings
from smuzero.runtime.local import RunSettings
from smuzero.search.settings import SearchSettings
from smuzero.types import UserError, check_at_least


class InvalidSetting(UserError):
    """A setting is unknown, or its value is none that it can take."""


@dataclasses.dataclass(frozen=True)
class ActingSettings:
    """How the agent meets its environments."""

    num_envs: int = 16
    """Environments acting together; the batch of the acting search."""
    env_options: str = ""
    """Options that are added to the environment's id where it does not have them itself, such as stack=4."""
    num_workers: int = 0
    """Worker processes the environments are spread over; 0 steps them in this process."""
    action_repeat: int = 1
    """Frames each action is held; the paper's is 1."""
    head: Literal["categorical", "gaussian"] = "categorical"
    """Policy of a continuous action: bins (Section 6.3), or a tanh-squashed Gaussian (Appendix A.1)."""
    bins: int = 7
    """Bins of each dimension of a continuous action with the categorical head (Section 6.3)."""
    structure: Literal["factored", "autoregressive"] = "factored"
    """Whether an action's components are drawn independently, or each given those before it."""
    temperature: float = 1.0
    """Actions are drawn from N^(1/temperature); the paper's is 1 (Section 5.3)."""
    cut_after: int = 0
    """Frames after which a share of the environments end their training episodes, as by a time limit, and begin anew:
    many starts, where starts differ, are soon met near what is rewarded. 0 cuts none; evaluation has whole episodes."""
    cut_share: float = 0.5
    """Share of the environments whose episodes are cut; their returns are not in `rollout/return`."""

    def __post_init__(self):
        known = {"head": ("categorical", "gaussian"), "structure": ("factored", "autoregressive")}
        for name, options in known.items():
            if getattr(self, name) not in options:
                raise ValueError(f"{name} is {getattr(self, name)!r}, but must be {' or '.join(map(repr, options))}.")
        check_at_least(self, num_envs=1, num_workers=0, action_repeat=1, bins=2, temperature=0, cut_after=0)
        if not 0 <= self.cut_share <= 1:
            raise ValueError(f"cut_share is {self.cut_share}, but must lie in [0, 1].")

    @property
    def num_cut(self) -> int:
        """Environments whose episodes are cut."""
        return round(self.cut_share * self.num_envs) if self.cut_after else 0


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything a run follows from, together with its environment and seed."""

    acting: ActingSettings = dataclasses.field(default_factory=ActingSettings)
    network: NetworkSettings = dataclasses.field(default_factory=NetworkSettings)
    search: SearchSettings = dataclasses.field(default_factory=SearchSettings)
    improvement: ImprovementSettings = dataclasses.field(default_factory=ImprovementSettings)
    replay: ReplaySettings = dataclasses.field(default_factory=ReplaySettings)
    reanalyse: ReanalyseSettings = dataclasses.field(default_factory=ReanalyseSettings)
    learner: LearnerSettings = dataclasses.field(default_factory=LearnerSettings)
    selfplay: SelfPlaySettings = dataclasses.field(default_factory=SelfPlaySettings)
    run: RunSettings = dataclasses.field(default_factory=RunSettings)

    def __post_init__(self):
        if self.search.num_simulations == 0:
            raise InvalidSetting(
                "search.num_simulations is 0, but acting goes by visits: it needs at least 1. The paper uses 50."
            )
        if self.reanalyse.num_simulations == 0 and self.improvement.needs_visits:
            raise InvalidSetting(
                f"reanalyse.num_simulations is 0, but improvement.operator {self.improvement.operator!r} is made from "
                "visits: give simulations, or an operator on Q alone (mpo, awr, ppo, pg)."
            )
        if self.reanalyse.corrects_values and self.reanalyse.lookahead > self.learner.reach:
            raise InvalidSetting(
                f"reanalyse.lookahead is {self.reanalyse.lookahead}, but with reanalyse.corrects_values as many "
                f"steps must follow a window's unroll, which are {self.learner.reach}: make learner.n_step larger."
            )


def changed(config: Config, changes: Mapping[str, Any]) -> Config:
    """The config with some settings changed, each named `section.setting`.

    Raises InvalidSetting for an unknown name, with near ones, and for a value of
    another type or out of range. A list will do for a tuple, an int for a float.
    """
    known = setting_types()
    sections: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"Sections are {', '.join(_section_types())}."
            raise InvalidSetting(f"There is no setting {name!r}. {hint} `smuzero train --help` lists all.")
        section, _, setting = name.partition(".")
        sections.setdefault(section, {})[setting] = _converted(name, value, known[name])
    replaced = {section: _replace(section, getattr(config, section), new) for section, new in sections.items()}
    return dataclasses.replace(config, **replaced)


def setting_types() -> dict[str, Any]:
    """The annotated type of every setting, by its dotted name."""
    return {
        f"{section}.{setting.name}": hints[setting.name]
        for section, kind in _section_types().items()
        for hints in [typing.get_type_hints(kind)]
        for setting in dataclasses.fields(kind)
    }


def settings_of(config: Config) -> dict[str, Any]:
    """Every setting's value, by its dotted name."""
    return {name: getattr(getattr(config, section), setting) for name, section, setting in _names()}


def differences(one: Config, other: Config) -> dict[str, tuple[Any, Any]]:
    """The settings in which two configs differ: name -> (value in one, value in the other)."""
    first, second = settings_of(one), settings_of(other)
    return {name: (first[name], second[name]) for name in first if first[name] != second[name]}


def to_json(config: Config) -> dict[str, Any]:
    """The config as nested dicts of JSON values."""
    return dataclasses.asdict(config)


def from_json(sections: Mapping[str, Any]) -> Config:
    """What `to_json` gave. A setting that is absent takes its default. Raises InvalidSetting."""
    given = {}
    for section, settings in sections.items():
        if not isinstance(settings, Mapping):
            raise InvalidSetting(f"Section {section!r} of the settings is {settings!r}, not an object of settings.")
        given |= {f"{section}.{name}": value for name, value in settings.items()}
    return changed(Config(), given)


def _section_types() -> dict[str, type]:
    return typing.get_type_hints(Config)


def _names() -> list[tuple[str, str, str]]:
    return [(name, *name.split(".")) for name in setting_types()]  # pyright: ignore[reportReturnType]


def _replace(section: str, settings: Any, new: dict[str, Any]) -> Any:
    try:
        return dataclasses.replace(settings, **new)
    except ValueError as error:
        raise InvalidSetting(f"{section}.{error}") from error


def _converted(name: str, value: Any, kind: Any) -> Any:
    """The value as an instance of the annotated type `kind`; raises InvalidSetting."""
    if isinstance(kind, types.UnionType):
        for option in typing.get_args(kind):
            try:
                return _converted(name, value, option)
            except InvalidSetting:
                continue
    elif typing.get_origin(kind) is typing.Literal:
        if value in typing.get_args(kind):
            return value
    elif typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        if isinstance(value, tuple | list) and len(value) == len(parts):
            return tuple(_converted(name, *pair) for pair in zip(value, parts, strict=True))
    elif kind is float and type(value) is int:
        return float(value)
    elif type(value) is kind:
        return value
    raise InvalidSetting(f"{name} is {value!r}, but must be {readable_type(kind)}.")


def readable_type(kind: Any) -> str:
    """A type as people say it."""
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(repr(option) for option in typing.get_args(kind))
    if isinstance(kind, types.UnionType):
        return " or ".join(readable_type(option) for option in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "(" + ", ".join(readable_type(part) for part in typing.get_args(kind)) + ")"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "None"}
    return words.get(kind, str(kind))
