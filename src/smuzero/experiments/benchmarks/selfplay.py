"""Self-play in games and moves per second, beside the same loop built on mctx.

Both loops observe, search, choose and apply the rules inside one compiled scan,
with one untrained network. They hold every action at every node (MuZero's search), which
is what mctx does, and make the same network calls: no root actions are evaluated
beforehand. A second figure for this project is that of a search over K samples.
"""

# chex dataclasses, of which mctx is made, are opaque to pyright.
# pyright: reportCallIssue=false, reportArgumentType=false

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from smuzero.actions.distributions import FactoredCategorical
from smuzero.agent.acting import search_model
from smuzero.agent.selfplay import OPPONENT, Games, SelfPlaySettings, make_play, new_games, restarted
from smuzero.envs.boards import Board, make_board
from smuzero.experiments.benchmarks import mctx_search
from smuzero.networks.boards import make_board_network
from smuzero.networks.network import Network, Params
from smuzero.networks.settings import NetworkSettings
from smuzero.search.settings import SearchSettings

BOARDS = ("tictactoe", "go:5x5", "go:9x9")
BATCHES = (16, 64)
"""Games at once."""
NETWORKS = ((32, 2),)
"""Planes and residual blocks: those of `quick`."""
MOVES = 2
"""Moves of every game in one timed call."""

Program = Callable[[Params, Array, Games], Games]


def measure(
    environments: Iterable[str] = BOARDS,
    networks: Iterable[tuple[int, int]] = NETWORKS,
    batches: Iterable[int] = BATCHES,
    simulations: int = 32,
    samples: int = 16,
    seconds: float = 3.0,
) -> list[dict[str, Any]]:
    """One cell for each board, network and number of games at once; `mctx` figures are None without mctx.

    Each of a cell's three programs is compiled, and then timed for about `seconds`.
    """
    networks, batches = tuple(networks), tuple(batches)
    return [
        cell(name, width, blocks, batch, simulations, samples, seconds)
        for name in environments
        for width, blocks in networks
        for batch in batches
    ]


def cell(
    name: str, width: int, blocks: int, batch: int, simulations: int, samples: int, seconds: float
) -> dict[str, Any]:
    """What one game, network and batch take."""
    board = make_board(name)
    policy = FactoredCategorical(1, board.num_actions)
    network = make_board_network(NetworkSettings(width=width, num_blocks=blocks), board.spec.observation_shape, policy)
    every = SearchSettings(num_simulations=simulations, enumerate_actions=True, evaluate_root=False, two_player=True)
    sampled = dataclasses.replace(every, enumerate_actions=False, num_samples=samples, evaluate_root=True)
    found: dict[str, Program] = {
        "every": _loop(board, network, policy, every),
        "sampled": _loop(board, network, policy, sampled),
    }
    if mctx_search.is_installed():
        found["mctx"] = mctx_loop(board, network, policy, every)
    params = network.init(jax.random.key(0))
    fastest = {key: _moves_per_second(program, params, board, batch, seconds) for key, program in found.items()}
    mctx_speed = fastest.get("mctx")
    return {
        "board": name,
        "network": f"{width}x{blocks}",
        "batch": batch,
        "moves_per_second": fastest["every"],
        "moves_per_second_mctx": mctx_speed,
        "over_mctx": None if mctx_speed is None else fastest["every"] / mctx_speed,
        f"moves_per_second_k{samples}": fastest["sampled"],
        "games_per_second": fastest["every"] / _mean_length(name),
    }


def _loop(board: Board, network: Network, policy: FactoredCategorical, search: SearchSettings) -> Program:
    play = make_play(board, network, policy, search, SelfPlaySettings(moves_per_call=MOVES), 1.0)
    return lambda params, key, games: play(params, key, games, None).games


def mctx_loop(board: Board, network: Network, policy: FactoredCategorical, settings: SearchSettings) -> Program:
    """The same loop around `mctx.muzero_policy`."""
    import mctx

    def recurrent(params: Params, key: Array, action: Array, state: Any) -> Any:
        model = search_model(network, policy, params, OPPONENT)
        state, reward, discount = jax.vmap(model.dynamics)(state, action[:, None])
        logits, value = jax.vmap(model.predict)(state)
        return mctx.RecurrentFnOutput(reward=reward, discount=discount, prior_logits=logits, value=value), state

    def move(params: Params, games: Games, key: Array) -> tuple[Games, Array]:
        observation = jax.vmap(board.observe)(games.state)
        root = jax.vmap(network.represent, in_axes=(None, 0))(params, observation)
        logits, value = jax.vmap(search_model(network, policy, params, OPPONENT).predict)(root)
        found = mctx.muzero_policy(
            params=params,
            rng_key=key,
            root=mctx.RootFnOutput(prior_logits=logits, value=value, embedding=root),
            recurrent_fn=recurrent,
            num_simulations=settings.num_simulations,
            invalid_actions=1.0 - jax.vmap(board.legal)(games.state).astype(jnp.float32),
            dirichlet_fraction=settings.noise_fraction,
            dirichlet_alpha=settings.noise_concentration,
        )
        state = jax.vmap(board.step)(games.state, found.action)
        return restarted(board, Games(state, games.number + 1), jax.vmap(board.is_terminal)(state)), jnp.asarray(
            found.action
        )

    def loop(params: Params, key: Array, games: Games) -> Games:
        keys = jax.random.split(key, MOVES)
        return jax.lax.scan(lambda carry, key: move(params, carry, key), games, keys)[0]

    return jax.jit(loop)


def _moves_per_second(program: Program, params: Params, board: Board, batch: int, seconds: float) -> float:
    """The fastest of the calls that fit in the time, three at least, after compiling."""
    games = jax.block_until_ready(program(params, jax.random.key(0), new_games(board, batch)))
    least, turn, start = float("inf"), 0, time.perf_counter()
    while turn < 3 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        games = jax.block_until_ready(program(params, jax.random.key(turn), games))
        least, turn = min(least, time.perf_counter() - begin), turn + 1
    return batch * MOVES / least


@functools.cache
def _mean_length(name: str, games: int = 64, most: int = 1000) -> float:
    """Moves of a game of random moves, which those of an untrained network are like."""
    board = make_board(name)

    def move(carry: tuple[Games, Array, Array], key: Array) -> tuple[tuple[Games, Array, Array], None]:
        games, moves, ends = carry
        legal = jax.vmap(board.legal)(games.state)
        actions = jax.random.categorical(key, jnp.where(legal, 0.0, -jnp.inf))
        state = jax.vmap(board.step)(games.state, actions)
        is_over = jax.vmap(board.is_terminal)(state)
        after = Games(state, games.number + 1)
        moves = moves + jnp.sum(jnp.where(is_over, after.number, 0))
        return (restarted(board, after, is_over), moves, ends + jnp.sum(is_over)), None

    start = (new_games(board, games), jnp.int32(0), jnp.int32(0))
    (_, moves, ends), _ = jax.jit(lambda carry: jax.lax.scan(move, carry, jax.random.split(jax.random.key(0), most)))(
        start
    )
    return float(moves) / max(int(ends), 1)
