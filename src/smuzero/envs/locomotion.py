"""The 56-dimensional CMU humanoid: `cmu:run_walls`, `run_gaps`, `go_to_target`, `forage` (Section 6.3, Figure 6).

dm_control's own example tasks, position-controlled: 56 actions in [−1, 1], a step of
0.03 s, episodes of at most 30 s. The observation is the body's own senses as one vector
(and the target's place in `go_to_target`). `camera=yes` adds what the humanoid sees:
then the observation is one vector of bytes, `spec.parts` says what is in it
(`camera`, uint8 `[64, 64, 3]`, and `body`, float32), and
`smuzero.types.split_observation` takes it apart. `render=plain` draws as dm_control
does, `fast` (the default) as in `smuzero.envs.rendering`.

Costs outside the physics are mended here without touching the library: the camera
is drawn once a step, and only if it was asked for; and where dm_control has loops in
Python over the contacts, for every target at every substep, one comparison is made.

A new body and maze are compiled for every episode, but in `go_to_target`, where only the
target moves: compiling was three quarters of a short episode. All that is random comes
from the environment's seed and the episode's number: also what dm_control draws from
NumPy's global numbers (textures of a maze), and mazes, whose own numbers would go on
from one to the next. A state is that number and all that has changed since the episode
began, so that `restore` goes on in mid-episode, bit for bit; it compiles nothing where
the episode is the current one.

Paper: silent on whether the camera was used; Merel et al. (2019), whom it compares
with, use it in all tasks but `go_to_target`, which has none.
"""

import contextlib
import functools
import math
import types
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Num

from smuzero.envs.base import Env, EnvStep, InvalidEnvironmentOutput, Listed, MissingExtra
from smuzero.envs.control import quiet
from smuzero.envs.options import known_name, one_of, split_options
from smuzero.envs.rendering import Renderer
from smuzero.envs.simulator_state import (
    SimulatorState,
    plain_attributes,
    random_state,
    set_plain_attribute,
    set_random_state,
)
from smuzero.envs.wrappers import stacked
from smuzero.types import EnvSpec, Part, UserError, join_observation

TASKS = {
    "run_walls": "cmu_humanoid_run_walls",
    "run_gaps": "cmu_humanoid_run_gaps",
    "go_to_target": "cmu_humanoid_go_to_target",
    "forage": "cmu_humanoid_maze_forage",
}
"""dm_control's names of the tasks. Paper: "forage". Here: the maze with targets, not the one with two kinds of them."""
OPTIONS = {"camera": False, "render": "fast", "stack": 1}
_CAMERA = "walker/egocentric"
CAMERA_SIZE = 64
"""Height and width of what the humanoid sees, dm_control's own."""


def make_locomotion(name: str, seed: int) -> Env:
    """Makes one of the tasks above. Raises UserError for a camera where there is none."""
    task, options = split_options("cmu", name, OPTIONS)
    known_name("cmu", task, tuple(TASKS))
    one_of(f"cmu:{name}", "render", options["render"], ("fast", "plain"))
    if task == "go_to_target" and options["camera"]:
        raise UserError("cmu:go_to_target has no camera: its target's place is part of what the body senses.")
    env = Locomotion(f"cmu:{name}", task, seed, sees=options["camera"], is_fast=options["render"] == "fast")
    return stacked(env, options["stack"])


def list_locomotion() -> list[Listed]:
    """The four tasks of Figure 6."""
    return [Listed(f"cmu:{task}", ("cmu",)) for task in TASKS]


class Locomotion(Env):
    """One task of dm_control's locomotion library."""

    def __init__(self, name: str, task: str, seed: int, *, sees: bool, is_fast: bool):
        examples = _import_examples()
        with quiet(), _global_random(seed):
            self._env = _without_camera(examples, TASKS[task], np.random.RandomState(seed))
        self._seed, self._episode, self._sees, self._is_fast = seed, 0, sees, is_fast
        self._renderer: Renderer | None = None
        self._simulator: SimulatorState | None = None
        self._initial: dict[str, Any] = {}
        _ask_once_for_contacts(self._env.task)
        # Only its target is elsewhere in another episode: the body that was compiled just now serves them all.
        self._keeps_body = task == "go_to_target"
        if self._keeps_body:
            self._env._recompile_mjcf_every_episode = self._env._mjcf_never_compiled = False
        bounds = self._env.action_spec()
        space = gymnasium.spaces.Box(bounds.minimum, bounds.maximum, bounds.shape, bounds.dtype.type)
        length = sum(math.prod(part.shape) for part in self._env.observation_spec().values())
        body = Part("body", (length,), np.dtype(np.float32))
        self.spec = EnvSpec(name, (length,), body.dtype, space)
        if sees:
            camera = Part("camera", (CAMERA_SIZE, CAMERA_SIZE, 3), np.dtype(np.uint8))
            size = math.prod(camera.shape) + 4 * length
            self.spec = EnvSpec(name, (size,), camera.dtype, space, parts=(camera, body))

    def reset(self) -> Num[np.ndarray, " D"]:
        entropy = int(np.random.SeedSequence([self._seed, self._episode]).generate_state(1)[0])
        self._env.random_state.seed(entropy)
        self._episode += 1
        _draw_maze_anew(self._env.task, entropy)
        with quiet(), _global_random(entropy):
            if self._keeps_body:
                _place_target_anew(self._env)
            first = self._env.reset()
        self._simulator, self._initial = SimulatorState(self._env.physics, self.spec.name), self._remembered()
        if self._sees:
            self._renderer = self._new_renderer()
        return self._observation(first.observation)

    def step(self, action: Any) -> EnvStep:
        try:
            step = self._env.step(np.asarray(action))
        except RuntimeError as error:
            raise InvalidEnvironmentOutput(f"The physics of {self.spec.name!r} became invalid: {error}") from error
        return EnvStep(
            self._observation(step.observation), float(step.reward), float(step.discount), bool(step.last()), 1, None
        )

    def state(self) -> dict[str, Any]:
        if self._simulator is None:
            return {"seed": self._seed, "episode": self._episode}
        return {
            "seed": self._seed,
            "episode": self._episode,
            "random": random_state(self._env.random_state),
            "remembered": {
                key: value
                for key, value in self._remembered().items()
                if key not in self._initial or not np.array_equal(value, self._initial[key])
            },
            "reset_next_step": bool(self._env._reset_next_step),
            **self._simulator.get(),
        }

    def restore(self, state: dict[str, Any]) -> bool:
        """Goes on in the middle of the episode; false only for a state from before the first one."""
        current = None if self._simulator is None else (self._seed, self._episode)
        self._seed, self._episode = int(state["seed"]), int(state["episode"])
        if self._episode == 0:
            return False
        if current != (self._seed, self._episode):
            self._episode -= 1
            self.reset()
        assert self._simulator is not None
        self._simulator.check(state)
        owners = self._owners()
        for name, value in {**self._initial, **state["remembered"]}.items():
            index, _, key = name.partition(".")
            set_plain_attribute(owners[int(index)], key, value)
        set_random_state(self._env.random_state, state["random"])
        self._env._reset_next_step = bool(state["reset_next_step"])
        self._simulator.set(state)
        return True

    def close(self):
        if self._renderer is not None:
            self._renderer.close()
        self._env.close()

    def _owners(self) -> list[Any]:
        """Whoever may remember something: the task, and the body, arena and targets."""
        return [self._env.task, *self._env.task.root_entity.iter_entities()]

    def _remembered(self) -> dict[str, Any]:
        """All plain attributes of those, each named by its owner's place and its own name."""
        owners = enumerate(self._owners())
        found = {f"{index}.{key}": value for index, owner in owners for key, value in plain_attributes(owner).items()}
        if hasattr(self._env.task, "_target_rewarded"):
            # A list for each kind of target, of which there is one.
            found["0._target_rewarded"] = np.array(self._env.task._target_rewarded)
        return found

    def _new_renderer(self) -> Renderer:
        """Every episode has a model of its own."""
        if self._renderer is not None:
            self._renderer.close()
        model, data = self._env.physics.model, self._env.physics.data
        camera, size = model.name2id(_CAMERA, "camera"), (CAMERA_SIZE, CAMERA_SIZE)
        return Renderer(model.ptr, data.ptr, size, camera, is_fast=self._is_fast)

    def _observation(self, observation: dict[str, Any]) -> Num[np.ndarray, " D"]:
        body = np.concatenate(list(observation.values()), axis=None).astype(np.float32)
        if self._renderer is None:
            return body
        if not np.isfinite(body).all():
            raise InvalidEnvironmentOutput(
                f"The environment {self.spec.name!r} gave an observation that is not finite."
            )
        return join_observation([self._renderer.draw(), body])


def _without_camera(examples: Any, name: str, random: np.random.RandomState) -> Any:
    """Builds a task without its camera, which dm_control would draw at once, and then at every step."""
    from dm_control import composer

    arguments: dict[str, Any] = {}
    # The examples build a task and hand it to the environment in one go; the task is wanted in between.
    examples.composer = types.SimpleNamespace(Environment=arguments.update)
    try:
        getattr(examples, name)(random_state=random)
    finally:
        examples.composer = composer
    arguments["task"]._walker.observables.egocentric_camera.enabled = False
    return composer.Environment(**arguments)


def original(task: str, seed: int) -> Any:
    """dm_control's own environment for a task, without its camera and with nothing mended: to compare with."""
    with quiet():
        return _without_camera(_import_examples(), TASKS[task], np.random.RandomState(seed))


def _ask_once_for_contacts(task: Any):
    """Lets every target that a task makes, for every episode anew, compare all contacts at once, not in a loop.

    The tasks' own loops, once a step over a contact or two, cost nothing to speak of.
    """
    if hasattr(task, "_target_builders"):
        task._target_builders = [functools.partial(_mended_target, builder) for builder in task._target_builders]


def _mended_target(build: Callable[..., Any], **arguments: Any) -> Any:
    """A target that asks once at a substep."""
    from dm_control.locomotion.props.target_sphere import TargetSphere

    target = build(**arguments)
    if type(target) is TargetSphere and not target._specific_collision_geom_ids:
        target._update_activation = types.MethodType(_update_activation, target)
    return target


def _update_activation(target: Any, physics: Any):
    if not target._activated and (physics.data.contact.geom == target._geom_id).any():
        target._activated = True
        physics.bind(target._material).rgba[-1] = 0


def _place_target_anew(env: Any):
    """Draws go_to_target's place and puts it into the physics, before a reset that compiles nothing."""
    env._hooks.initialize_episode_mjcf(env.random_state)
    env.physics.bind(env.task._target).pos = env.task._target.pos


def _draw_maze_anew(task: Any, entropy: int):
    """Gives a maze new random numbers, where there is one: its own go on over episodes, and cannot be read."""
    maze = getattr(task.root_entity, "maze", None)
    if maze is None:
        return
    import labmaze

    task.root_entity._maze = labmaze.RandomMaze(
        height=maze.height,
        width=maze.width,
        max_rooms=maze.max_rooms,
        room_min_size=maze.room_min_size,
        room_max_size=maze.room_max_size,
        spawns_per_room=maze.spawns_per_room,
        objects_per_room=maze.objects_per_room,
        random_seed=entropy % 2**31,
    )


@contextlib.contextmanager
def _global_random(entropy: int) -> Iterator[None]:
    """NumPy's global random numbers from a seed for a while, for what dm_control draws from them."""
    before = np.random.get_state()
    np.random.seed(entropy)
    try:
        yield
    finally:
        np.random.set_state(before)


def _import_examples() -> types.ModuleType:
    try:
        with quiet():
            from dm_control.locomotion.examples import basic_cmu_2019
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"cmu: environments need dm_control, which is not installed ({error}): pip install 'smuzero[dmc]'"
        ) from error
    return basic_cmu_2019
