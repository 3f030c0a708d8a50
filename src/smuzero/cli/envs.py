"""`smuzero envs`: which environments there are."""

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import tyro

from smuzero.cli.arguments import parse

if TYPE_CHECKING:
    from smuzero.envs.base import Listed


@dataclasses.dataclass(frozen=True)
class Envs:
    """smuzero envs --tag hard

    Lists environments, one id a line: those of a family, those of a set, or the families alone.
    """

    family: tyro.conf.Positional[str] = ""
    """A family, such as dmc; without one, the families are listed, or all that have the tag."""
    tag: str = ""
    """A set of tasks: easy, medium, hard, manipulator or dreamer20 of the control suite, and others as listed."""
    json: bool = False
    """Print a list of JSON objects."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Envs, "envs", arguments)
    from smuzero.envs.registry import FAMILIES

    if not given.family and not given.tag:
        rows = [{"family": name, "example": kind.example, "about": kind.about} for name, kind in FAMILIES.items()]
        print(json.dumps(rows) if given.json else "\n".join(families()))
        return 0
    found = tagged(given.family.partition(":")[0], given.tag)
    if given.json:
        print(json.dumps([{"id": listed.id, "tags": list(listed.tags)} for listed in found]))
    else:
        width = max(len(listed.id) for listed in found)
        print("\n".join(f"{listed.id.ljust(width)}  {' '.join(listed.tags)}".rstrip() for listed in found))
    return 0


def families() -> list[str]:
    """One line for each family, with its tags."""
    from smuzero.envs.registry import FAMILIES

    width = max(len(kind.example) for kind in FAMILIES.values())
    lines = [f"{kind.example.ljust(width)}  {kind.about}" for kind in FAMILIES.values()]
    return [*lines, "", "`smuzero envs dmc` lists a family, `smuzero envs --tag hard` a set of the paper's tasks."]


def tagged(family: str, tag: str) -> "list[Listed]":
    """The environments of one family, or of all, that have a tag if one is asked for. Raises UserError for none."""
    from smuzero.envs.base import MissingExtra
    from smuzero.envs.registry import FAMILIES, list_family
    from smuzero.types import UserError

    listed = []
    for name in [family] if family else FAMILIES:
        try:
            listed += list_family(name)
        except MissingExtra:
            if family:
                raise
    found = [one for one in listed if not tag or tag in one.tags]
    if not found:
        known = sorted({tag for one in listed for tag in one.tags})
        raise UserError(f"No environment has the tag {tag!r}. Tags are {', '.join(known)}.")
    return found
