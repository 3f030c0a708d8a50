"""An agent as a Go engine: the Go Text Protocol, version 2, from commands to responses.

Any controller (a GUI, a referee, another program) drives it by lines of text. The
engine keeps the moves of the game and replays them where it has to: after `undo`,
and where a colour moves twice in a row, which the protocol allows and the rules
do not, so that a pass is put in between.

The network was trained with one komi; another one is accepted, as the protocol
demands, and counts in `final_score` only. An agent without a clock answers as
fast as its simulations allow: time settings are accepted and change nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Num

from smuzero.envs import boards
from smuzero.envs.boards import Board
from smuzero.evaluation.gtp import COLOURS, COLUMNS, Command, NotAVertex, move_of, parse_command, respond, vertex_of

PROTOCOL_VERSION = "2"


class Rejected(Exception):
    """A command that fails; its message is the response."""


class Thought(NamedTuple):
    """What an agent decided in one position."""

    move: int
    value: float
    """Of the position, to the player who moves: 1 is a sure win."""


Think = Callable[[Num[np.ndarray, "..."], Bool[np.ndarray, " n"]], Thought]
"""observation, legal moves -> decision"""


class Engine:
    """One game at a time; `answer` takes a line and gives the response, or nothing."""

    def __init__(self, board: Board, think: Think, *, version: str = "", resign_below: float = -1.0):
        """`resign_below`: `genmove` resigns where the search's value is lower; -1 never does."""
        size = boards.go_size(board.spec.name)
        if size is None:
            raise ValueError(f"The Go Text Protocol plays Go, not {board.spec.name}.")
        self.is_running = True
        self._board, self._think, self._size, self._version = board, think, size, version
        self._resign_below, self._komi = resign_below, boards.KOMI
        self._step, self._init = jax.jit(board.step), jax.jit(board.init)
        self._playable = jax.jit(lambda state: playable(board, state))
        self._clear()
        self._commands: dict[str, Callable[[list[str]], str]] = {
            "protocol_version": lambda _: PROTOCOL_VERSION,
            "name": lambda _: "smuzero",
            "version": lambda _: self._version,
            "known_command": lambda words: "true" if words and words[0] in self._commands else "false",
            "list_commands": lambda _: "\n".join(sorted(self._commands)),
            "quit": self._quit,
            "boardsize": self._boardsize,
            "clear_board": lambda _: self._clear(),
            "komi": self._set_komi,
            "play": self._play,
            "genmove": self._genmove,
            "undo": self._undo,
            "time_settings": lambda words: self._accept_numbers(words, 3),
            "time_left": self._time_left,
            "showboard": lambda _: "\n" + self.diagram(),
            "final_score": lambda _: self.final_score(),
        }

    def answer(self, line: str) -> str:
        """The response to one line, as it is to be sent; empty for an empty line or a comment."""
        command = parse_command(line)
        if command is None:
            return ""
        if command.name not in self._commands:
            return respond(command, "unknown command", ok=False)
        try:
            return respond(command, self._commands[command.name](command.arguments) or "")
        except Rejected as rejected:
            return respond(command, str(rejected), ok=False)

    def _clear(self) -> str:
        self._state = self._init()
        self._moves: list[int] = []
        """What was played, passes put in between included."""
        self._added: list[int] = []
        """How many of them each command added, for `undo`."""
        return ""

    def _quit(self, _: list[str]) -> str:
        self.is_running = False
        return ""

    def _boardsize(self, words: list[str]) -> str:
        if len(words) != 1 or not words[0].isdigit():
            raise Rejected("syntax error")
        if int(words[0]) != self._size:
            raise Rejected("unacceptable size")
        return self._clear()

    def _set_komi(self, words: list[str]) -> str:
        self._accept_numbers(words, 1)
        self._komi = float(words[0])
        return ""

    def _accept_numbers(self, words: list[str], count: int) -> str:
        try:
            if len(words) != count or not np.isfinite([float(word) for word in words]).all():
                raise Rejected("syntax error")
        except ValueError:
            raise Rejected("syntax error") from None
        return ""

    def _time_left(self, words: list[str]) -> str:
        if not words or words[0].lower() not in COLOURS:
            raise Rejected("syntax error")
        return self._accept_numbers(words[1:], 2)

    def _play(self, words: list[str]) -> str:
        if len(words) != 2 or words[0].lower() not in COLOURS:
            raise Rejected("syntax error")
        try:
            move = move_of(words[1], self._size)
        except NotAVertex:
            raise Rejected("syntax error") from None
        needed = self._passes_before(COLOURS[words[0].lower()])
        state = self._after(needed)
        if not bool(self._board.legal(state)[move]) or bool(self._board.is_terminal(state)):
            raise Rejected("illegal move")
        self._commit([*needed, move])
        return ""

    def _genmove(self, words: list[str]) -> str:
        if len(words) != 1 or words[0].lower() not in COLOURS:
            raise Rejected("syntax error")
        needed = self._passes_before(COLOURS[words[0].lower()])
        state = self._after(needed)
        if bool(self._board.is_terminal(state)):
            self._commit([*needed, self._size**2])
            return "pass"
        thought = self._think(np.asarray(self._board.observe(state)), np.asarray(self._playable(state)))
        if thought.value < self._resign_below:
            return "resign"
        self._commit([*needed, thought.move])
        return vertex_of(thought.move, self._size)

    def _undo(self, _: list[str]) -> str:
        if not self._added:
            raise Rejected("cannot undo")
        kept, added = self._moves[: -self._added[-1]], self._added[:-1]
        self._clear()
        for move in kept:
            self._state = self._step(self._state, move)
        self._moves, self._added = kept, added
        return ""

    def _passes_before(self, seat: int) -> list[int]:
        return [] if len(self._moves) % 2 == seat else [self._size**2]

    def _after(self, moves: list[int]) -> Any:
        state = self._state
        for move in moves:
            state = self._step(state, move)
        return state

    def _commit(self, moves: list[int]) -> None:
        self._state = self._after(moves)
        self._moves += moves
        self._added.append(len(moves))

    def stones(self) -> np.ndarray:
        """The board: 1 for Black, -1 for White, 0 for an empty point."""
        seen = np.asarray(self._board.observe(self._state), np.int8)
        own = 1 if int(self._board.to_play(self._state)) == 0 else -1
        return own * (seen[..., 0] - seen[..., 1])

    def diagram(self) -> str:
        """The board in letters."""
        letters = "   " + " ".join(COLUMNS[: self._size])
        rows = [
            f"{self._size - row:2} " + " ".join("O.X"[stone + 1] for stone in stones) + f" {self._size - row:2}"
            for row, stones in enumerate(self.stones())
        ]
        return "\n".join([letters, *rows, letters])

    def final_score(self) -> str:
        """Area as the stones stand, komi included: `B+3.5`, `W+7.5` or `0`."""
        score = area(self.stones()) - self._komi
        return "0" if score == 0 else f"{'B' if score > 0 else 'W'}+{abs(score):g}"


def playable(board: Board, state: Any) -> Any:
    """The legal moves but those that repeat a position, by which pgx lets the player lose at once; mask `[n]`."""
    after = jax.vmap(board.step, in_axes=(None, 0))(state, jnp.arange(board.num_actions))
    loses = jax.vmap(board.is_terminal)(after) & (jax.vmap(board.rewards)(after)[:, board.to_play(state)] < 0)
    legal = board.legal(state)
    # A pass, the last move, repeats nothing: it loses where the game ends by it, which can be right.
    return legal & (~loses | (jnp.arange(board.num_actions) == board.num_actions - 1))


def area(stones: np.ndarray) -> int:
    """Black's stones and surrounded points minus White's, every stone on the board alive (Tromp-Taylor)."""
    size, total, seen = len(stones), int(stones.sum()), np.zeros(stones.shape, bool)
    for start in zip(*np.nonzero(stones == 0), strict=True):
        if seen[start]:
            continue
        region, border, stack = 0, set(), [start]
        seen[start] = True
        while stack:
            row, column = stack.pop()
            region += 1
            for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if not (0 <= r < size and 0 <= c < size):
                    continue
                if stones[r, c] != 0:
                    border.add(int(stones[r, c]))
                elif not seen[r, c]:
                    seen[r, c] = True
                    stack.append((r, c))
        if len(border) == 1:
            total += region * border.pop()
    return total


def serve(engine: Engine, lines: Any, write: Callable[[str], None]) -> None:
    """Answer lines until `quit` or the end of input."""
    for line in lines:
        write(engine.answer(line))
        if not engine.is_running:
            return


__all__ = ["Command", "Engine", "Rejected", "Thought", "area", "playable", "serve"]
