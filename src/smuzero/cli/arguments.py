"""Command-line arguments from dataclasses: help text is their docstrings, types are their annotations."""

from collections.abc import Sequence
from typing import Any, TypeVar

Arguments = TypeVar("Arguments")


def parse(kind: type[Arguments], command: str, arguments: Sequence[str], default: Any = None) -> Arguments:
    """The arguments of `smuzero COMMAND` as an instance of `kind`.

    `default` fills what is not given. Prints help (exit code 0) or one complaint
    on stderr (exit code 2) by raising SystemExit.
    """
    import tyro

    extra = {} if default is None else {"default": default}
    return tyro.cli(kind, prog=f"smuzero {command}", args=list(arguments), **extra)


def given_options(arguments: Sequence[str]) -> list[str]:
    """The names of the options that stand among the arguments: `--search.num-samples=5` is `search.num_samples`."""
    options = [argument[2:].partition("=")[0] for argument in arguments if argument.startswith("--")]
    return [option.replace("-", "_") for option in options]


def value_of(option: str, arguments: Sequence[str]) -> str | None:
    """What follows `option` among arguments that are not parsed yet."""
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == option:
            return value if equals else next(iter(arguments[place + 1 :]), None)
    return None
