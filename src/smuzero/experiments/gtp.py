"""A run's agent as a Go engine."""

from pathlib import Path

from smuzero.envs import boards
from smuzero.evaluation.gtp_engine import Engine
from smuzero.experiments import api
from smuzero.experiments.build import evaluation_act
from smuzero.experiments.tournament import thinker
from smuzero.runtime import run_folder
from smuzero.types import UserError


def open_engine(path: Path, simulations: int | None, resign_below: float, seed: int) -> Engine:
    """The engine of a run folder or checkpoint. Raises UserError where it was not trained on Go."""
    agent, made_from, _ = api.load_checkpoint(path, seed)
    if made_from.env is None or boards.go_size(made_from.env) is None:
        raise UserError(f"The run in {path} was trained on {made_from.env_name}, but the Go Text Protocol plays Go.")
    act = evaluation_act(made_from.config, agent.policy, agent.network, simulations=simulations)
    version = str(run_folder.versions()["smuzero"] or "")
    board = boards.make_board(made_from.env)
    return Engine(board, thinker(act, agent.params), version=version, resign_below=resign_below)
