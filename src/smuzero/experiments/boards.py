"""Runs on board games: what they are built from in place of a pool of environments.

Self-play runs inside one compiled loop (`agent.selfplay`), so a run has games
where others have environments; all else, learner, replay, checkpoints, is shared.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float64

from smuzero.actions.distributions import Policy
from smuzero.agent.acting import Act
from smuzero.agent.learner import Update, init_learner
from smuzero.agent.selfplay import OPPONENT, GameCollector, make_play
from smuzero.envs.boards import Board, make_board
from smuzero.evaluation import tictactoe
from smuzero.evaluation.matches import play_match, random_player, searching_player
from smuzero.experiments.config import Config
from smuzero.experiments.recipe import Recipe
from smuzero.networks.network import Network, Params
from smuzero.replay.buffer import Buffer
from smuzero.replay.symmetric import SymmetricBuffer
from smuzero.runtime.local import Parts
from smuzero.types import UserError

OPENING_MOVES = 2
"""Random moves at the start of each game of an evaluation or a match."""
OPPONENTS = ("random", "perfect", "every")
"""Whom an evaluation can play: random moves; in tic-tac-toe perfect play too, or every line that there is."""


class BoardGames:
    """A board game in the place of a pool; it holds nothing that needs closing."""

    def __init__(self, env: str):
        self.board = make_board(env)
        self.spec = self.board.spec

    def __enter__(self) -> "BoardGames":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def model_discount(config: Config) -> float:
    """The discount of one step of the learned model: γ, and negative where the next value is the opponent's."""
    gamma = config.learner.discount
    return OPPONENT * gamma if config.search.two_player else gamma


def board_parts(
    recipe: Recipe, games: BoardGames, policy: Policy, network: Network, greedy: Act, update: Update
) -> Parts:
    """Everything a run of self-play is made of, before its first move."""
    config, seed, board = recipe.config, recipe.seed, games.board

    def evaluate(params: Params, episodes: int) -> Float64[np.ndarray, " episodes"]:
        return play_against("random", board, greedy, params, episodes, seed)

    return Parts(
        collector=GameCollector(board, config.acting.num_envs, config.replay.max_length),
        replay=make_replay(config, board, seed),
        learner=init_learner(network, config.learner, jax.random.key(seed)),
        update=update,
        act=make_play(
            board, network, policy, config.search, config.selfplay, config.learner.discount, config.improvement
        ),
        evaluate=evaluate,
    )


def make_replay(config: Config, board: Board, seed: int) -> Buffer:
    """The replay, of turned games where the settings ask for them."""
    if config.selfplay.symmetries:
        return SymmetricBuffer(config.replay, seed, *board.symmetries)
    return Buffer(config.replay, seed)


def play_against(
    opponent: str, board: Board, act: Act, params: Any, episodes: int, seed: int
) -> Float64[np.ndarray, " games"]:
    """What games against one of `OPPONENTS` bring the agent: 1, 0 or -1. Raises UserError.

    Colours are alternated. Of "every" line of play there are as many games as there are lines.
    """
    agent = searching_player(board.spec.name, act, params)
    if opponent == "random":
        return play_match(board, agent, random_player(), episodes, seed + 1, OPENING_MOVES)
    if board.spec.name != "tictactoe":
        raise UserError(
            f"The opponent {opponent!r} is known for tictactoe only, not for {board.spec.name}. Random moves are "
            "known for every board, and `smuzero elo RUN --opponent` takes programs."
        )
    if opponent == "every":
        return tictactoe.every_line(agent, seed)
    # No random opening: some lose against perfect play whatever follows.
    return play_match(board, agent, tictactoe.perfect_player(), episodes, seed + 1, opening_moves=0)
