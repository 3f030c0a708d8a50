"""Why an agent does not learn: what its model, values and policy are worth, in numbers that each say one thing.

A search is only as good as the model's ranking of the actions it is offered.
The simulator is put back into states that were met without noise, every
candidate is tried, and r̂ + γ v(dynamics(s, a)) compared with
r + γ v(represent(s')): the same value function on both sides, so that the
difference is the model's alone. The value itself is then held against the
returns that followed. The paper has nothing of it.
"""

import contextlib
import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from smuzero.actions.distributions import Policy
from smuzero.actions.spaces import ActionSpace
from smuzero.envs import boards, registry
from smuzero.envs.base import Env
from smuzero.envs.registry import EnvFactory
from smuzero.experiments import api, build
from smuzero.experiments.config import Config
from smuzero.experiments.diagnosis import numbers, visits
from smuzero.experiments.domain_presets import with_options
from smuzero.networks.network import Network, Params
from smuzero.runtime import checkpoints, run_folder
from smuzero.types import UserError, check_at_least

MEANINGS: dict[str, str] = {
    "episodes/return": "mean return of the episodes played for this, without noise",
    "ranking/q_correlation": "r̂ + γv̂ against the truth over a state's actions: 1 ranks all rightly, near 0 the "
    "search is blind: train more per frame, or change the network",
    "ranking/reward_correlation": "the same of the reward alone",
    "ranking/value_correlation": "the same of the next value alone: if low where the reward's is high, the latent "
    "after an action misses what matters",
    "ranking/lost": "what is lost by taking the model's best action: 0 as good as the simulator, 1 no better "
    "than chance",
    "ranking/states": "share of states whose actions truly differ; only these are ranked",
    "ranking/candidates": "distinct actions per state; near 1, the policy offers the search no choice",
    "model/q_error": "rms error of r̂ + γv̂; it should lie well below spread/true_q",
    "model/reward_error": "rms error of r̂; if large, look at network.reward_range",
    "model/value_error": "rms error of the value after an action; if large beside model/reward_error, the latent is at "
    "fault",
    "spread/model_q": "standard deviation of Q over a state's actions, by the model: far below the true one, it hardly "
    "hears the action; far above, it invents",
    "spread/true_q": "and by the simulator: what there is to gain by choosing",
    "value/bias": "the network's value minus the return that followed: positive is optimism",
    "value/error": "rms of that difference; compare with value/return_spread",
    "value/correlation": "of value and return over all steps: 1 is best, near 0 the value says nothing of what comes",
    "value/return_spread": "standard deviation of the returns: a value that knew nothing would err by this much",
    "value/search_bias": "the same as value/bias, of the value that the search found",
    "value/search_error": "if above value/error, searching makes values worse: the model misleads it",
    "policy/entropy": "nats (differential if continuous): near policy/entropy_uniform nothing is decided; near 0 all "
    "is, and exploration hangs on noise",
    "policy/entropy_uniform": "nats of a policy that has learned nothing; none where actions are continuous",
    "search/visit_entropy": "nats of the root's visits: what the policy is taught",
    "search/q_spread": "largest minus smallest Q at the root: against model/q_error, how much of it is signal",
    "replay/age": "frames since a replayed step was stored, mean over what is drawn: its stored targets are that old",
    "replay/oldest": "frames since the oldest stored step",
    "replay/fresh_share": "share of a batch that is searched anew, so that its targets are not old (reanalyse.share)",
}
"""What each number says, what is good, and what to do; in the order of the table."""


class Diagnosis(NamedTuple):
    """Numbers on a trained run, and what plots of them need."""

    env: str
    frames: int
    """Environment frames the agent had been trained for."""
    values: dict[str, float | None]
    """By the names of `MEANINGS`; None where there is nothing to measure."""
    calibration: list[numbers.Bin]
    notes: list[str]
    """What could not be measured, and why."""
    met: visits.Met
    judged: visits.Judged | None
    """None where the environment cannot be put back."""
    correlations: np.ndarray
    """Of Q in each state that was judged."""
    gamma: float

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays of the plots."""
        return {
            "env": self.env,
            "frames": self.frames,
            "values": self.values,
            "calibration": [part._asdict() for part in self.calibration],
            "notes": self.notes,
        }


@dataclasses.dataclass(frozen=True)
class DiagnosisSettings:
    """How much is looked at."""

    states: int = 256
    """States in which candidate actions are tried, drawn uniformly from those met."""
    candidates: int = 16
    """Actions tried in each: all where there are no more, else so many draws."""
    proposal: Literal["search", "uniform"] = "search"
    """What draws them: the acting search's own proposal with its noise, or the uniform distribution."""
    episodes: int = 4
    """Episodes played, at once."""
    steps: int = 1000
    """Most steps of an episode; where it is cut, the value stands for the rest."""

    def __post_init__(self):
        check_at_least(self, UserError, states=1, candidates=2, episodes=1, steps=1)
        if self.proposal not in ("search", "uniform"):
            raise UserError(f"proposal is {self.proposal!r}, but must be 'search' or 'uniform'.")


def diagnose(
    path: str | os.PathLike[str],
    *,
    env: EnvFactory | None = None,
    settings: DiagnosisSettings | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Diagnoses the last whole checkpoint of a run folder, or the checkpoint at `path`.

    A run that was started with a function that makes its environment needs that
    function again as `env`. Raises UserError, also for a board game, which this
    does not know.
    """
    api.check_seed(seed)
    agent, made_from, frames = api.load_checkpoint(Path(path), seed)
    where = api.environment_of(made_from, env, Path(path))
    if isinstance(where, str) and boards.is_board(where):
        raise UserError(f"{where} is a game for two, and diagnose is for environments: see smuzero elo.")
    settings = settings or DiagnosisSettings()
    replay = checkpoints.restore(run_folder.find_checkpoint(Path(path)), only=["replay"])["replay"]
    config, draw = made_from.config, np.random.SeedSequence([seed, 2]).generate_state(settings.episodes)
    where = with_options(where, config.acting.env_options)
    with contextlib.ExitStack() as stack:
        envs = [registry.make(where, seed=int(s), action_repeat=config.acting.action_repeat) for s in draw]
        for one in envs:
            stack.callback(one.close)
        found = examine(envs, config, agent.network, agent.policy, agent.params, made_from.space, settings, seed)
    age = _ages(replay, found.met.frames_per_step, config.reanalyse.share)
    return found._replace(env=made_from.env_name, frames=frames, values={**found.values, **age})


def examine(
    envs: Sequence[Env],
    config: Config,
    network: Network,
    policy: Policy,
    params: Params,
    space: ActionSpace,
    settings: DiagnosisSettings,
    seed: int,
) -> Diagnosis:
    """What a model, its values and its policy are worth in these environments; nothing of a replay."""
    gamma = config.learner.discount
    drawn = visits.candidate_settings(config.search, policy, settings.candidates, settings.proposal == "uniform")
    heads = visits.make_heads(network, policy, drawn, gamma)
    act = build.evaluation_act(config, policy, network)
    met = visits.play(
        envs, act, heads, params, space, gamma=gamma, states=settings.states, steps=settings.steps, seed=seed
    )
    entropies = visits.policy_entropies(met.visits, heads, params, space)
    judged, by_state, notes = None, np.zeros(0), []
    if visits.can_go_back(envs, met.visits):
        judged = visits.judge(envs, met.visits, heads, params, space, seed)
        by_state = numbers.correlations(*q_of(judged, gamma), judged.exists)
    else:
        notes.append(
            f"{envs[0].spec.name} cannot be put back into a state that was met, so nothing is known of how the model "
            "ranks actions: the rows under ranking, model and spread are empty."
        )
    measured = {
        **_of_episodes(met),
        "policy/entropy": numbers.mean(entropies),
        "policy/entropy_uniform": _uniform_entropy(policy),
        **({} if judged is None else _of_ranking(judged, by_state, gamma)),
    }
    return Diagnosis(
        env=envs[0].spec.name,
        frames=0,
        values={name: _plain(measured.get(name)) for name in MEANINGS},
        calibration=numbers.calibration(met.raw_value, met.returned),
        notes=notes,
        met=met,
        judged=judged,
        correlations=by_state,
        gamma=gamma,
    )


def q_of(judged: visits.Judged, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """Q(s, a) `[S, K]` by the model and by the simulator."""
    return judged.model_reward + gamma * judged.model_value, judged.reward + gamma * judged.value


def _of_ranking(judged: visits.Judged, by_state: np.ndarray, gamma: float) -> dict[str, float]:
    exists, (model_q, true_q) = judged.exists, q_of(judged, gamma)
    return {
        "ranking/q_correlation": numbers.mean(by_state),
        "ranking/reward_correlation": numbers.mean(numbers.correlations(judged.model_reward, judged.reward, exists)),
        "ranking/value_correlation": numbers.mean(numbers.correlations(judged.model_value, judged.value, exists)),
        "ranking/lost": numbers.lost_by_trust(model_q, true_q, exists),
        "ranking/states": float(np.mean(~np.isnan(by_state))),
        "ranking/candidates": float(exists.sum(axis=1).mean()),
        "model/q_error": numbers.rms((model_q - true_q)[exists]),
        "model/reward_error": numbers.rms((judged.model_reward - judged.reward)[exists]),
        "model/value_error": numbers.rms((judged.model_value - judged.value)[exists]),
        "spread/model_q": numbers.spread(model_q, exists),
        "spread/true_q": numbers.spread(true_q, exists),
    }


def _of_episodes(met: visits.Met) -> dict[str, float]:
    return {
        "episodes/return": numbers.mean(np.array(met.scores)),
        "value/bias": numbers.mean(met.raw_value - met.returned),
        "value/error": numbers.rms(met.raw_value - met.returned),
        "value/correlation": numbers.correlation(met.raw_value, met.returned),
        "value/return_spread": float(met.returned.std()),
        "value/search_bias": numbers.mean(met.search_value - met.returned),
        "value/search_error": numbers.rms(met.search_value - met.returned),
        "search/visit_entropy": numbers.mean(met.visit_entropy),
        "search/q_spread": numbers.mean(met.q_spread),
    }


def _ages(replay: dict[str, Any], frames_per_step: float, fresh_share: float) -> dict[str, float | None]:
    age, share = numbers.ages(replay)
    return {
        "replay/age": float(frames_per_step * (age * share).sum()) if len(age) else None,
        "replay/oldest": float(frames_per_step * age[0]) if len(age) else None,
        "replay/fresh_share": fresh_share,
    }


def _uniform_entropy(policy: Policy) -> float | None:
    """Of zero logits, which are the uniform policy where every component is a choice."""
    if np.dtype(policy.dtype).kind != "i":
        return None
    return float(policy.entropy(jnp.zeros(policy.num_logits)))


def _plain(value: float | None) -> float | None:
    """JSON has no NaN."""
    return None if value is None or math.isnan(value) else value
