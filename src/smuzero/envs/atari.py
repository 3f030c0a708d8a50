"""Atari games: `atari:MsPacman` (Section 6.2, Figure 3, Appendix C), preprocessed as in MuZero.

A step repeats its action for 4 frames. The observation is the greatest of the last
two screens (sprites flicker), in RGB, scaled down to 96x96 by averaging areas: uint8
`[96, 96, 3]`. All 18 actions of the console are there, whatever the game uses. The
score is the reward, unclipped: the value transform is the learner's. An episode
begins with up to 30 steps of doing nothing, and ends with the game (discount 0) or
after 108,000 frames, half an hour (discount 1).

Options: `sticky=0.25` repeats the previous action by chance at every frame (Machado et
al. 2018); `lives=yes` takes the loss of a life for the end of an episode, after which
the same game goes on; `actions=minimal` leaves those that the game uses; `skip`,
`noops`, `limit` (frames) and `size` are the numbers above.

`planes=yes` adds to every picture a fourth plane, full of a/A for the action a of A that
led to it (0 at the start): as bright as that share of 255, so that it and the picture
are scaled alike. With `stack=32`
that is MuZero's input: 32 pictures and 32 action planes, 128 planes in all. `spec.stack`
tells a replay that it need keep each picture once only.

Paper: "the same … hyperparameters used by MuZero", which says nothing of sticky
actions or lives. Here: neither, and up to 30 steps of doing nothing at the start.
"""

import functools
import types
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float, Int, UInt8

from smuzero.envs.base import Env, EnvStep, Listed, MissingExtra, UnknownEnvironment, Wrapper
from smuzero.envs.options import at_least, one_of, split_options
from smuzero.envs.registry import near_names
from smuzero.envs.simulator_state import random_state, set_random_state
from smuzero.envs.wrappers import stacked
from smuzero.types import EnvSpec

OPTIONS = {
    "sticky": 0.0,
    "lives": False,
    "actions": "full",
    "skip": 4,
    "noops": 30,
    "limit": 108_000,
    "size": 96,
    "planes": False,
    "stack": 1,
}


def make_atari(name: str, seed: int) -> Env:
    """Makes the game `name`, such as `MsPacman`, with options as above.

    Raises UnknownEnvironment, naming near games, and MissingExtra without ale-py.
    """
    game, options = split_options("atari", name, OPTIONS)
    roms = _games()
    if game not in roms:
        raise UnknownEnvironment(
            f"ale-py has no game {game!r}.{near_names(game, roms)} `smuzero envs atari` lists all."
        )
    one_of(f"atari:{name}", "actions", options["actions"], ("full", "minimal"))
    for key, least in (("skip", 1), ("noops", 0), ("limit", 1), ("size", 1)):
        at_least(f"atari:{name}", key, options[key], least)
    env: Env = Atari(f"atari:{name}", roms[game], seed, options)
    return stacked(ActionPlane(env) if options["planes"] else env, options["stack"])


def list_atari() -> list[Listed]:
    """All games of ale-py."""
    return [Listed(f"atari:{game}") for game in sorted(_games())]


class Atari(Env):
    """One game of the Arcade Learning Environment."""

    def __init__(self, name: str, rom: str, seed: int, options: dict[str, Any]):
        self._ale_py = ale_py = _import_ale()
        self._ale = ale_py.ALEInterface()
        # The emulator's seed is a signed number of 32 bits.
        self._ale.setInt("random_seed", int(np.random.SeedSequence([seed, 0]).generate_state(1)[0]) % 2**31)
        self._ale.setFloat("repeat_action_probability", options["sticky"])
        self._ale.loadROM(ale_py.roms.get_rom_path(rom))
        is_full = options["actions"] == "full"
        self._actions = self._ale.getLegalActionSet() if is_full else self._ale.getMinimalActionSet()
        size = options["size"]
        space = gymnasium.spaces.Discrete(len(self._actions))
        self.spec = EnvSpec(name, (size, size, 3), np.dtype(np.uint8), space)
        self._options = options
        self._random = np.random.RandomState(np.random.SeedSequence([seed, 1]).generate_state(1)[0])
        height, width = self._ale.getScreenDims()
        self._shrink = functools.partial(shrink, rows=area_weights(height, size), columns=area_weights(width, size))
        self._frames, self._goes_on = 0, False

    def reset(self) -> UInt8[np.ndarray, "S S 3"]:
        """Starts a game; where only a life was lost, goes on with the game by doing nothing once."""
        if self._goes_on:
            self._goes_on = False
            return self._act(0)[0]
        self._ale.reset_game()
        self._frames = 0
        observation = self._shrink(self._ale.getScreenRGB())
        for _ in range(self._random.randint(self._options["noops"] + 1)):
            observation, *_ = self._act(0)
            if self._ale.game_over():
                self._ale.reset_game()
        return observation

    def step(self, action: Any) -> EnvStep:
        lives = self._ale.lives()
        observation, reward, frames = self._act(int(action))
        is_over = self._ale.game_over()
        is_lost = self._options["lives"] and self._ale.lives() < lives
        is_late = self._frames >= self._options["limit"]
        self._goes_on = is_lost and not is_over and not is_late
        is_terminal = is_over or is_lost
        return EnvStep(observation, reward, 0.0 if is_terminal else 1.0, is_terminal or is_late, frames, None)

    def state(self) -> dict[str, Any]:
        emulator = np.frombuffer(self._ale.cloneState(include_rng=True).__getstate__(), np.uint8).copy()
        return {
            "emulator": emulator,
            "random": random_state(self._random),
            "frames": self._frames,
            "goes_on": self._goes_on,
        }

    def restore(self, state: dict[str, Any]) -> bool:
        kind = self._ale_py.ALEState
        emulator = kind.__new__(kind)
        emulator.__setstate__(np.asarray(state["emulator"], np.uint8).tobytes())
        self._ale.restoreState(emulator)
        set_random_state(self._random, state["random"])
        self._frames, self._goes_on = int(state["frames"]), bool(state["goes_on"])
        return True

    def close(self):
        pass

    def _act(self, action: int) -> tuple[UInt8[np.ndarray, "S S 3"], float, int]:
        """Repeats an action; the observation, the sum of rewards and the number of frames."""
        reward, frames = 0.0, 0
        screen = before = None
        for _ in range(self._options["skip"]):
            before, reward = screen, reward + self._ale.act(self._actions[action])
            frames += 1
            if frames >= self._options["skip"] - 1 or self._ale.game_over():
                screen = self._ale.getScreenRGB()
            if self._ale.game_over():
                break
        self._frames += frames
        assert screen is not None
        return self._shrink(screen if before is None else np.maximum(screen, before)), float(reward), frames


class ActionPlane(Wrapper):
    """Adds to every picture `[H, W, C]` a plane full of 255·a/A, a of A the action that led to it; 0 at the start."""

    def __init__(self, env: Env):
        super().__init__(env)
        height, width, channels = env.spec.observation_shape
        self.spec = env.spec._replace(observation_shape=(height, width, channels + 1))

    def reset(self) -> UInt8[np.ndarray, "H W C1"]:
        return self._with_plane(super().reset(), 0)

    def step(self, action: Any) -> EnvStep:
        step = super().step(action)
        return step._replace(observation=self._with_plane(step.observation, int(action)))

    def _with_plane(self, picture: UInt8[np.ndarray, "H W C"], action: int) -> UInt8[np.ndarray, "H W C+1"]:
        space: Any = self.spec.action_space
        plane = np.full((*picture.shape[:2], 1), round(255 * action / int(space.n)), np.uint8)
        return np.concatenate([picture, plane], axis=-1)


def area_weights(length: int, size: int) -> tuple[Int[np.ndarray, "taps size"], Float[np.ndarray, "taps size"]]:
    """For each of `size` output pixels: which of `length` input pixels it covers, and how much of itself each fills."""
    taps = int(np.ceil(length / size)) + 1
    low = np.arange(size) * length / size
    index = np.floor(low).astype(np.int64) + np.arange(taps)[:, None]
    covered = np.minimum(index + 1, low + length / size) - np.maximum(index, low)
    weight = (np.maximum(covered, 0) * size / length).astype(np.float32)
    return np.minimum(index, length - 1), weight


def shrink(picture: UInt8[np.ndarray, "H W C"], rows: Any, columns: Any) -> UInt8[np.ndarray, "S S C"]:
    """Scales a picture down: every new pixel is the mean of the area that it covers."""
    (row, row_weight), (column, column_weight) = rows, columns
    flat = sum(picture[index] * weight[:, None, None] for index, weight in zip(row, row_weight, strict=True))
    mean = sum(flat[:, index] * weight[:, None] for index, weight in zip(column, column_weight, strict=True))  # pyright: ignore[reportIndexIssue]
    return np.rint(mean).astype(np.uint8)


def _games() -> dict[str, str]:
    """The names of ale-py's files by the name of the game: `ms_pacman` by `MsPacman`."""
    files = _import_ale().roms.get_all_rom_ids()
    return {"".join(word.capitalize() for word in file.split("_")): file for file in files}


def _import_ale() -> types.ModuleType:
    try:
        import ale_py
        import ale_py.roms
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"atari: environments need ale-py, which is not installed ({error}): pip install 'smuzero[atari]'"
        ) from error
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    return ale_py
