"""From settings to the parts of a run: the one place that knows which part goes where."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float64

from smuzero.actions import spaces
from smuzero.actions.distributions import Policy, make_policy
from smuzero.agent.acting import Act, evaluation_settings, make_act
from smuzero.agent.agent import Agent
from smuzero.agent.collecting import Collector
from smuzero.agent.encoded import encoded
from smuzero.agent.learner import LearnerState, Update, init_learner, learner_shapes, make_update
from smuzero.agent.reanalyse import make_reanalyse
from smuzero.envs import boards, make_pool
from smuzero.envs.pool import Cut, Pool
from smuzero.envs.registry import EnvFactory
from smuzero.evaluation.episodes import play_episodes
from smuzero.experiments.boards import BoardGames, board_parts, model_discount, play_against
from smuzero.experiments.config import Config, InvalidSetting
from smuzero.experiments.domain_presets import with_options
from smuzero.experiments.recipe import Recipe
from smuzero.networks.boards import make_board_network
from smuzero.networks.mixed import mixed_input
from smuzero.networks.model import make_network
from smuzero.networks.network import Network, Params
from smuzero.networks.pixels import PictureInput, make_pixel_network
from smuzero.replay.buffer import Buffer
from smuzero.runtime.local import Parts
from smuzero.types import Part

MOST_EVALUATION_ENVS = 20
"""Evaluation episodes that are played at once."""


def open_pool(config: Config, env: str | EnvFactory, seed: int) -> Pool | BoardGames:
    """The environments to train in, to be closed; or the board game to play."""
    if isinstance(env, str) and boards.is_board(env):
        return BoardGames(env)
    acting = config.acting
    env = with_options(env, acting.env_options)
    cut = Cut(acting.cut_after, acting.num_cut) if acting.num_cut else None
    return make_pool(env, acting.num_envs, seed, acting.action_repeat, acting.num_workers, cut)


def build_network(
    config: Config,
    observation_shape: tuple[int, ...],
    space: spaces.ActionSpace,
    *,
    is_board: bool = False,
    parts: tuple[Part, ...] = (),
) -> tuple[Policy, Network]:
    """The kind of policy that suits the actions, and the network that suits both it and the observations.

    Planes of a board keep their points, pictures are scaled down or become a vector, all else is one vector. Raises
    InvalidSetting where the actions are too many for what is asked of them, or an LSTM has no place.
    """
    try:
        policy = make_policy(space, config.acting.structure)
        if config.search.enumerate_actions:
            policy.enumerate_words()
    except ValueError as error:
        raise InvalidSetting(str(error)) from error
    is_picture = not is_board and len(observation_shape) == 3
    keeps_planes = is_board or (is_picture and config.network.picture_latent == "planes")
    if config.network.lstm and keeps_planes:
        raise InvalidSetting("network.lstm is true, but planes have no input block to put an LSTM behind.")
    reconstructs = config.learner.reconstruction_weight > 0
    if reconstructs and (keeps_planes or parts):
        raise InvalidSetting(
            "learner.reconstruction_weight is above 0, but a sketch is learned of a vector or of one picture whose "
            "latent is a vector (network.picture_latent): make it 0."
        )
    if keeps_planes:
        make = make_board_network if is_board else make_pixel_network
        return policy, make(config.network, observation_shape, policy)

    def make_input(rngs: Any) -> Any:
        if is_picture:
            return PictureInput(config.network, observation_shape, rngs=rngs)
        return mixed_input(config.network, observation_shape[0], parts, rngs)

    own_input = make_input if is_picture or parts else None
    network = make_network(config.network, observation_shape, policy, own_input, reconstructs=reconstructs)
    return policy, network


def network_of(recipe: Recipe) -> tuple[Policy, Network]:
    """Policy and network of a run. Raises InvalidSetting."""
    is_board = boards.is_board(recipe.env_name)
    if not is_board and len(recipe.observation_shape) == 3:
        _check_motion(recipe.config.network.motion_planes, recipe.observation_shape[-1], recipe.stack)
    return build_network(recipe.config, recipe.observation_shape, recipe.space, is_board=is_board, parts=recipe.parts)


def _check_motion(motion_planes: int, planes: int, stack: int) -> None:
    """Differences are of one picture and the next, and not of one colour and another: raises InvalidSetting."""
    each = planes // stack
    # Where a stack is not known as one, any number that divides its planes can be right.
    if motion_planes and (planes % motion_planes if stack == 1 else motion_planes != each):
        raise InvalidSetting(
            f"network.motion_planes is {motion_planes}, but the {planes} planes that are observed are {stack} "
            f"picture{'s' * (stack > 1)} of {each}: make it {each}, or 0 to show them as they are."
        )


def build_parts(recipe: Recipe, env: str | EnvFactory, pool: Pool | BoardGames) -> Parts:
    """Everything a run is made of, before its first step. Starts the pool's first episodes."""
    config, seed = recipe.config, recipe.seed
    policy, network = network_of(recipe)
    evaluating = evaluation_act(config, policy, network, config.run.evaluation_temperature)
    if isinstance(pool, BoardGames):
        return board_parts(recipe, pool, policy, network, evaluating, build_update(config, policy, network))

    def evaluate(params: Params, episodes: int) -> Float64[np.ndarray, " episodes"]:
        return play_in(env, config, recipe.space, evaluating, params, episodes, seed)

    return Parts(
        collector=Collector(pool, recipe.space, config.replay.max_length, network.memory_size, config.acting.num_cut),
        replay=Buffer(config.replay, seed, recipe.stack),
        learner=init_learner(network, config.learner, jax.random.key(seed)),
        update=build_update(config, policy, network),
        act=make_act(
            network, policy, config.search, config.learner.discount, config.acting.temperature, config.improvement
        ),
        evaluate=evaluate,
    )


def build_update(config: Config, policy: Policy, network: Network) -> Update:
    """The learner's update, with fresh searches where the settings ask for them."""
    reanalyse = None
    if config.reanalyse.share > 0:
        searched = encoded(network) if config.learner.encodes_once else network
        reanalyse = make_reanalyse(
            searched, policy, config.reanalyse, config.search, config.improvement, model_discount(config)
        )
    return make_update(network, policy, config.learner, reanalyse, config.reanalyse.value_weight)


def learner_template(recipe: Recipe) -> LearnerState:
    """Shapes and dtypes of the learner's state, with nothing computed."""
    _, network = network_of(recipe)
    return learner_shapes(network, recipe.config.learner)


def build_agent(recipe: Recipe, params: Params, seed: int, folder: Path) -> Agent:
    """The agent of a run's folder, for use."""
    policy, network = network_of(recipe)
    return Agent(
        network,
        policy,
        recipe.space,
        params,
        search=recipe.config.search,
        improvement=recipe.config.improvement,
        discount=model_discount(recipe.config),
        observation_shape=recipe.observation_shape,
        observation_dtype=np.dtype(recipe.observation_dtype),
        seed=seed,
        name=recipe.env_name,
        folder=folder,
    )


def evaluation_act(
    config: Config, policy: Policy, network: Network, temperature: float = 0.0, simulations: int | None = None
) -> Act:
    """How to act in evaluation: no noise, the most visited action (Appendix A), or drawn by N^(1/temperature).

    `simulations`, where they are given, stand in for the settings' own.
    """
    search, improvement = evaluation_settings(config.search), config.improvement
    if simulations is not None:
        search = dataclasses.replace(search, num_simulations=simulations)
    return make_act(network, policy, search, model_discount(config), temperature=temperature, improvement=improvement)


def play_in(
    env: str | EnvFactory,
    config: Config,
    space: spaces.ActionSpace,
    act: Act,
    params: Any,
    episodes: int,
    seed: int,
    opponent: str = "random",
) -> Float64[np.ndarray, " episodes"]:
    """Returns of evaluation episodes in environments of their own, the same for the same seed.

    They are made anew every time, so that no evaluation depends on those before it.
    On a board they are games against an opponent: 1 is a win, -1 a loss.
    """
    if isinstance(env, str) and boards.is_board(env):
        return play_against(opponent, boards.make_board(env), act, params, episodes, seed)
    env = with_options(env, config.acting.env_options)
    # Another seed than the training environments have, or the first episodes would be theirs.
    pool_seed = int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])
    with make_pool(env, min(episodes, MOST_EVALUATION_ENVS), pool_seed, config.acting.action_repeat) as pool:
        return play_episodes(act, params, pool, space, episodes, seed, config.network.memory_size)
