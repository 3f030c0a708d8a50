"""A run's agent as a Go engine."""

import dataclasses
from pathlib import Path

from smuzero.agent.acting import evaluation_settings, make_act
from smuzero.envs import boards
from smuzero.evaluation.gtp_engine import Engine
from smuzero.experiments import api
from smuzero.experiments.boards import model_discount
from smuzero.experiments.tournament import thinker
from smuzero.runtime import run_folder
from smuzero.types import UserError


def open_engine(path: Path, simulations: int | None, resign_below: float, seed: int) -> Engine:
    """The engine of a run folder or checkpoint. Raises UserError where it was not trained on Go."""
    agent, made_from, _ = api.load_checkpoint(path, seed)
    if made_from.env is None or boards.go_size(made_from.env) is None:
        raise UserError(f"The run in {path} was trained on {made_from.env_name}, but the Go Text Protocol plays Go.")
    search = evaluation_settings(made_from.config.search)
    if simulations is not None:
        search = dataclasses.replace(search, num_simulations=simulations)
    act = make_act(agent.network, agent.policy, search, model_discount(made_from.config), temperature=0.0)
    version = str(run_folder.versions()["smuzero"] or "")
    board = boards.make_board(made_from.env)
    return Engine(board, thinker(act, agent.params), version=version, resign_below=resign_below)
