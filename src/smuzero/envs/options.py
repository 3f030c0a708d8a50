"""Settings inside an id: `family:name,option=value,…`, such as `atari:MsPacman,sticky=0`.

An id alone says which environment was meant, so whatever changes an environment
belongs into it. Commas and equal signs need no quotes in a shell.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from smuzero.envs.base import UnknownEnvironment
from smuzero.types import UserError

Value = bool | int | float | str
Of = TypeVar("Of")

_BOOLS = {"": True, "1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
"""How a bool may be given; the option's name alone turns it on."""


def split_options(family: str, text: str, defaults: Mapping[str, Value]) -> tuple[str, dict[str, Any]]:
    """Splits `name,option=value,…` into the name and all options, which have the types of their defaults.

    Raises UserError for an option that the family does not have, or a value of another type.
    """
    name, *given = text.split(",")
    options: dict[str, Any] = dict(defaults)
    for item in given:
        key, _, value = item.partition("=")
        if key not in defaults:
            raise UserError(f"{family}:{text} names the option {key!r}, but {family}: has {_listed(defaults)}.")
        options[key] = _converted(f"{family}:{text}", key, value, defaults[key])
    return name, options


def one_of(env_id: str, key: str, value: Of, allowed: Mapping[Of, Any] | tuple[Of, ...]) -> Of:
    """The value, if it is allowed; otherwise raises UserError."""
    if value not in allowed:
        raise UserError(f"{env_id}: {key} is {value!r}, but may be {', '.join(str(choice) for choice in allowed)}.")
    return value


def at_least(env_id: str, key: str, value: float | int, least: float | int) -> None:
    """Raises UserError where a number is too small."""
    if not value >= least:
        raise UserError(f"{env_id}: {key} is {value}, but must be at least {least}.")


def known_name(family: str, name: str, known: tuple[str, ...]) -> str:
    """The name, if it is known; otherwise raises UnknownEnvironment."""
    if name not in known:
        raise UnknownEnvironment(f"There is no environment {family}:{name}. {family}: has {', '.join(known)}.")
    return name


def _converted(env_id: str, key: str, text: str, default: Value) -> Value:
    try:
        return _BOOLS[text.lower()] if isinstance(default, bool) else type(default)(text)
    except (KeyError, ValueError):
        kind = {bool: "yes or no", int: "a whole number", float: "a number"}.get(type(default), "a text")
        raise UserError(f"{env_id}: {key} is {text!r}, but must be {kind}; the default is {default}.") from None


def _listed(defaults: Mapping[str, Value]) -> str:
    return ", ".join(f"{key}={default}" for key, default in defaults.items()) or "no options"
