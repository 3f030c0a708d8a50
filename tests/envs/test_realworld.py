"""Each challenge against a plain simulation of it, and its statistics over 10⁴ steps against the suite's table."""

import dataclasses
from typing import Any

import gymnasium
import numpy as np
import pytest

from smuzero.envs import make
from smuzero.envs.base import Env, EnvStep, UnknownEnvironment
from smuzero.envs.perturbed import Perturbation
from smuzero.envs.realworld import (
    COMBINED,
    KINDS,
    PARAMETERS,
    Challenges,
    Delay,
    RealWorld,
    ShownActions,
    Spells,
    challenges,
)
from smuzero.envs.registry import frame_seconds
from smuzero.types import EnvSpec, UserError

TABLE = {
    "easy": ((3, 3, 10), 0.1, (0.01, 1), (0.01, 1), 1, 10),
    "medium": ((6, 6, 20), 0.3, (0.05, 5), (0.05, 5), 2, 20),
    "hard": ((9, 9, 40), 1.0, (0.1, 10), (0.1, 10), 3, 50),
}


class Clock(Env):
    """Observes `size` copies of 1 + its step number, pays its step number, remembers the actions it was given."""

    def __init__(self, size: int = 4, last: int = 10**9):
        box = gymnasium.spaces.Box(-1.0, 1.0, (2,))
        self.spec = EnvSpec("clock", (size,), np.dtype(np.float32), box)
        self.time, self.last, self.given = 0, last, []

    def reset(self):
        self.time = 0
        return self._observation()

    def step(self, action):
        self.time += 1
        self.given.append(np.array(action))
        return EnvStep(self._observation(), float(self.time), 1.0, self.time == self.last, 1, None)

    def _observation(self):
        return np.full(self.spec.observation_shape, 1 + self.time, np.float32)

    def state(self):
        return {"time": self.time}

    def restore(self, state):
        self.time = int(state["time"])
        return True

    def close(self):
        pass


def inner(env: Any) -> Any:
    """The environment within the one that `make` returns."""
    return env.env


def played(setting: Challenges, steps: int, size: int = 4, **kwargs):
    """Observations `[steps + 1, D]`, rewards `[steps]`, actions asked for and given `[steps, 2]`."""
    clock = Clock(size)
    env = RealWorld(clock, setting, seed=0, **kwargs)
    asked = np.random.default_rng(1).uniform(-1, 1, (steps, 2))
    observations, rewards = [env.reset()], []
    for action in asked:
        step = env.step(action)
        observations.append(step.observation)
        rewards.append(step.reward)
    return np.array(observations), np.array(rewards), asked, np.array(clock.given)


def test_the_numbers_are_those_of_the_suites_table():
    for level, (delays, noise, dropped, stuck, hold, dummies) in TABLE.items():
        found = COMBINED[level]
        assert (found.action_delay, found.observation_delay, found.reward_delay) == delays
        assert (found.noise, found.hold, found.dummies) == (noise, hold, dummies)
        assert (found.drop_probability, found.drop_steps) == dropped
        assert (found.stuck_probability, found.stuck_steps) == stuck


def test_one_challenge_alone_leaves_the_others_out():
    assert challenges("walker", "hard", ("delay",)) == Challenges(9, 9, 40)
    assert challenges("walker", "hard", ("perturbation",)) == Challenges(parameter=(0.225, 0.55))
    everything = challenges("walker", "medium", KINDS)
    assert everything == dataclasses.replace(COMBINED["medium"], parameter=(0.225, 0.4))


def test_without_challenges_nothing_changes():
    observations, rewards, asked, given = played(Challenges(), 20)
    np.testing.assert_array_equal(observations[:, 0], 1 + np.arange(21))
    np.testing.assert_array_equal(rewards, 1 + np.arange(20))
    np.testing.assert_array_equal(given, asked)


@pytest.mark.parametrize("level", COMBINED)
def test_delays_are_shifts_that_begin_with_the_first_item(level):
    setting = challenges("cartpole", level, ("delay",))
    observations, rewards, asked, given = played(setting, 100)
    time = np.arange(101)
    np.testing.assert_array_equal(observations[:, 0], 1 + np.maximum(time - setting.observation_delay, 0))
    np.testing.assert_array_equal(rewards, 1 + np.maximum(time[:100] - setting.reward_delay, 0))
    np.testing.assert_array_equal(given, asked[np.maximum(time[:100] - setting.action_delay, 0)])


@pytest.mark.parametrize("level", COMBINED)
def test_an_action_is_held(level):
    hold = COMBINED[level].hold
    *_, asked, given = played(challenges("cartpole", level, ("repetition",)), 30)
    np.testing.assert_array_equal(given, asked[np.arange(30) // hold * hold])


@pytest.mark.parametrize("level", COMBINED)
def test_noise_has_its_standard_deviation_over_10_000_steps(level):
    sigma = COMBINED[level].noise
    observations, _, asked, given = played(challenges("cartpole", level, ("noise",)), 10_000, size=5)
    noise = observations - (1.0 + np.arange(10_001))[:, None]
    # Of n draws, the mean is within 5σ/√n and the standard deviation within 5σ/√(2n), but for 1 run in a million.
    n = noise.size
    assert abs(noise.mean()) < 5 * sigma / np.sqrt(n)
    assert abs(noise.std() - sigma) < 5 * sigma / np.sqrt(2 * n)
    # float32 numbers up to 10⁴ are 10⁻³ apart; entries and steps are drawn apart from each other.
    assert abs(np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]) < 5 / 100
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 5 / 100
    assert np.all(np.abs(given) <= 1)
    inside = np.abs(given) < 1
    random = np.random.default_rng(2)
    simulated = np.clip(asked + sigma * random.standard_normal(asked.shape), -1, 1)
    clipped = np.mean(~inside), np.mean(np.abs(simulated) == 1)
    assert abs(clipped[0] - clipped[1]) < 5 * np.sqrt(2 * 0.25 / asked.size)


def fraction_in_spells(probability: float, steps: int) -> float:
    """Of steps: a spell lasts `steps`, and 1/p − 1 steps pass on average before the next begins."""
    return steps / (steps + 1 / probability - 1)


@pytest.mark.parametrize("kind", ["dropped", "stuck"])
@pytest.mark.parametrize("level", COMBINED)
def test_entries_are_dropped_and_stuck_as_often_as_the_table_says(kind, level):
    setting = COMBINED[level]
    steps = setting.drop_steps
    observations, *_ = played(challenges("cartpole", level, (kind,)), 10_000, size=20)
    truth = (1.0 + np.arange(10_001, dtype=np.float32))[:, None]
    wrong = observations != truth
    if kind == "dropped":
        np.testing.assert_array_equal(observations[wrong], 0.0)
    else:
        np.testing.assert_array_equal(observations[1:][wrong[1:]], observations[:-1][wrong[1:]])
    expected = fraction_in_spells(setting.drop_probability, steps)
    # About 20·10⁴·expected/steps independent spells.
    spells = wrong.size * expected / steps
    assert abs(wrong.mean() - expected) < 5 * expected / np.sqrt(spells)
    lengths = [len(run) for column in wrong.T for run in "".join("x" if w else " " for w in column[:-steps]).split()]
    assert all(length % steps == 0 for length in lengths[1:-1] if length < 3 * steps) or steps > 1


def test_spells_against_a_plain_simulation():
    spells, random, plain = Spells(3, 0.2, 4), np.random.RandomState(5), np.random.RandomState(5)
    left = [0, 0, 0]
    for _ in range(500):
        draws, expected = plain.random_sample(3), []
        for entry in range(3):
            if left[entry] == 0 and draws[entry] < 0.2:
                left[entry] = 4
            expected.append(left[entry] > 0)
            left[entry] = max(0, left[entry] - 1)
        assert spells.now(random).tolist() == expected


def test_a_delay_of_zero_is_none():
    delay = Delay(0)
    assert [int(delay.push(np.array(item))) for item in (1, 2, 3)] == [1, 2, 3]


@pytest.mark.parametrize("level", COMBINED)
def test_dummies_are_standard_normal(level):
    number = COMBINED[level].dummies
    observations, *_ = played(challenges("cartpole", level, ("dummies",)), 10_000)
    dummies = observations[:, 4:]
    assert dummies.shape == (10_001, number)
    assert abs(dummies.mean()) < 5 / np.sqrt(dummies.size)
    assert abs(dummies.std() - 1) < 5 / np.sqrt(2 * dummies.size)
    assert abs(np.corrcoef(dummies[:, 0], dummies[:, 1])[0, 1]) < 5 / 100


def test_the_order_is_noise_dropped_stuck_delay_dummies():
    """All at once, against one plain loop that makes the same draws."""
    setting = challenges("cartpole", "medium", tuple(kind for kind in KINDS if kind != "perturbation"))
    observations, _, asked, given = played(setting, 300)
    plain, shown, queue, actions, held = np.random.RandomState(0), None, [], [], None
    dropped, stuck = Spells(4, 0.05, 5), Spells(4, 0.05, 5)
    for time in range(301):
        if time:
            actions.append(asked[time - 1])
            late = actions[max(0, time - 1 - 6)]
            noisy = np.clip(late + 0.3 * plain.standard_normal(2), -1, 1)
            held = noisy if (time - 1) % 2 == 0 else held
            np.testing.assert_array_equal(given[time - 1], held)
        value = np.full(4, 1 + time, np.float32) + 0.3 * plain.standard_normal(4)
        value = np.where(dropped.now(plain), 0.0, value)
        in_spell = stuck.now(plain)
        value = value if shown is None else np.where(in_spell, shown, value)
        shown = value.astype(np.float32)
        queue.append(shown)
        dummies = plain.standard_normal(20).astype(np.float32)
        np.testing.assert_array_equal(observations[time], np.concatenate([queue[max(0, time - 6)], dummies]))


@pytest.mark.parametrize("keeps", [False, True])
def test_buffers_are_forgotten_at_an_episodes_start_unless_kept(keeps):
    env = RealWorld(Clock(last=10), Challenges(3, 3, 3), seed=0, keeps_buffers=keeps)
    env.reset()
    for _ in range(10):
        env.step(np.zeros(2))
    first, second = env.reset(), env.step(np.ones(2))
    assert first[0] == (9.0 if keeps else 1.0)
    assert second.reward == (8.0 if keeps else 1.0)


def test_the_last_action_asked_for_is_shown_where_wanted():
    env = ShownActions(RealWorld(Clock(), Challenges(action_delay=3), seed=0))
    assert env.spec.observation_shape == (6,)
    np.testing.assert_array_equal(env.reset(), [1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(env.step(np.array([0.5, -1.0])).observation, [2, 2, 2, 2, 0.5, -1.0])
    np.testing.assert_array_equal(env.step(np.array([0.25, 0.0])).observation, [3, 3, 3, 3, 0.25, 0.0])
    np.testing.assert_array_equal(env.reset(), [1, 1, 1, 1, 0, 0])


def test_a_stack_shows_as_many_actions_as_observations():
    env = make("rwrl:cartpole.swingup/easy,actions=yes,stack=4", seed=0)
    plain = make("rwrl:cartpole.swingup/easy,stack=4", seed=0)
    (size,) = plain.spec.observation_shape
    assert env.spec.observation_shape == (size + 4,)
    shown, also = env.reset().reshape(4, -1), plain.reset().reshape(4, -1)
    for time in range(1, 8):
        action = np.array([0.1 * time])
        shown, also = env.step(action).observation.reshape(4, -1), plain.step(action).observation.reshape(4, -1)
        expected = 0.1 * np.maximum(np.arange(time - 3, time + 1), 0)
        np.testing.assert_allclose(shown[:, -1], expected, rtol=1e-6)
        np.testing.assert_array_equal(shown[:, :-1], also)


TASKS = ["cartpole.swingup", "walker.walk", "quadruped.walk", "humanoid.walk"]


@pytest.mark.parametrize("options", ["", ",actions=yes,stack=2"])
@pytest.mark.parametrize(
    ("task", "size"), [("cartpole.swingup", 5), ("walker.walk", 24), ("quadruped.walk", 78), ("humanoid.walk", 67)]
)
def test_every_task_goes_on_bit_for_bit_in_a_fresh_environment(task, size, options):
    env, fresh = (make(f"rwrl:{task}/medium{options}", seed=3) for _ in range(2))
    shape = inner(env).spec.action_space.shape
    assert env.spec.observation_shape == ((size + 20,) if not options else (2 * (size + 20 + shape[0]),))
    env.reset()
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (40, *shape))
    for action in actions[:25]:
        env.step(action)
    assert fresh.restore(env.state())
    for action in actions[25:]:
        ours, theirs = env.step(action), fresh.step(action)
        np.testing.assert_array_equal(ours.observation, theirs.observation)
        assert ours.reward == theirs.reward
    np.testing.assert_array_equal(env.reset(), fresh.reset())
    np.testing.assert_array_equal(env.step(actions[0]).observation, fresh.step(actions[0]).observation)


@pytest.mark.parametrize("domain", PARAMETERS)
def test_a_perturbed_model_is_the_one_compiled_with_the_parameter(domain):
    """All arrays equal those of a model compiled on its own, and the parameter is where it belongs."""
    import mujoco

    from smuzero.envs import perturbed
    from smuzero.envs.control import load

    task = next(task for task in TASKS if task.startswith(domain))
    model = load(task, 0).physics.model.ptr
    original = {name: array.copy() for name, array in perturbed._arrays(model).items()}
    xml, assets = perturbed._source(domain)
    plain = perturbed._arrays(mujoco.MjModel.from_xml_string(xml, assets))  # pyright: ignore[reportAttributeAccessIssue]
    assert all(np.array_equal(original[name], plain[name]) for name in original), "the source is dm_control's model"
    low, high = PARAMETERS[domain]["hard"]
    change = Perturbation(domain, model)
    change.apply(high)
    changed = {name for name, array in perturbed._arrays(model).items() if not np.array_equal(array, original[name])}
    assert changed
    if domain == "cartpole":
        assert model.geom("pole_1").size[1] == high / 2 and model.body("pole_1").mass == pytest.approx(high / 10)
    if domain == "walker":
        assert model.geom("left_thigh").size[1] == high
        assert model.body("left_leg").pos[2] == pytest.approx(-0.25 - 2 * high)
    if domain == "quadruped":
        assert model.geom("shin_back_left").size[1] == pytest.approx(np.sqrt(2) * high / 2)
        np.testing.assert_allclose(model.body("ankle_back_left").pos, [high, 0, -high])
    if domain == "humanoid":
        assert model.geom("floor").friction[0] == model.geom("torso").friction[0] == high
    change.apply(low)
    once = {name: array.copy() for name, array in perturbed._arrays(model).items()}
    change.apply(high)
    change.apply(low)
    assert all(np.array_equal(once[name], array) for name, array in perturbed._arrays(model).items())


def test_the_parameter_is_drawn_uniformly_for_every_episode():
    env = inner(make("rwrl:cartpole.swingup/hard,only=perturbation", seed=0))
    drawn = []
    for _ in range(60):
        env.reset()
        drawn.append(env._perturbation.value)
    assert len(set(drawn)) == 60 and min(drawn) >= 0.5 and max(drawn) <= 2.3
    # The mean of 60 draws is within 5 standard deviations, 1.8 / √(12·60) each, of the middle.
    assert abs(np.mean(drawn) - 1.4) < 5 * 1.8 / np.sqrt(12 * 60)


def test_a_frame_lasts_as_long_as_in_the_suite():
    for task in TASKS:
        assert frame_seconds(f"rwrl:{task}/hard,only=delay,actions") == frame_seconds(f"dmc:{task}")
    with pytest.raises(UnknownEnvironment, match="rwrl: has cartpole"):
        frame_seconds("rwrl:cartpole.swingup")


def test_a_quadruped_starts_upright():
    env = inner(make("rwrl:quadruped.walk/easy,only=noise", seed=0))
    env.reset()
    assert env.env._env.physics.torso_upright() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("cartpole.swingup", UnknownEnvironment, "rwrl: has cartpole.swingup/easy"),
        ("cartpole.swingup/easy,only=fog", UserError, "only is 'fog', but may be delay, noise"),
        ("cartpole.swingup/easy,buffers=lost", UserError, "may be reset, kept"),
    ],
)
def test_what_is_not_there_is_refused(name, error, message):
    with pytest.raises(error, match=message):
        make(f"rwrl:{name}", seed=0)
