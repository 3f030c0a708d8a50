"""A trained agent, for use: one observation in, one action or one plan out.

It acts as in evaluation (Appendix A): no noise, the most visited action, or where
the improved policy acts (`ImprovementSettings.acts`) that policy's likeliest. Its
random draws follow from its seed alone, so the same observation always brings the
same plan, and `act` is what `plan` decided. Where the network has an LSTM, `act`
also remembers what it saw: call `reset` where an episode starts.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from smuzero.actions.distributions import Policy
from smuzero.actions.masks import flat_mask, policy_mask
from smuzero.actions.spaces import ActionSpace, decode_each
from smuzero.agent.acting import choose, evaluation_settings, make_plan
from smuzero.agent.improvement import VISITS, ImprovementSettings, improved_policy
from smuzero.networks.network import Network, Params
from smuzero.search.plan import SearchResult
from smuzero.search.settings import SearchSettings
from smuzero.search.tree import Tree
from smuzero.types import UserError


class InvalidObservation(UserError):
    """An observation is none that this agent can act on."""


class Plan(NamedTuple):
    """What a search found in one state: its n distinct sampled actions, and the tree."""

    action: Any
    """The most visited action, in the environment's own space, or that of the policy which acts; `act` returns it."""
    actions: Num[np.ndarray, "n ..."] | list[Any]
    """All distinct sampled actions, in the environment's own space: one array, or a list of tuples or dicts."""
    count: Int[np.ndarray, " n"]
    """How often each was drawn."""
    prior: Float[np.ndarray, " n"]
    """π̂_β, as PUCT saw it."""
    visits: Int[np.ndarray, " n"]
    q: Float[np.ndarray, " n"]
    """Q(s, a): mean return of the visits; the root evaluation where unvisited, -inf where there is none."""
    value: float
    """The search's value of the state."""
    raw_value: float
    """The network's own value of the state."""
    slot: Int[np.ndarray, " n"]
    """The actions' places among the K slots of the tree's nodes."""
    tree: Tree
    """All nodes as NumPy arrays; node 0 is the state itself."""


class Agent:
    """Acts and plans with a trained network."""

    def __init__(
        self,
        network: Network,
        policy: Policy,
        space: ActionSpace,
        params: Params,
        *,
        search: SearchSettings,
        discount: float,
        observation_shape: tuple[int, ...],
        observation_dtype: Any = np.float32,
        improvement: ImprovementSettings = VISITS,
        seed: int = 0,
        name: str = "",
        folder: Path | None = None,
    ):
        """`improvement` says what acts, `name` is the environment's, `folder` that of the run the agent comes from."""
        self.network, self.policy, self.space, self.params = network, policy, space, params
        self.observation_shape, self.observation_dtype = tuple(observation_shape), np.dtype(observation_dtype)
        self.name, self.folder = name, folder
        self._key = jax.random.key(seed)
        self._recall = None if network.recall is None else jax.jit(network.recall)
        self.reset()
        self._search_settings, self._improvement = evaluation_settings(search), improvement
        self._plan = make_plan(network, policy, self._search_settings, discount)

    def reset(self) -> None:
        """Forget what was seen: an episode starts. Only a network with an LSTM remembers anything."""
        self._memory = jnp.zeros(self.network.memory_size)

    def act(self, observation: Any, legal: Any = None) -> Any:
        """One action, in the environment's own space.

        `observation` is one of the environment's, flat as `smuzero.make_env` gives
        it; `legal` is a mask in the form of Gymnasium's `info["action_mask"]`, which
        says for each choice whether it may be taken. Raises InvalidObservation.
        """
        found, self._memory = self._search(observation, legal)
        return self.space.decode(np.asarray(found.action[0, self._chosen(found)]))

    def plan(self, observation: Any, legal: Any = None) -> Plan:
        """The whole search from an observation; arguments and errors are those of `act`."""
        found, _ = self._search(observation, legal)
        chosen = self._chosen(found)
        found = jax.tree.map(np.asarray, found)
        slot = np.flatnonzero(found.count[0] > 0)
        return Plan(
            action=self.space.decode(found.action[0, chosen]),
            actions=decode_each(self.space, found.action[0, slot]),
            count=found.count[0, slot],
            prior=found.prior[0, slot],
            visits=found.visits[0, slot],
            q=found.q[0, slot],
            value=float(found.value[0]),
            raw_value=float(found.raw_value[0]),
            slot=slot,
            tree=found.tree,
        )

    def _search(self, observation: Any, legal: Any) -> tuple[SearchResult, Float[Array, " m"]]:
        """What was found, and what is remembered from here on."""
        seen, memory = jnp.asarray(self._checked(observation)), self._memory
        if self._recall is not None:
            seen = memory = self._recall(self.params, memory, seen)
        row = seen[None]
        mask = None if legal is None else jnp.asarray(self._checked_mask(legal)[None])
        return self._plan(self.params, self._key, row, mask), memory

    def _chosen(self, found: SearchResult) -> int:
        improved = None
        if self._improvement.acts:
            improved = improved_policy(found, self._improvement, self._search_settings)
        return int(choose(self._key, found, improved, 0.0)[0])

    def _checked(self, observation: Any) -> Num[np.ndarray, "..."]:
        dtype = self.observation_dtype
        try:
            given = np.asarray(observation)
            with np.errstate(invalid="ignore"):  # NaN as an integer; it is answered below
                array = given.astype(dtype)
        except (TypeError, ValueError) as error:
            raise InvalidObservation(
                f"The observation is {type(observation).__name__}, but an array of shape {self.observation_shape} is "
                "needed: flatten it as smuzero.make_env does."
            ) from error
        if array.shape != self.observation_shape:
            raise InvalidObservation(
                f"The observation has shape {array.shape}, but this agent was trained on {self.observation_shape} "
                f"({self.name}). Give one flat observation, as smuzero.make_env does; batches are not taken."
            )
        if np.issubdtype(dtype, np.integer) and not np.array_equal(array, given):
            raise InvalidObservation(
                f"The observation holds numbers that are no {dtype}, which this agent was trained on ({self.name}): "
                "give what the environment gives, unscaled."
            )
        if not np.isfinite(array).all():
            where = np.flatnonzero(~np.isfinite(array))
            raise InvalidObservation(
                f"The observation has {len(where)} entries that are NaN or infinite, the first at {where[0]}."
            )
        return array

    def _checked_mask(self, legal: Any) -> Bool[np.ndarray, " L"]:
        try:
            flat = flat_mask(self.space, legal)
        except ValueError as error:
            raise InvalidObservation(f"legal is no mask of this agent's actions. {error}") from error
        return policy_mask(self.space, flat)  # pyright: ignore[reportReturnType]  (a mask was given)
