"""Board games for two as pure functions, so that whole games run inside one compiled program (Section 6.1, Appendix B).

The rules are pgx's (Koyamada et al. 2023): `go:5x5` to `go:19x19`, `tictactoe`,
`connect_four`, `othello`, `hex`, `chess`. Here they become a `Board`: functions of one
state, to be batched by `jax.vmap`, in which the two players are seats 0, who
moves first, and 1. In all these games the mover changes with every move: where
somebody has nothing to play, passing is a move.

An observation shows the board as the player to move sees it, planes last. What
rules and komi Go is played by is in docs/go.md.
"""

import contextlib
import dataclasses
import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from jaxtyping import Int

from smuzero.envs.base import MissingExtra, UnknownEnvironment
from smuzero.types import EnvSpec

KOMI = 7.5
"""Points that White is given in Go, on every size of board; the half excludes draws."""

GAMES: dict[str, str] = {
    "go": "pgx.go:Go",
    "tictactoe": "pgx.tic_tac_toe:TicTacToe",
    "connect_four": "pgx.connect_four:ConnectFour",
    "othello": "pgx.othello:Othello",
    "hex": "pgx.hex:Hex",
    "chess": "pgx.chess:Chess",
}
"""For each family of ids the class of its rules."""

SMALLEST_GO, LARGEST_GO = 2, 19
"""pgx tells positions apart by a table of 19 by 19 points."""


class Symmetries(NamedTuple):
    """The S ways to turn and mirror a board that leave its rules as they are; the first is to leave it alone.

    Symmetry s shows at cell c what was at cell `source[s, c]`, and turns action a
    into `action[s, a]`.
    """

    source: Int[np.ndarray, "S cells"]
    action: Int[np.ndarray, "S n"]


@dataclasses.dataclass(frozen=True)
class Board:
    """A game for two as pure functions of one state; states are pytrees of arrays, opaque to callers."""

    spec: EnvSpec
    num_actions: int
    init: Callable[[], Any]
    """() -> the opening state"""
    step: Callable[[Any, Any], Any]
    """state, action (a whole number, legal) -> state; a finished game stays as it is"""
    observe: Callable[[Any], Any]
    """state -> observation [height, width, planes], from the view of the player to move"""
    legal: Callable[[Any], Any]
    """state -> mask [n]; all true once the game is over"""
    is_terminal: Callable[[Any], Any]
    rewards: Callable[[Any], Any]
    """state -> what its last move brought each seat [2]: 0 before the end, then 1, 0 or -1"""
    to_play: Callable[[Any], Any]
    """state -> seat, 0 or 1; after the end the one that would be next"""
    symmetries: Symmetries

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the board."""
        return self.spec.observation_shape[0], self.spec.observation_shape[1]


def is_board(env: object) -> bool:
    """Whether an environment's id names a board game."""
    return isinstance(env, str) and env.partition(":")[0] in GAMES


def make_board(name: str) -> Board:
    """The game with this id. Raises UnknownEnvironment, and MissingExtra without pgx."""
    family, colon, rest = name.partition(":")
    if family not in GAMES or bool(colon) != (family == "go"):
        raise UnknownEnvironment(
            f"{name!r} is no board game. Known are go:5x5 (any size from {SMALLEST_GO} to {LARGEST_GO}), "
            f"{', '.join(known for known in GAMES if known != 'go')}."
        )
    return _wrapped(_rules(family, _go_size(name, rest)), name, family)


def go_size(name: str) -> int | None:
    """N of `go:NxN`; None for any other id."""
    family, _, rest = name.partition(":")
    return _go_size(name, rest) if family == "go" else None


def _go_size(name: str, rest: str) -> int:
    if not rest:
        return 0
    sides = re.fullmatch(r"(\d+)x(\d+)", rest)
    if sides is None or sides[1] != sides[2] or not SMALLEST_GO <= int(sides[1]) <= LARGEST_GO:
        raise UnknownEnvironment(
            f"{name!r} is no game of Go. Its board is named by its two equal sides, from "
            f"go:{SMALLEST_GO}x{SMALLEST_GO} to go:{LARGEST_GO}x{LARGEST_GO}, for example go:9x9."
        )
    return int(sides[1])


def _rules(family: str, size: int) -> Any:
    module, _, kind = GAMES[family].partition(":")
    try:
        rules = getattr(importlib.import_module(module), kind)
    except ModuleNotFoundError as error:
        raise MissingExtra("Board games need pgx, which is not installed: pip install 'smuzero[boards]'") from error
    return rules(size=size, komi=KOMI) if family == "go" else rules()


def _wrapped(rules: Any, name: str, family: str) -> Board:
    import jax
    import jax.numpy as jnp

    def init() -> Any:
        # pgx draws which of its players begins, and nothing else. Seats are counted from who does.
        with _lenient():
            return rules.init(jax.random.key(0))

    opening = jax.eval_shape(init)
    height, width, planes = opening.observation.shape
    num_actions = opening.legal_action_mask.shape[0]
    # Planes of yes and no are kept as small numbers, as all observations are numbers.
    seen_as = np.dtype(np.uint8 if opening.observation.dtype == bool else opening.observation.dtype)
    first = int(init().current_player)

    def step(state: Any, action: Any) -> Any:
        with _lenient():
            return rules.step(state, jnp.asarray(action, jnp.int32))

    def rewards(state: Any) -> Any:
        return jnp.stack([state.rewards[first], state.rewards[1 - first]])

    return Board(
        spec=EnvSpec(
            name=name,
            observation_shape=(height, width, planes),
            observation_dtype=seen_as,
            action_space=gymnasium.spaces.Discrete(num_actions),
        ),
        num_actions=num_actions,
        init=init,
        step=step,
        observe=lambda state: state.observation.astype(seen_as),
        legal=lambda state: state.legal_action_mask,
        is_terminal=lambda state: state.terminated | state.truncated,
        rewards=rewards,
        to_play=lambda state: (state.current_player != first).astype(jnp.int32),
        symmetries=_symmetries(family, height, width, num_actions),
    )


@contextlib.contextmanager
def _lenient() -> Iterator[None]:
    """While pgx is traced it may mix types and ranks, which strict settings are meant to find in our own code."""
    import jax

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _symmetries(family: str, height: int, width: int, num_actions: int) -> Symmetries:
    """The symmetries of each game's rules and opening."""
    grid = np.arange(height * width).reshape(height, width)
    if family in ("go", "tictactoe"):
        turned = [np.rot90(side, turns) for side in (grid, grid.T) for turns in range(4)]
    elif family == "othello":
        # A quarter turn would swap the colours of the four discs it begins with.
        turned = [grid, np.rot90(grid, 2), grid.T, np.rot90(grid.T, 2)]
    elif family == "connect_four":
        turned = [grid, grid[:, ::-1]]
    else:
        # Hex: to turn by half would do, but for the swap, which is told by its place. Chess has none.
        turned = [grid]
    source = np.stack([side.reshape(-1) for side in turned])
    if family == "connect_four":
        return Symmetries(source, np.stack([np.arange(width), np.arange(width)[::-1]]))
    action = np.tile(np.arange(num_actions), (len(turned), 1))
    if len(turned) > 1:
        action[:, : height * width] = np.argsort(source, axis=1)
    return Symmetries(source, action)
