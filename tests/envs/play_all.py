"""Plays an episode, or its first steps, of random legal actions in every listed environment of some families.

    python tests/envs/play_all.py dmc rwrl cmu atari:MsPacman --steps 50 --learn efficient

What is too slow for the suite: prints one line for each environment, and ends with
exit code 1 if any failed. `--learn` also acts, stores and learns in each by a preset,
made small.
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

import smuzero
from smuzero.envs import make
from smuzero.envs.registry import FAMILIES, list_family

SMALL = {
    "acting.num_envs": 2,
    "network.width": 4,
    "network.num_blocks": 1,
    "network.picture_blocks": [0, 0, 0],
    "search.num_samples": 2,
    "search.num_simulations": 2,
    "reanalyse.num_samples": 2,
    "learner.batch_size": 2,
    "replay.max_length": 6,
    "replay.max_sequences": 20,
    "run.learn_after": 8,
    "run.frames_per_update": 4.0,
    "run.evaluate_every": 10**9,
    "run.evaluation_episodes": 1,
    "run.log_every": 1,
}


def play(env_id: str, steps: int) -> str:
    """Makes an environment, plays it, and says how that went."""
    start = time.perf_counter()
    env = make(env_id, seed=0)
    space = env.spec.action_space
    space.seed(0)
    observation, total, taken, is_last = env.reset(), 0.0, 0, False
    begun = time.perf_counter()
    while taken < steps and not is_last:
        step = env.step(space.sample())
        assert step.observation.shape == env.spec.observation_shape == observation.shape
        assert step.observation.dtype == env.spec.observation_dtype
        total, taken, is_last = total + step.reward, taken + 1, step.is_last
    seconds = time.perf_counter() - begun
    env.close()
    return (
        f"{env_id}: observation {env.spec.observation_shape} {env.spec.observation_dtype}, action {space.shape}, "
        f"{taken} steps, return {total:.3f}, made in {begun - start:.2f} s, {taken / seconds:.0f} steps/s"
    )


def learn(env_id: str, preset: str, frames: int) -> str:
    """Trains a small network by a preset for some frames, and says what its last update was like."""
    with tempfile.TemporaryDirectory() as folder:
        smuzero.train(env_id, preset=preset, frames=frames, overrides=SMALL, out=Path(folder, "run"), progress=False)
        lines = [json.loads(line) for line in Path(folder, "run", "metrics.jsonl").read_text().splitlines()]
    last = next(line for line in reversed(lines) if "loss/total" in line)
    assert np.isfinite(last["loss/total"])
    return f"; {preset}: {last['env_frames']} frames, {last['replay/updates']} updates, loss {last['loss/total']:.3f}"


def main() -> int:
    """Plays them all; the number of failures decides the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", help=f"families ({', '.join(FAMILIES)}), or ids of environments")
    parser.add_argument("--steps", type=int, default=10**9, help="at most so many steps; by default whole episodes")
    parser.add_argument("--options", default="", help="added to every id of a family, such as ,camera")
    parser.add_argument("--learn", metavar="PRESET", help="learn too, by this preset with a small network")
    parser.add_argument("--frames", type=int, default=200, help="of learning")
    given = parser.parse_args()
    failures = 0
    for name in given.names:
        for env_id in [name] if ":" in name else [listed.id + given.options for listed in list_family(name)]:
            try:
                played = play(env_id, given.steps)
                print(played + (learn(env_id, given.learn, given.frames) if given.learn else ""), flush=True)
            except Exception:
                failures += 1
                print(f"{env_id}: FAILED\n{traceback.format_exc()}", flush=True)
    print(f"{failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
