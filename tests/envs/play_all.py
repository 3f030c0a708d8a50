"""Plays an episode, or its first steps, of random legal actions in every listed environment of some families.

    python tests/envs/play_all.py dmc rwrl cmu --steps 50

What is too slow for the suite: prints one line for each environment, and ends with
exit code 1 if any failed.
"""

import argparse
import sys
import time
import traceback

from smuzero.envs import make
from smuzero.envs.registry import FAMILIES, list_family


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


def main() -> int:
    """Plays them all; the number of failures decides the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="+", choices=list(FAMILIES))
    parser.add_argument("--steps", type=int, default=10**9, help="at most so many steps; by default whole episodes")
    parser.add_argument("--options", default="", help="added to every id, such as ,camera")
    given = parser.parse_args()
    failures = 0
    for family in given.families:
        for listed in list_family(family):
            try:
                print(play(listed.id + given.options, given.steps), flush=True)
            except Exception:
                failures += 1
                print(f"{listed.id}: FAILED\n{traceback.format_exc()}", flush=True)
    print(f"{failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
