"""The command line as a whole: help, exit codes, and complaints instead of tracebacks."""

import errno
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

from smuzero.cli.main import COMMANDS, main
from smuzero.runtime import checkpoints, durable


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "smuzero.cli.main", *arguments], capture_output=True, text=True)


def test_help_names_every_command_and_needs_no_jax():
    code = "import sys; from smuzero.cli.main import main; main(['--help']); sys.exit('jax' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert all(name in shown.stdout for name in COMMANDS)


def test_users_mistake_is_one_message_and_exit_code_2():
    shown = run("train", "dmc:cartpole.swingu")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "Did you mean cartpole.swingup" in shown.stderr and "Traceback" not in shown.stderr


def test_a_module_of_the_users_is_found_where_the_command_is_called(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    entry = "gymnasium.envs.classic_control:PendulumEnv"
    (tmp_path / "worlds_of_mine.py").write_text(f"import gymnasium\ngymnasium.register('Mine-v0', {entry!r})\n")
    asked = ["train", "gym:worlds_of_mine:Mine-v0", "--preset", "quick", "--dry-run"]
    assert main(asked) == 0 and "parameters" in capsys.readouterr().out
    gymnasium.registry.pop("Mine-v0")
    sys.modules.pop("worlds_of_mine")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_opens_with_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    usage, _, rest = text.partition("\n\n")
    assert usage.startswith(f"usage: smuzero {command}")
    assert rest.startswith(f"smuzero {command}")


def test_help_of_train_explains_settings_and_shows_the_preset(capsys):
    main(["train", "--preset", "paper", "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--search.num-samples INT Actions drawn from the proposal" in text
    assert "--network.width INT Hidden units of every layer, and the length of a latent. (default: 512)" in text


TRAIN = ["train", "gym:CartPole-v1"]

MISTAKES = {
    "no arguments": ([], "smuzero train"),
    "unknown command": (["trian"], "Did you mean train?"),
    "no environment": (["train"], "The environment"),
    "unknown family": (["train", "dcm:cartpole.swingup"], "Did you mean dmc"),
    "unknown task": (["train", "dmc:cartpole.swingp"], "Did you mean cartpole.swingup"),
    "unknown id": (["train", "gym:CartPol-v1"], "Did you mean CartPole-v1"),
    "no id": (["train", "CartPole-v1"], "Ids start with their family"),
    "unsupported actions": (["train", "gym:mine/Unbounded-v0"], "no finite bounds"),
    "unknown option": ([*TRAIN, "--search.num-sample", "5"], "--search.num-samples"),
    "ill-typed option": ([*TRAIN, "--search.num-samples", "five"], "five"),
    "no samples": ([*TRAIN, "--search.num-samples", "0"], "needs at least 1"),
    "no simulations": ([*TRAIN, "--search.num-simulations", "0"], "needs at least 1"),
    "no frames": ([*TRAIN, "--frames", "0"], "frames is 0"),
    "unknown preset": ([*TRAIN, "--preset", "quik"], "Presets are paper, quick"),
    "seed out of range": ([*TRAIN, "--seed", "-1"], "The seed is -1"),
    "occupied folder": ([*TRAIN, "--out", "occupied"], "is not empty"),
    "no run to resume": (["resume", "nowhere"], "is no run folder"),
    "no run to evaluate": (["evaluate", "occupied"], "is no run folder"),
    "no run to report": (["report"], "at least one run folder"),
    "no column of a table": (["report", "occupied", "--every", "0"], "every is 0"),
    "scores of another metric": (["report", "occupied", "--metric", "x", "--published", "p.csv"], "are returns"),
    "unknown part": (["bench", "nonsense"], "nonsense"),
    "sizes of another part": (["bench", "learner", "--dims", "1"], "belong to `smuzero bench search`"),
    "no network": (["bench", "search", "--networks", "128"], "WIDTHxBLOCKS"),
    "no batch": (["bench", "search", "--batches", "0"], "whole numbers above 0"),
    "unknown prior": ([*TRAIN, "--search.prior", "pi"], "policy_normalised"),
    "widening where all actions are held": (
        [*TRAIN, "--search.widening-start", "2", "--search.enumerate-actions"],
        "Set one of the two back",
    ),
}


class Unbounded(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (3,))
    action_space = gymnasium.spaces.Dict({"a": gymnasium.spaces.Box(-np.inf, np.inf, (2,))})


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_answered_by_a_message(mistake, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(
        gymnasium.registry,
        "mine/Unbounded-v0",
        EnvSpec("mine/Unbounded-v0", entry_point=lambda **_: Unbounded()),
    )
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "thesis.txt").write_text("years of work")
    arguments, message = MISTAKES[mistake]

    assert main(arguments) == 2
    printed = capsys.readouterr()
    text = " ".join((printed.err or printed.out).replace("│", " ").split())
    assert message in text and "Traceback" not in text
    assert [path.name for path in tmp_path.rglob("*")] == ["occupied", "thesis.txt"]


class BrokenReward(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (3,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, **_):
        return np.zeros(3, np.float32), {}

    def step(self, _):
        return np.zeros(3, np.float32), float("nan"), False, False, {}


def test_nan_reward_is_a_message_and_the_checkpoint_stays(tiny_preset, tmp_path, monkeypatch, capsys):
    spec = EnvSpec("mine/Broken-v0", entry_point=lambda **_: BrokenReward())
    monkeypatch.setitem(gymnasium.registry, "mine/Broken-v0", spec)
    assert main(["train", "gym:mine/Broken-v0", "--out", str(tmp_path / "run"), "--preset", "tiny", "--quiet"]) == 2
    message = capsys.readouterr().err
    assert "gave a reward that is not finite" in message and "checkpoint of 0 frames is kept" in message
    checkpoints.verify(checkpoints.latest(tmp_path / "run" / "checkpoints"))


def test_full_disk_is_a_message(tiny_preset, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        with durable.writing(tmp_path / "run"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "save", full)
    assert main([*TRAIN, "--out", str(tmp_path / "run"), "--preset", "tiny", "--quiet"]) == 2
    assert "No space left on the disk" in capsys.readouterr().err
