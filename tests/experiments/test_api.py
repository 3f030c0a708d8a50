"""Train, stop, go on, load, evaluate: with tiny networks, through the public functions."""

import errno
import functools
import json
import signal
import typing
import warnings

import gymnasium
import numpy as np
import pytest

import smuzero
from smuzero.experiments import api, presets, training
from smuzero.runtime import checkpoints, durable, run_folder
from smuzero.runtime.metrics import METRICS
from smuzero.types import UserError

SWINGUP, CARTPOLE, PENDULUM = "dmc:cartpole.swingup", "gym:CartPole-v1", "gym:Pendulum-v1"


def metrics_of(folder):
    """All lines of a run's metrics, without what depends on the machine's speed."""
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return [
        {key: value for key, value in line.items() if key != "wall_seconds" and not key.startswith("perf/")}
        for line in lines
    ]


def quiet(env, out, **options):
    return api.train(env, preset="tiny", out=out, progress=False, **options)


def test_same_seed_gives_same_metrics_whatever_the_workers(tiny_preset, tmp_path):
    quiet(PENDULUM, tmp_path / "a", seed=3)
    quiet(PENDULUM, tmp_path / "b", seed=3, overrides={"acting.num_workers": 2})
    lines = metrics_of(tmp_path / "a")
    assert lines == metrics_of(tmp_path / "b")
    assert "loss/total" in lines[-1] and "eval/return_mean" in lines[-1] and lines[-1]["env_frames"] == 600


def test_stopped_and_resumed_run_equals_one_that_never_stopped(tiny_preset, tmp_path, monkeypatch):
    # An episode of this environment takes 1000 steps, where it is not cut.
    once = {"run.evaluate_every": 600, "acting.cut_after": 70, "learner.acts_by_target": True}
    whole = quiet(SWINGUP, tmp_path / "whole", seed=1, overrides=once)
    write = training.MetricsLogger.write

    def write_and_stop(logger, frames, values):
        write(logger, frames, values)
        if frames == 300:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(training.MetricsLogger, "write", write_and_stop)
        with pytest.raises(training.Interrupted, match="smuzero resume") as stopped:
            quiet(SWINGUP, tmp_path / "stopped", seed=1, overrides=once)
    assert (stopped.value.signal_name, stopped.value.frames) == ("SIGTERM", 300)
    resumed = api.resume(tmp_path / "stopped", progress=False)

    assert metrics_of(tmp_path / "stopped") == metrics_of(tmp_path / "whole")
    observation = smuzero.make_env(SWINGUP, seed=5).reset()
    assert resumed.plan(observation).q.tolist() == whole.plan(observation).q.tolist()


def test_loaded_agent_acts_like_the_trained_one(tiny_preset, tmp_path):
    trained = quiet(PENDULUM, tmp_path / "run")
    loaded = smuzero.load(tmp_path / "run")
    env = smuzero.make_env(PENDULUM, seed=0)
    observation = env.reset()
    action = loaded.act(observation)
    assert env.spec.action_space.contains(action)
    assert action == trained.act(observation) == trained.plan(observation).action
    assert loaded.folder == trained.folder == tmp_path / "run"
    by_checkpoint = smuzero.load(checkpoints.latest(tmp_path / "run" / "checkpoints"))
    assert action == by_checkpoint.act(observation)


def test_an_agent_may_act_by_the_target_network(tiny_preset, tmp_path):
    # A target network that is never refreshed is the network as it began: its policy is uniform.
    still = {"learner.target_period": 10_000}
    quiet(CARTPOLE, tmp_path / "run", overrides=still | {"learner.acts_by_target": True})
    quiet(CARTPOLE, tmp_path / "other", overrides=still)
    observation = smuzero.make_env(CARTPOLE, seed=0).reset()
    assert abs(smuzero.load(tmp_path / "run").plan(observation).raw_value) < 1e-4  # rounding of the middle bin
    assert smuzero.load(tmp_path / "other").plan(observation).raw_value > 1e-3


def test_evaluation_repeats_for_a_seed(tiny_preset, tmp_path):
    quiet(CARTPOLE, tmp_path / "run")
    first, again = (api.evaluate(tmp_path / "run", episodes=2, seed=7) for _ in range(2))
    assert first.returns.tolist() == again.returns.tolist() and len(first.returns) == 2
    assert (first.env, first.frames) == (CARTPOLE, 600)
    with pytest.raises(UserError, match="episodes is 0"):
        api.evaluate(tmp_path / "run", episodes=0)


def test_evaluation_draws_by_visits_at_a_temperature(tiny_preset, tmp_path):
    # All episodes of a game whose start is always the same are one, unless something is drawn.
    quiet(make_fixed_start, tmp_path / "run", overrides={"search.enumerate_actions": True, "search.num_samples": 2})
    play = functools.partial(api.evaluate, tmp_path / "run", env=make_fixed_start, episodes=8)
    assert len(set(play().returns)) == 1
    drawn = play(temperature=1.0)
    assert len(set(drawn.returns)) > 1 and play(temperature=1.0).returns.tolist() == drawn.returns.tolist()
    assert (play().temperature, drawn.temperature) == (0.0, 1.0)
    with pytest.raises(UserError, match="temperature is -1"):
        play(temperature=-1.0)


def test_a_run_evaluates_at_its_temperature(tiny_preset, tmp_path):
    overrides = {
        "search.enumerate_actions": True,
        "search.num_samples": 2,
        "run.evaluation_temperature": 1.0,
        "run.evaluation_episodes": 8,
    }
    quiet(make_fixed_start, tmp_path / "run", overrides=overrides)
    spreads = [line["eval/return_std"] for line in metrics_of(tmp_path / "run") if "eval/return_std" in line]
    assert spreads and all(spread > 0 for spread in spreads)
    assert len(set(api.evaluate(tmp_path / "run", env=make_fixed_start, episodes=8).returns)) > 1


class FixedStart(gymnasium.Wrapper):
    def reset(self, *, seed=None, options=None):
        observation, info = self.env.reset(seed=3, options=options)
        return observation, info


def make_fixed_start():
    return FixedStart(gymnasium.make("CartPole-v1"))


def make_cartpole():
    return gymnasium.make("CartPole-v1")


def test_factory_is_asked_for_again(tiny_preset, tmp_path):
    agent = quiet(make_cartpole, tmp_path / "run", frames=200)
    assert smuzero.load(tmp_path / "run").name == agent.name == "CartPole-v1"
    with pytest.raises(UserError, match="function of yours"):
        api.resume(tmp_path / "run", frames=400)
    with pytest.raises(UserError, match="function of yours"):
        api.evaluate(tmp_path / "run", episodes=1)
    api.resume(tmp_path / "run", frames=400, env=make_cartpole, progress=False)
    assert api.evaluate(tmp_path / "run", env=make_cartpole, episodes=2).frames == 400


class Counted(gymnasium.Env):
    """Ends after 24 frames; notes every action it is given."""

    observation_space, action_space = gymnasium.spaces.Box(0, 1, (1,)), gymnasium.spaces.Discrete(5)
    given: typing.ClassVar[list[list[int]]] = []

    def reset(self, *, seed=None, options=None):
        self.actions: list[int] = []
        self.given.append(self.actions)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.actions.append(int(action))
        return np.full(1, len(self.actions) / 24, np.float32), 1.0, len(self.actions) == 24, False, {}


def test_a_familys_action_repeat_holds_in_training_evaluation_and_resuming(tiny_preset, tmp_path, monkeypatch):
    repeated = presets.Preset("Repeats.", {}, {"gym": {"acting.action_repeat": 3}}, base="tiny")
    monkeypatch.setitem(presets.PRESETS, "repeated", repeated)
    Counted.given.clear()
    once = {"run.evaluate_every": 10_000, "replay.max_length": 8, "run.learn_after": 30}
    api.train(Counted, preset="repeated", out=tmp_path / "run", frames=240, overrides=once, progress=False)
    api.resume(tmp_path / "run", frames=480, env=Counted, progress=False)
    returns = api.evaluate(tmp_path / "run", env=Counted, episodes=2).returns
    assert returns.tolist() == [24.0, 24.0]
    episodes = [np.reshape(actions, (-1, 3)) for actions in Counted.given if len(actions) % 3 == 0]
    assert len(episodes) == len(Counted.given) > 20
    assert all((held == held[:, :1]).all() for held in episodes)
    assert metrics_of(tmp_path / "run")[-1]["env_frames"] == 480


def test_episodes_are_cut_in_training_alone_and_their_returns_not_counted(tiny_preset, tmp_path):
    Counted.given.clear()
    cut = {"acting.cut_after": 6, "acting.cut_share": 0.5, "run.evaluate_every": 10_000}
    api.train(Counted, preset="tiny", out=tmp_path / "run", frames=480, overrides=cut, progress=False)
    # Four environments, two of them cut, then the evaluation's; the last of each may be under way.
    lengths = [len(actions) for actions in Counted.given]
    assert sorted(set(lengths) - {0}) == [6, 24] and lengths.count(6) == 2 * 120 // 6
    returns = [line["rollout/return"] for line in metrics_of(tmp_path / "run") if "rollout/return" in line]
    assert returns and set(returns) == {24.0}
    assert api.evaluate(tmp_path / "run", env=Counted, episodes=2).returns.tolist() == [24.0, 24.0]


def test_more_frames_are_recorded_and_a_complete_run_says_so(tiny_preset, tmp_path):
    quiet(CARTPOLE, tmp_path / "run", frames=200)
    with pytest.raises(UserError, match="200 of 200 frames: it is complete"):
        api.resume(tmp_path / "run")
    api.resume(tmp_path / "run", frames=400, progress=False)
    assert metrics_of(tmp_path / "run")[-1]["env_frames"] == 400
    settings = run_folder.open_run(tmp_path / "run").config()["settings"]
    assert (settings["run"]["frames"], settings["learner"]["total_updates"]) == (400, 50)


class BrokenCartPole(gymnasium.Wrapper):
    """Gives NaN after a number of steps, over all episodes."""

    steps = 0

    def step(self, action):
        observation, *rest = self.env.step(action)
        self.steps += 1
        return (observation if self.steps < 80 else observation * np.nan, *rest)


def test_nan_of_an_environment_stops_the_run_and_keeps_its_checkpoint(tiny_preset, tmp_path):
    with pytest.raises(UserError, match="observation that is not finite") as stopped:
        quiet(lambda: BrokenCartPole(make_cartpole()), tmp_path / "run")
    assert "checkpoint of 200 frames is kept" in stopped.value.__notes__[0]
    assert smuzero.load(tmp_path / "run").act(np.zeros(4)) in (0, 1)


def test_a_network_that_diverges_stops_the_run_with_advice(tiny_preset, tmp_path):
    with pytest.raises(UserError, match=r"diverged.*learner.learning_rate") as stopped:
        quiet(CARTPOLE, tmp_path / "run", overrides={"learner.learning_rate": 1e30})
    assert "is kept" in stopped.value.__notes__[0]


def test_full_disk_stops_the_run_and_keeps_the_checkpoint_before(tiny_preset, tmp_path, monkeypatch):
    save = checkpoints.save

    def full(folder, step, parts, **options):
        if step < 400:
            return save(folder, step, parts, **options)
        with durable.writing(folder):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "save", full)
    with pytest.raises(durable.DiskFull, match="No space left") as stopped:
        quiet(CARTPOLE, tmp_path / "run")
    assert "checkpoint of 200 frames is kept" in stopped.value.__notes__[0]
    checkpoints.verify(checkpoints.latest(tmp_path / "run" / "checkpoints"))


def test_damaged_checkpoint_is_named_and_the_one_before_used(tiny_preset, tmp_path):
    quiet(CARTPOLE, tmp_path / "run", frames=400)
    newest = tmp_path / "run" / "checkpoints" / "000000000400" / "learner.npz"
    newest.write_bytes(newest.read_bytes()[:-10])
    with pytest.warns(checkpoints.DamagedCheckpointWarning, match=str(newest)):
        api.resume(tmp_path / "run", progress=False)
    assert metrics_of(tmp_path / "run")[-1]["env_frames"] == 400
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        api.load(tmp_path / "run")


def test_nothing_is_left_where_an_environment_cannot_be_made(tiny_preset, tmp_path):
    with pytest.raises(UserError, match="Did you mean cartpole"):
        quiet("dmc:cartpole.swingu", tmp_path / "run")
    with pytest.raises(UserError, match="The seed is -1"):
        quiet(CARTPOLE, tmp_path / "run", seed=-1)
    assert not (tmp_path / "run").exists()


def test_a_run_too_short_to_learn_says_so_and_can_go_on(tiny_preset, tmp_path):
    with pytest.warns(UserWarning, match=r"Nothing was learned: .* 60 frames .*run.learn_after = 100.*--frames 1000"):
        quiet(CARTPOLE, tmp_path / "run", frames=60)
    assert "loss/total" not in metrics_of(tmp_path / "run")[-1]
    api.resume(tmp_path / "run", frames=300, progress=False)
    assert "loss/total" in metrics_of(tmp_path / "run")[-1]


def test_existing_run_is_not_written_over(tiny_preset, tmp_path):
    quiet(CARTPOLE, tmp_path / "run", frames=300)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(run_folder.ExistingRun, match="already holds a run"):
        quiet(CARTPOLE, tmp_path / "run")
    assert before == {path: path.read_bytes() for path in before}
