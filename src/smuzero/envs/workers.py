"""A pool whose environments live in worker processes.

Workers are started afresh (`spawn`), never forked: a fork of a process that runs
JAX can deadlock. A worker imports the environments only, holds its share of them
as a local pool, and answers one request at a time over a pipe. What goes wrong in
a worker is raised here, with its own traceback.
"""

import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import multiprocessing.reduction
import signal
import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Num

from smuzero.envs.pool import Cut, LocalPool, Pool, check_size
from smuzero.envs.registry import EnvFactory
from smuzero.types import Step, UserError

_SECONDS_TO_END = 5.0
"""How long a worker may take to close its environments before it is ended."""


class WorkerError(RuntimeError):
    """A worker process raised something unexpected, or ended."""


class WorkerPool(Pool):
    """E environments, in shares of almost equal size, one share for each worker process."""

    def __init__(
        self,
        env_id: str | EnvFactory,
        num_envs: int,
        seed: int,
        action_repeat: int,
        num_workers: int,
        cut: Cut | None = None,
    ):
        _check_can_travel(env_id)
        self.num_envs = num_envs
        bounds = [num_envs * worker // num_workers for worker in range(num_workers + 1)]
        self._shares = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]
        self._processes: list[Any] = []
        self._pipes: list[multiprocessing.connection.Connection] = []
        try:
            for share in self._shares:
                self._start((env_id, range(share.start, share.stop), seed, action_repeat, cut))
            specs = [self._receive(worker) for worker in range(num_workers)]
        except BaseException:
            self.close()
            raise
        self.spec = specs[0]
        self.observation = np.zeros((num_envs, *self.spec.observation_shape), self.spec.observation_dtype)
        self.legal = None

    def reset(self):
        answers = self._ask("reset", [()] * len(self._shares))
        self.observation = np.concatenate([observation for observation, _ in answers])
        self.legal = self._join_legal([legal for _, legal in answers])
        return self.observation, self.legal

    def step(self, actions: Num[np.ndarray, "E ..."] | list[Any]) -> Step:
        if len(actions) != self.num_envs:
            raise ValueError(f"A pool of {self.num_envs} environments was given {len(actions)} actions.")
        steps = [Step(*answer) for answer in self._ask("step", [(actions[share],) for share in self._shares])]
        *columns, legal = zip(*steps, strict=True)
        step = Step(*(np.concatenate(column) for column in columns), legal=self._join_legal(legal))
        self.observation, self.legal = step.observation, step.legal
        return step

    def state(self) -> dict[str, Any]:
        answers = self._ask("state", [()] * len(self._shares))
        envs = [env for answer in answers for env in answer["envs"].values()]
        return {"envs": {str(index): env for index, env in enumerate(envs)}, "observation": self.observation.copy()}

    def restore(self, state: dict[str, Any]) -> Bool[np.ndarray, " E"]:
        check_size(state, self.num_envs)
        answers = self._ask("restore", [(_share_state(state, share),) for share in self._shares])
        goes_on, observations, legals = zip(*answers, strict=True)
        self.observation = np.concatenate(observations)
        self.legal = self._join_legal(legals)
        return np.concatenate(goes_on)

    def close(self):
        for pipe in self._pipes:
            # A worker that has ended already needs no request to end.
            with contextlib.suppress(OSError):
                pipe.send(("close", ()))
        for process in self._processes:
            process.join(_SECONDS_TO_END)
            if process.is_alive():
                process.kill()
                process.join()
        for pipe in self._pipes:
            pipe.close()
        self._processes, self._pipes = [], []

    def _join_legal(self, parts: Sequence[Bool[np.ndarray, "_ N"] | None]) -> Bool[np.ndarray, "E N"] | None:
        """The masks of all shares in one; all is legal in a share that has none."""
        length = next((part.shape[1] for part in parts if part is not None), None)
        if length is None:
            return None
        sizes = [share.stop - share.start for share in self._shares]
        return np.concatenate(
            [
                np.ones((size, length), np.bool_) if part is None else part
                for size, part in zip(sizes, parts, strict=True)
            ]
        )

    def _start(self, arguments: tuple[Any, ...]):
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._pipes.append(ours)
        process = context.Process(target=_serve, args=(theirs, *arguments), daemon=True)
        process.start()
        self._processes.append(process)
        # Only the worker holds its end now: when it ends, so does our waiting.
        theirs.close()

    def _ask(self, method: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
        """The answers of all workers to one request each. Closes the pool if any of them fails."""
        if not self._pipes:
            raise WorkerError("This pool of environments is closed; make a new one.")
        try:
            for pipe, argument in zip(self._pipes, arguments, strict=True):
                # A worker that has ended is reported on receiving, with what it last said.
                with contextlib.suppress(OSError):
                    pipe.send((method, argument))
            return [self._receive(worker) for worker in range(len(self._pipes))]
        except BaseException:
            self.close()
            raise

    def _receive(self, worker: int) -> Any:
        try:
            outcome, answer = self._pipes[worker].recv()
        except (EOFError, OSError):
            raise self._ended(worker) from None
        if outcome == "answer":
            return answer
        if outcome == "mistake":
            kind, message = answer
            raise kind(message)
        raise WorkerError(f"Environment worker {worker} failed:\n{answer}")

    def _ended(self, worker: int) -> WorkerError:
        process = self._processes[worker]
        process.join(_SECONDS_TO_END)
        return WorkerError(
            f"Environment worker {worker} (environments {self._shares[worker].start} to "
            f"{self._shares[worker].stop - 1}) ended unexpectedly with exit code {process.exitcode}. An exit code of "
            "-9 often means too little memory. In a script, start the work under `if __name__ == '__main__':`, "
            "because workers import the script. num_workers=0 keeps the environments in this process."
        )


def _serve(
    pipe: multiprocessing.connection.Connection,
    env_id: str | EnvFactory,
    places: range,
    seed: int,
    action_repeat: int,
    cut: Cut | None,
):
    """A worker's life: makes its environments, then answers until told to close or left alone."""
    # Ctrl-C reaches every process of a terminal; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pool = None
    try:
        pool = LocalPool(env_id, places, seed, action_repeat, cut)
        pipe.send(("answer", pool.spec))
        while (request := pipe.recv())[0] != "close":
            method, arguments = request
            answer = getattr(pool, method)(*arguments)
            pipe.send(("answer", (answer, pool.observation, pool.legal) if method == "restore" else answer))
    except (EOFError, BrokenPipeError):
        pass  # The parent is gone.
    except UserError as error:
        _tell(pipe, "mistake", (type(error), str(error)))
    except BaseException:
        _tell(pipe, "failure", traceback.format_exc())
    finally:
        if pool is not None:
            pool.close()


def _tell(pipe: multiprocessing.connection.Connection, outcome: str, answer: Any):
    with contextlib.suppress(OSError):
        pipe.send((outcome, answer))


def _check_can_travel(env_id: str | EnvFactory):
    """Raises UserError for a factory that cannot be sent to another process."""
    try:
        multiprocessing.reduction.ForkingPickler.dumps(env_id)
    except Exception as error:
        raise UserError(
            f"The environment factory {env_id!r} cannot be sent to worker processes ({error}): define it as a function "
            "at the top of an importable module (functools.partial may fix its arguments), or use num_workers=0."
        ) from error


def _share_state(state: dict[str, Any], share: slice) -> dict[str, Any]:
    """One worker's part of a pool's state, numbered from 0."""
    envs = {str(index - share.start): state["envs"][str(index)] for index in range(share.start, share.stop)}
    return {"envs": envs, "observation": state["observation"][share]}
