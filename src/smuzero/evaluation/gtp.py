"""The words of the Go Text Protocol, version 2: vertices, colours, commands and responses.

A command is one line, `[id] name arguments`; its response is `=[id] text` or
`?[id] message`, ended by an empty line. Columns are letters without I, rows count
from the bottom. In the project's arrays a move is row · N + column from the top,
and N² is a pass.
"""

from typing import NamedTuple

COLUMNS = "ABCDEFGHJKLMNOPQRST"
COLOURS = {"b": 0, "black": 0, "w": 1, "white": 1}
"""Seats by name; Black moves first."""


class NotAVertex(ValueError):
    """A word names no point of the board, and no pass."""


class Command(NamedTuple):
    """One line of a controller."""

    id: str
    """Digits, or nothing."""
    name: str
    arguments: list[str]


def parse_command(line: str) -> Command | None:
    """The command in a line; None for a line without one. Comments and control characters are dropped."""
    text = line.partition("#")[0].replace("\t", " ")
    words = "".join(character for character in text if character.isprintable()).split()
    if not words:
        return None
    number = words.pop(0) if words[0].isdigit() else ""
    return Command(number, words[0], words[1:]) if words else Command(number, "", [])


def respond(command: Command, text: str, ok: bool = True) -> str:
    """A response as it is sent, its empty line included."""
    return f"{'=' if ok else '?'}{command.id} {text}".rstrip(" ") + "\n\n"


def vertex_of(move: int, size: int) -> str:
    """`Q16` or `pass`."""
    if move == size * size:
        return "pass"
    row, column = divmod(move, size)
    return f"{COLUMNS[column]}{size - row}"


def move_of(vertex: str, size: int) -> int:
    """The inverse of `vertex_of`, in either case. Raises NotAVertex."""
    word = vertex.upper()
    if word == "PASS":
        return size * size
    column, row = COLUMNS.find(word[:1]) if word else -1, word[1:]
    if not 0 <= column < size or not row.isdigit() or not 1 <= int(row) <= size:
        raise NotAVertex(f"{vertex!r} is no vertex of a {size}x{size} board")
    return (size - int(row)) * size + column
