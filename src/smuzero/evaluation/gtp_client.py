"""A Go program as opponent: games against anything that speaks the Go Text Protocol.

The program runs as a process of its own. The rules are those of our board, which
is the referee: a program that plays an illegal move, says nothing in time or dies
has lost that game, for that reason, and the next game starts it anew if need be.
"""

import contextlib
import queue
import shlex
import subprocess
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from smuzero.envs import boards
from smuzero.envs.boards import Board
from smuzero.evaluation.gtp import NotAVertex, move_of, vertex_of
from smuzero.evaluation.gtp_engine import Think, playable
from smuzero.evaluation.matches import without_pass
from smuzero.types import UserError

STARTING_SECONDS = 30.0
"""What a program may take for its first answer, beyond the time of a move."""


class Failed(Exception):
    """The program did not do what was asked; `reason` is one of those of `GameRecord`."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


class GameRecord(NamedTuple):
    """One game against a program."""

    result: float | None
    """1, 0 or -1 for the agent; None where the program refused one of its legal moves, which decides nothing."""
    reason: str
    """"score", "resigned", "illegal" (move), "timeout", "died", "garbled" (answer) or "refused"."""
    agent_is_black: bool
    moves: list[str]
    """Vertices, the opening's included."""
    message: str = ""
    """What the program said, where it failed."""


class Program:
    """A running Go program."""

    def __init__(self, command: str, timeout: float):
        """Raises UserError if it cannot be started."""
        self.command, self._timeout = command, timeout
        try:
            self._process = subprocess.Popen(
                shlex.split(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                bufsize=1,
            )
        except (OSError, ValueError) as error:
            raise UserError(f"The opponent {command!r} cannot be started: {error}.") from error
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None, "it was opened as a pipe"
        # A program that was stopped while this thread waits leaves a closed pipe: its lines end there.
        with contextlib.suppress(ValueError):
            for line in self._process.stdout:
                self._lines.put(line.rstrip("\r\n"))
        self._lines.put(None)

    def ask(self, command: str, extra_seconds: float = 0.0) -> str:
        """The text of a response; raises Failed for an error, silence or death."""
        assert self._process.stdin is not None, "it was opened as a pipe"
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Failed("died", f"It was gone when asked to {command}.") from error
        lines: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=self._timeout + extra_seconds)
            except queue.Empty:
                raise Failed("timeout", f"No answer to {command} in {self._timeout:g} seconds.") from None
            if line is None:
                raise Failed("died", f"It ended when asked to {command}.")
            if line.strip() or lines:
                lines.append(line)
            # An empty line ends a response; before one it means nothing.
            if lines and not line.strip():
                return _text_of(lines, command)

    def close(self) -> None:
        """End the program, by force if it does not."""
        try:
            if self._process.poll() is None and self._process.stdin is not None:
                self._process.stdin.write("quit\n")
                self._process.stdin.flush()
                self._process.wait(timeout=1.0)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            pass
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                pass


def _text_of(lines: list[str], command: str) -> str:
    first, *rest = lines
    if first[:1] not in ("=", "?"):
        raise Failed("garbled", f"It answered {first!r} to {command}.")
    text = "\n".join([first[1:].lstrip("0123456789").strip(), *rest]).strip()
    if first[0] == "?":
        raise Failed("garbled", f"It refused {command}: {text}")
    return text


def play_gtp_match(
    board: Board,
    think: Think,
    command: str,
    games: int,
    seed: int,
    *,
    opening_moves: int = 2,
    timeout: float = 60.0,
    report: Callable[[GameRecord], None] = lambda record: None,
) -> list[GameRecord]:
    """Games against the program that `command` starts, colours alternated, each opening played once with each colour.

    `timeout` is the time of one answer, in seconds. Raises UserError if the
    program cannot be started or plays no such board.
    """
    size = boards.go_size(board.spec.name)
    if size is None:
        raise UserError(f"The Go Text Protocol plays Go, not {board.spec.name}.")
    opening_position = jax.jit(board.init)()
    rules = _Rules(board, size, jax.jit(board.step), jax.jit(lambda state: playable(board, state)))
    program = _started(command, size, timeout)
    records = []
    try:
        for number in range(games):
            opening = np.random.default_rng([seed, number // 2])
            try:
                program.ask("clear_board")
            except Failed:
                program.close()
                program = _started(command, size, timeout)
            game = _Game(rules, opening_position, program, think, agent_seat=number % 2)
            records.append(game.play(opening, opening_moves))
            report(records[-1])
            if records[-1].reason in ("timeout", "died", "garbled"):
                # What it may still say belongs to a game that is over.
                program.close()
                program = _started(command, size, timeout)
    finally:
        program.close()
    return records


def _started(command: str, size: int, timeout: float) -> Program:
    program = Program(command, timeout)
    try:
        program.ask(f"boardsize {size}", STARTING_SECONDS)
        program.ask(f"komi {boards.KOMI:g}")
        program.ask("clear_board")
    except Failed as failed:
        program.close()
        raise UserError(f"The opponent {command!r} is not ready for a board of {size}x{size}: {failed}") from failed
    return program


class _Rules(NamedTuple):
    board: Board
    size: int
    step: Any
    playable: Any
    """state -> the moves worth a thought; both compiled."""


class _Game:
    """One game in progress; the board is the referee."""

    def __init__(self, rules: _Rules, state: Any, program: Program, think: Think, agent_seat: int):
        self._board, self._size, self._step, self._playable = rules
        self._state, self._program, self._think, self._agent_seat = state, program, think, agent_seat
        self._moves: list[str] = []

    def play(self, opening: np.random.Generator, opening_moves: int) -> GameRecord:
        """The whole game."""
        try:
            for _ in range(opening_moves):
                legal = without_pass(self._board, np.asarray(self._board.legal(self._state)))
                self._tell(int(opening.choice(np.flatnonzero(legal))))
            while not bool(self._board.is_terminal(self._state)):
                ended = self._agent_moves() if self._mover() == self._agent_seat else self._program_moves()
                if ended is not None:
                    return ended
        except Failed as failed:
            refused = failed.reason == "garbled" and "refused play" in str(failed)
            return self._record(None if refused else 1.0, "refused" if refused else failed.reason, str(failed))
        return self._record(float(self._board.rewards(self._state)[self._agent_seat]), "score")

    def _mover(self) -> int:
        return int(self._board.to_play(self._state))

    def _agent_moves(self) -> None:
        legal = np.asarray(self._playable(self._state))
        self._tell(self._think(np.asarray(self._board.observe(self._state)), legal).move)

    def _program_moves(self) -> GameRecord | None:
        answer = self._program.ask(f"genmove {'bw'[self._mover()]}")
        if answer.lower() == "resign":
            return self._record(1.0, "resigned")
        try:
            move = move_of(answer, self._size)
        except NotAVertex:
            return self._record(1.0, "illegal", f"It answered {answer!r}.")
        if not bool(self._board.legal(self._state)[move]):
            return self._record(1.0, "illegal", f"It played {answer}.")
        self._make(move)
        return None

    def _tell(self, move: int) -> None:
        self._program.ask(f"play {'bw'[self._mover()]} {vertex_of(move, self._size)}")
        self._make(move)

    def _make(self, move: int) -> None:
        self._moves.append(vertex_of(move, self._size))
        self._state = self._step(self._state, move)

    def _record(self, result: float | None, reason: str, message: str = "") -> GameRecord:
        return GameRecord(result, reason, self._agent_seat == 0, self._moves, message)
