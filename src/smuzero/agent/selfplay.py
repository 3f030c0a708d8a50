"""Self-play on the device: E games of a board game at once, in one compiled loop over moves (Section 6.1, Appendix B).

Each move is observation, search, choice, rules. A game that ends is followed by
a new one in its place, so that no game waits for another, and the batch of the
search is the batch of games at every move. The opening moves of a game are drawn
from the visits, later ones are the most visited (MuZero's boards).

Both players are one network. Values are those of the player to move, and a
stored discount is -1 where the move passes on to the opponent: every backup and
every target then changes sign by itself. It is 0 where the game ended.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray, UInt32

from smuzero.actions.distributions import Policy
from smuzero.agent.acting import choose_slot, decide, make_plan
from smuzero.agent.collecting import Collected, Rows
from smuzero.agent.improvement import VISITS, ImprovementSettings, improved_policy
from smuzero.envs.boards import Board
from smuzero.networks.network import Network, Params
from smuzero.search.settings import SearchSettings
from smuzero.types import Sequence, check_at_least

OPPONENT = -1.0
"""The discount of a move: what follows is the opponent's to play."""


@dataclasses.dataclass(frozen=True)
class SelfPlaySettings:
    """How games are played for learning; the defaults are MuZero's for board games."""

    moves_per_call: int = 16
    """Moves of every game in one call of the compiled loop; the network stays the same meanwhile."""
    opening_moves: int = 30
    """Moves of each game that are drawn in proportion to their visits; later ones are the most visited."""
    symmetries: bool = False
    """Turn and mirror what is learned from, at random. MuZero does not, AlphaGo Zero does."""

    def __post_init__(self):
        check_at_least(self, moves_per_call=1, opening_moves=0)


class Games(NamedTuple):
    """E games in progress."""

    state: Any
    """The rules' state, a pytree of `[E, ...]`."""
    number: Int[Array, " E"]
    """Moves made in each game so far."""


class Chunk(NamedTuple):
    """M moves in each of E games; what a field means at one move is as in `Sequence` and `Decision`."""

    games: Games
    """Where the games stand afterwards."""
    observation: Num[Array, "M E ..."]
    after: Num[Array, "M E ..."]
    """What followed the move; where it ended the game, the final position."""
    legal: Bool[Array, "M E n"]
    """What could be played before the move."""
    action: Int[Array, "M E A"]
    reward: Float[Array, "M E"]
    """To who made the move."""
    discount: Float[Array, "M E"]
    is_last: Bool[Array, "M E"]
    outcome: Float[Array, "M E"]
    """Reward to the player who moved first in the game."""
    words: UInt32[Array, "M E K W"]
    visits: Float[Array, "M E K"]
    value: Float[Array, "M E"]
    raw_value: Float[Array, "M E"]
    visit_entropy: Float[Array, "M E"]
    q_spread: Float[Array, "M E"]


Play = Callable[[Params, PRNGKeyArray, Games, None], Chunk]


def new_games(board: Board, num_games: int) -> Games:
    """Games before their first moves."""
    state = jax.vmap(lambda _: board.init())(jnp.arange(num_games))
    return Games(state, jnp.zeros(num_games, jnp.int32))


def make_play(
    board: Board,
    network: Network,
    policy: Policy,
    search_settings: SearchSettings,
    settings: SelfPlaySettings,
    discount: float,
    improvement: ImprovementSettings = VISITS,
) -> Play:
    """The compiled loop: (params, key, games, None) -> M moves of every game.

    `discount` is γ, 1 for boards. The last argument is there because acting in
    other environments has it; what is legal follows from the games.
    """
    plan = make_plan(network, policy, search_settings, OPPONENT * discount)

    def choose(key: PRNGKeyArray, visits: Array, prior: Array, number: Array) -> Array:
        drawn = choose_slot(key, visits, prior, 1.0)
        return jnp.where(number < settings.opening_moves, drawn, choose_slot(key, visits, prior, 0.0))

    def move(params: Params, games: Games, key: PRNGKeyArray) -> tuple[Games, Chunk]:
        search_key, choice_key = jax.random.split(key)
        observation, legal = jax.vmap(board.observe)(games.state), jax.vmap(board.legal)(games.state)
        found = plan(params, search_key, observation, legal)
        decision = decide(
            found,
            choose(choice_key, found.visits, found.prior, games.number),
            improved_policy(found, improvement, search_settings),
        )
        state = jax.vmap(board.step)(games.state, decision.action[:, 0])
        is_last, rewards = jax.vmap(board.is_terminal)(state), jax.vmap(board.rewards)(state)
        mover = jax.vmap(board.to_play)(games.state)
        after = Games(state, games.number + 1)
        rows = Chunk(
            games=after,
            observation=observation,
            after=jax.vmap(board.observe)(state),
            legal=legal,
            reward=jnp.take_along_axis(rewards, mover[:, None], axis=1)[:, 0],
            discount=jnp.where(is_last, 0.0, OPPONENT),
            is_last=is_last,
            outcome=rewards[:, 0],
            **{name: value for name, value in decision._asdict().items() if name in Chunk._fields},
        )
        return restarted(board, after, is_last), rows._replace(games=Games(None, None))  # pyright: ignore

    def play(params: Params, key: PRNGKeyArray, games: Games, legal: None) -> Chunk:
        keys = jax.random.split(key, settings.moves_per_call)
        games, rows = jax.lax.scan(lambda carry, key: move(params, carry, key), games, keys)
        return rows._replace(games=games)

    return jax.jit(play)


def restarted(board: Board, games: Games, is_over: Bool[Array, " E"]) -> Games:
    """The games, new ones in place of those that are over."""
    fresh = new_games(board, is_over.shape[0])

    def select(new: Array, old: Array) -> Array:
        return jnp.where(is_over.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    return jax.tree.map(select, fresh, games)


class GameCollector:
    """Keeps the moves of self-play until they are whole sequences; a `Collector` whose environments are in the loop."""

    def __init__(self, board: Board, num_games: int, max_length: int):
        self.legal = None
        self.observation = new_games(board, num_games)
        """The games in progress, which is what the next call of the loop starts from."""
        self._rows = Rows(num_games, max_length)

    def step(self, chunk: Chunk) -> Collected:
        """Record the moves of a chunk of NumPy arrays, and hand over the sequences that are complete."""
        self.observation = chunk.games
        sequences, outcomes = [], []
        for m in range(len(chunk.is_last)):
            self._rows.record(
                observation=chunk.observation[m],
                action=chunk.action[m],
                reward=chunk.reward[m],
                discount=chunk.discount[m],
                words=chunk.words[m],
                visits=chunk.visits[m],
                root_value=chunk.value[m],
                legal=chunk.legal[m],
            )
            complete = self._rows.complete(np.asarray(chunk.is_last[m]))
            sequences += [self._rows.cut(index, np.asarray(chunk.after[m, index])) for index in complete]
            outcomes += np.asarray(chunk.outcome[m])[np.asarray(chunk.is_last[m])].tolist()
        return Collected(chunk.is_last.size, sequences, outcomes)

    def state(self) -> dict[str, Any]:
        """Every game in progress and what is recorded of it."""
        return {"games": [np.asarray(leaf) for leaf in jax.tree.leaves(self.observation)], **self._rows.state()}

    def restore(self, state: dict[str, Any]) -> list[Sequence]:
        """Take a state back; every game goes on, so nothing is cut off."""
        structure = jax.tree.structure(self.observation)
        self.observation = jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in state["games"]])
        self._rows.restore(state)
        return []
