"""Matches between trained players of one board game, and their ratings (Figure 2).

Every checkpoint meets every other one; a Go program or a built-in player, where
one is given, meets the last checkpoint of each run. Ratings are anchored at the
last checkpoint of the first run, which is to be the baseline (the paper: full
MuZero, at 2000 Elo).
"""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from smuzero.agent.acting import Act
from smuzero.envs.boards import Board, make_board
from smuzero.evaluation import elo
from smuzero.evaluation.gtp_client import GameRecord, play_gtp_match
from smuzero.evaluation.gtp_engine import Think, Thought
from smuzero.evaluation.matches import Player, play_match, random_player, searching_player, summarise
from smuzero.evaluation.tictactoe import perfect_player
from smuzero.experiments import api
from smuzero.experiments.build import evaluation_act
from smuzero.runtime import run_folder
from smuzero.types import UserError, check_at_least


@dataclasses.dataclass(frozen=True)
class TournamentSettings:
    """How a tournament is played and rated."""

    games: int = 100
    """Games of each match, colours alternated (Appendix B)."""
    simulations: int | None = None
    """Simulations of each move; as trained, where not given. Appendix B evaluates with 800."""
    opening_moves: int = 2
    """Random moves that each game begins with; every opening is played with both colours."""
    anchor_elo: float = 2000.0
    """Rating of the first run's last checkpoint."""
    prior_draws: float = 1.0
    """Drawn games added to each match for the ratings, which keeps a player without a loss at a finite one."""
    timeout: float = 60.0
    """Seconds that a Go program may take for one answer."""
    seed: int = 0
    """Of openings and searches."""

    def __post_init__(self):
        check_at_least(self, UserError, games=1, opening_moves=0, prior_draws=0, timeout=0)


class Entrant(NamedTuple):
    """One checkpoint in a tournament."""

    name: str
    run: str
    frames: int
    player: Player
    think: Think
    is_last: bool
    """The newest checkpoint of its run."""


def hold(
    paths: Sequence[Path],
    settings: TournamentSettings,
    *,
    opponent: str | None = None,
    every_checkpoint: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """The whole tournament as JSON values: `players` with ratings, and `matches`. Raises UserError."""
    env, entrants = _entrants(paths, settings, every_checkpoint)
    board = make_board(env)
    names = [entrant.name for entrant in entrants]
    matches = []
    for (i, one), (j, other) in itertools.combinations(enumerate(entrants), 2):
        results = play_match(
            board, one.player, other.player, settings.games, settings.seed + i * 1009 + j, settings.opening_moves
        )
        matches.append(_match(one.name, other.name, results))
        report(_line(matches[-1]))
    if opponent is not None:
        for entrant in entrants:
            if entrant.is_last:
                matches.append(_against(board, entrant, opponent, settings))
                report(_line(matches[-1]))
        names.append(opponent)
    if not matches:
        raise UserError("One checkpoint alone meets nobody: give several runs, --every-checkpoint, or an --opponent.")
    anchor = next(place for place, entrant in enumerate(entrants) if entrant.is_last)
    players = _rated(names, matches, anchor, settings)
    for player, entrant in zip(players, entrants, strict=False):
        player |= {"run": entrant.run, "frames": entrant.frames}
    return {"env": env, "settings": dataclasses.asdict(settings), "players": players, "matches": matches}


def _entrants(paths: Sequence[Path], settings: TournamentSettings, every: bool) -> tuple[str, list[Entrant]]:
    found, games = [], {}
    for path in paths:
        checkpoints = _checkpoints(path) if every else [run_folder.find_checkpoint(path)]
        for checkpoint in checkpoints:
            agent, made_from, frames = api.load_checkpoint(checkpoint, settings.seed)
            games[str(path)] = made_from.env
            act = evaluation_act(made_from.config, agent.policy, agent.network, simulations=settings.simulations)
            run = run_folder.run_of(checkpoint)
            name = f"{run.name or run}@{frames}"
            if any(entrant.name == name for entrant in found):
                name = f"{run}@{frames}"
            player, think = searching_player(name, act, agent.params), thinker(act, agent.params)
            found.append(Entrant(name, str(run), frames, player, think, checkpoint == checkpoints[-1]))
    if len(set(games.values())) != 1:
        listed = ", ".join(f"{path}: {env}" for path, env in games.items()) or "none"
        raise UserError(f"A tournament needs runs of one board game, but these are: {listed}.")
    return next(iter(games.values())), found


def _checkpoints(path: Path) -> list[Path]:
    folder = run_folder.open_run(path).checkpoints
    return sorted(entry for entry in folder.iterdir() if re.fullmatch(r"\d{12,}", entry.name))


def thinker(act: Act, params: Any) -> Think:
    """A search for one position at a time, as the Go Text Protocol asks for it."""
    import jax

    count = itertools.count()

    def think(observation: np.ndarray, legal: np.ndarray) -> Thought:
        decision = act(params, jax.random.key(next(count)), observation[None], legal[None])
        return Thought(int(decision.action[0, 0]), float(decision.value[0]))

    return think


def _against(board: Board, entrant: Entrant, opponent: str, settings: TournamentSettings) -> dict[str, Any]:
    built_in = {"random": random_player, "perfect": perfect_player}
    if opponent == "perfect" and board.spec.name != "tictactoe":
        raise UserError(f"A perfect player is known for tictactoe only, not for {board.spec.name}.")
    if opponent in built_in:
        results = play_match(
            board, entrant.player, built_in[opponent](), settings.games, settings.seed, settings.opening_moves
        )
        return _match(entrant.name, opponent, results)
    records = play_gtp_match(
        board,
        entrant.think,
        opponent,
        settings.games,
        settings.seed,
        opening_moves=settings.opening_moves,
        timeout=settings.timeout,
    )
    decided = [record for record in records if record.result is not None]
    results = np.array([record.result for record in decided], np.float64)
    return _match(entrant.name, opponent, results, np.array([record.agent_is_black for record in decided], bool)) | {
        "reasons": dict(Counter(record.reason for record in records)),
        "records": [GameRecord._asdict(record) for record in records],
    }


def _match(player: str, opponent: str, results: np.ndarray, is_first: np.ndarray | None = None) -> dict[str, Any]:
    """A match as JSON values; without `is_first`, who moved first is as `play_match` has it."""
    if is_first is None:
        is_first = np.arange(len(results)) < (len(results) + 1) // 2
    wins, draws, losses = summarise(results)
    colours = {"first": summarise(results[is_first]), "second": summarise(results[~is_first])}
    return {"player": player, "opponent": opponent, "wins": wins, "draws": draws, "losses": losses, **colours}


def _rated(
    names: list[str], matches: list[dict[str, Any]], anchor: int, settings: TournamentSettings
) -> list[dict[str, Any]]:
    points = np.zeros((len(names), len(names)))
    for match in matches:
        one, other = names.index(match["player"]), names.index(match["opponent"])
        points[one, other] += match["wins"] + 0.5 * match["draws"]
        points[other, one] += match["losses"] + 0.5 * match["draws"]
    ratings = elo.rate(names, points, anchor=anchor, anchor_elo=settings.anchor_elo, prior_draws=settings.prior_draws)
    columns = zip(*(getattr(ratings, name).tolist() for name in ("elo", "low", "high", "points", "games")), strict=True)
    keys = ("elo", "low", "high", "points", "games")
    return [{"name": name, **dict(zip(keys, row, strict=True))} for name, row in zip(names, columns, strict=True)]


def _line(match: dict[str, Any]) -> str:
    first, second = ("{} won, {} drawn, {} lost".format(*match[colour]) for colour in ("first", "second"))
    return "{player} against {opponent}: {wins} won, {draws} drawn, {losses} lost".format(**match) + (
        f" (moving first: {first}; second: {second})"
    )


def table(found: dict[str, Any]) -> str:
    """The ratings as lines, the highest first."""
    rows = [
        (p["name"], f"{p['elo']:.0f}", f"{p['low']:.0f} to {p['high']:.0f}", f"{p['points']:g} of {p['games']:g}")
        for p in sorted(found["players"], key=lambda player: -player["elo"])
    ]
    rows.insert(0, ("player", "Elo", "95 % interval", "points"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
