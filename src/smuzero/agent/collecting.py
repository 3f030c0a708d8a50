"""Self-generated experience: E environments acting together, cut into sequences for the replay.

Every environment fills rows of its own. A row is handed over with its sequence:
when its episode ends, or when the sequence has reached its greatest length, after
which the episode goes on in the next one (Appendix A: episodes are split into
subsequences).
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from smuzero.actions.masks import policy_mask
from smuzero.actions.spaces import ActionSpace, decode_each
from smuzero.agent.acting import Decision, Remembered
from smuzero.envs.pool import Pool
from smuzero.types import Sequence


class Collected(NamedTuple):
    """What one step of all environments brought."""

    frames: int
    sequences: list[Sequence]
    """Sequences completed by this step, in the order of the environments."""
    returns: list[float]
    """Undiscounted returns of the episodes that ended with it."""


class Collects(Protocol):
    """What a run needs of whatever makes its experience: environments that answer, or games in a compiled loop."""

    @property
    def observation(self) -> Any:
        """What acting starts from."""
        ...

    @property
    def legal(self) -> Any: ...

    def step(self, decision: Any, /) -> Collected:
        """Take in what was decided, and hand over the sequences that are complete."""
        ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> list[Sequence]:
        """Take a state back; returns the sequences that had to be cut off by that."""
        ...


class Rows:
    """What E environments have done since their last whole sequence."""

    def __init__(self, num_envs: int, max_length: int):
        self.length = np.zeros(num_envs, np.int64)
        self._max_length = max_length
        self._rows: dict[str, np.ndarray] = {}

    def record(self, **fields: Any) -> None:
        """One more row `[E, ...]` of every field, named as those of `Sequence`."""
        places = np.arange(len(self.length)), self.length
        for name, value in fields.items():
            value = np.asarray(value)
            if name not in self._rows:
                self._rows[name] = np.zeros((value.shape[0], self._max_length, *value.shape[1:]), value.dtype)
            self._rows[name][places] = value
        self.length += 1

    def complete(self, is_last: np.ndarray) -> list[int]:
        """The environments whose sequence ends here: with their episode, or at its greatest length."""
        return np.flatnonzero(is_last | (self.length == self._max_length)).tolist()

    def cut(self, index: int, final_observation: np.ndarray) -> Sequence:
        """One environment's rows as a sequence; its next row begins another."""
        length = self.length[index]
        fields = {name: rows[index, :length].copy() for name, rows in self._rows.items()}
        fields["observation"] = np.concatenate([fields["observation"], final_observation[None]])
        self.length[index] = 0
        return Sequence(**fields)

    def state(self) -> dict[str, Any]:
        """Every unfinished sequence."""
        return {"length": self.length.copy(), "rows": {name: rows.copy() for name, rows in self._rows.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self._rows = {name: rows.copy() for name, rows in state["rows"].items()}
        self.length = state["length"].copy()


class Collector:
    """Steps a pool with given decisions and keeps what is not yet a whole sequence."""

    def __init__(self, pool: Pool, space: ActionSpace, max_length: int, memory_size: int = 0, num_cut: int = 0):
        """`memory_size` is what the network remembers of an episode, in numbers.

        The episodes of the first `num_cut` environments are cut short: their returns are not counted.
        """
        self._pool, self._space, self._num_cut = pool, space, num_cut
        self._seen, legal = pool.reset()
        self._memory = np.zeros((pool.num_envs, memory_size), np.float32) if memory_size else None
        self.legal = policy_mask(space, legal)
        self._return = np.zeros(pool.num_envs)
        self._rows = Rows(pool.num_envs, max_length)

    @property
    def observation(self) -> Any:
        """What acting starts from: observations, with the network's memory where it has one."""
        return self._seen if self._memory is None else Remembered(self._seen, self._memory)

    def step(self, decision: Decision) -> Collected:
        """Act, record, and hand over the sequences that are complete. `decision` holds NumPy arrays."""
        before, also = self._seen, {} if self.legal is None else {"legal": self.legal}
        if self._memory is not None:
            also["recurrent"] = self._memory
        step = self._pool.step(decode_each(self._space, np.asarray(decision.action)))
        self._rows.record(
            observation=before,
            action=decision.action,
            reward=step.reward,
            discount=step.discount,
            words=decision.words,
            visits=decision.visits,
            root_value=decision.value,
            **also,
        )
        self._return += step.reward
        self._seen, self.legal = step.observation, policy_mask(self._space, step.legal)
        if self._memory is not None:
            self._memory = np.where(step.is_last[:, None], np.float32(0.0), np.asarray(decision.memory))

        complete = self._rows.complete(step.is_last)
        sequences = [self._rows.cut(index, step.next_observation[index]) for index in complete]
        ended = np.flatnonzero(step.is_last)
        returns = self._return[ended[ended >= self._num_cut]].tolist()
        self._return[ended] = 0.0
        return Collected(int(step.frames.sum()), sequences, returns)

    def state(self) -> dict[str, Any]:
        """The pool's state and every unfinished sequence."""
        memory = {} if self._memory is None else {"memory": self._memory.copy()}
        return {"pool": self._pool.state(), "return": self._return.copy(), **memory, **self._rows.state()}

    def restore(self, state: dict[str, Any]) -> list[Sequence]:
        """Take a state back.

        Returns the unfinished sequences of environments whose episode could not be
        taken up again: cut off there, so that no step is lost.
        """
        goes_on = self._pool.restore(state["pool"])
        self._rows.restore(state)
        self._return = state["return"].copy()
        if self._memory is not None:
            self._memory = np.where(goes_on[:, None], state["memory"], np.float32(0.0))
        lost = []
        for index in np.flatnonzero(~goes_on).tolist():
            if self._rows.length[index]:
                lost.append(self._rows.cut(index, state["pool"]["observation"][index]))
            self._return[index] = 0.0
        self._seen, self.legal = self._pool.observation, policy_mask(self._space, self._pool.legal)
        return lost
