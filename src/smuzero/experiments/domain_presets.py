"""What the domains of Sections 6.2 to 6.4 change in a preset, by the family of the environment.

`paper` is Appendix A's for the control suite from pixels, the CMU humanoid and
Real-World RL, and MuZero's for Atari (Appendix C); `quick` has sizes for two CPU
cores. docs/environments.md explains them. Departure from Appendix C: MuZero's
temperature of acting falls to a half and a quarter as learning goes on; here it stays 1. What
`efficient` has for Atari was measured on Ms. Pacman, whose points come in tens: 20 of
them as the least range of values is much where a game's rewards are single points.
"""

from collections.abc import Mapping
from typing import Any

from smuzero.envs.boards import is_board

# Paper: silent on the network for pixels. Here: the planes and blocks of MuZero's for Atari.
_TOWER = {"network.width": 256, "network.num_blocks": 16}

_ATARI_MODEL = {
    "acting.env_options": "planes=yes,stack=32",
    **_TOWER,
    "network.value_bins": 601,
    "network.value_range": (-300.0, 300.0),
    "network.value_transform": True,
    "network.reward_bins": 601,
    "network.reward_range": (-300.0, 300.0),
    "network.reward_transform": True,
    "learner.discount": 0.997,
    "learner.n_step": 10,
}

_PIXELS = {
    # Rewards of 4 frames; an action held so long is seen to do something. Brightness tells what colour does.
    "acting.env_options": "size=64,repeat=4,gray=yes",
    "acting.num_envs": 8,
    "network.picture_latent": "vector",
    "network.picture_planes": 32,
    "network.motion_planes": 1,
    "network.sketch": "tents",
    "network.head_layers": 1,
    "network.reward_range": (-4.0, 4.0),
    "network.value_range": (-100.0, 100.0),
    # Of 4 frames; a run is some ten thousand updates, in which the values of a longer horizon would not arrive.
    "learner.discount": 0.96,
    "learner.unroll": 3,
    "learner.n_step": 3,
    "learner.max_grad_norm": 10.0,
    "learner.value_weight": 0.25,
    "replay.priority_exponent": 0.0,
    "learner.picture_shift": 2,
    "learner.shifts_targets": False,
    "learner.encodes_once": True,
    # Consistency alone is met soonest by latents that are all alike; that they say what is seen keeps them apart.
    "learner.consistency_weight": 2.0,
    "learner.reconstruction_weight": 3.0,
    "learner.reconstruction_unit": "variance",
    "learner.batch_size": 48,
    "learner.learning_rate": 1e-3,
    "replay.max_sequences": 600,
    "replay.max_length": 50,
    "run.learn_after": 1000,
    "run.frames_per_update": 7.0,
    "run.evaluate_every": 10_000,
}

DOMAINS: dict[str, dict[str, Mapping[str, Any]]] = {
    "paper": {
        "dmc-pixels": _TOWER,
        "cmu": {},
        "rwrl": {"acting.env_options": "stack=4", "network.lstm": True, "learner.recall_steps": 8},
        "atari": {
            **_ATARI_MODEL,
            # Figure 3 has 2, 3 and 5 samples, and all 18 actions. Here: the most samples.
            "search.num_samples": 5,
            "search.noise_concentration": 0.25,
            "learner.optimiser": "sgd",
            "learner.schedule": "exponential",
            "learner.learning_rate": 0.05,
            "learner.decay_updates": 350_000,
            "learner.weight_decay": 1e-4,
            "replay.max_sequences": 125_000,
            "replay.max_length": 200,
            # Paper: silent on the frames for Ms. Pacman. Here: MuZero's 20 billion for its million updates.
            "run.frames": 20_000_000_000,
            "run.frames_per_update": 20_000.0,
            "run.evaluate_every": 100_000_000,
            "run.checkpoint_every": 100_000_000,
            "run.evaluation_episodes": 100,
        },
    },
    "quick": {
        "dmc-pixels": _PIXELS,
        "cmu": {"network.picture_blocks": (0, 0, 0), "learner.batch_size": 64},
        # Actions act late: what is still on its way to the simulator is shown, and need not be remembered.
        "rwrl": {"acting.env_options": "stack=4,actions=yes", "network.lstm": True},
        "atari": {
            "acting.env_options": "planes=yes,stack=4,size=64",
            "acting.num_envs": 8,
            "network.picture_latent": "vector",
            # Scores of a few thousand: h(3600) is 62.
            "network.value_bins": 61,
            "network.value_range": (-60.0, 60.0),
            "network.value_transform": True,
            "network.reward_range": (-50.0, 50.0),
            "network.reward_transform": True,
            "search.num_samples": 5,
            "search.noise_concentration": 0.25,
            "reanalyse.num_samples": 6,
            "reanalyse.num_simulations": 6,
            "learner.discount": 0.997,
            "learner.unroll": 3,
            "learner.n_step": 5,
            "learner.picture_shift": 2,
            "learner.consistency_weight": 1.0,
            "learner.reconstruction_weight": 1.0,
            "learner.batch_size": 32,
            "learner.learning_rate": 5e-4,
            "replay.max_sequences": 1000,
            "run.frames_per_update": 12.0,
        },
    },
    "efficient": {
        # A body that falls within half a second, and is paid in one episode of fifteen.
        "cmu": {
            # Till it falls: what an action does is then in one reward, and not in values that are still to be learned.
            "acting.action_repeat": 20,
            "network.reward_range": (-20.0, 20.0),
            # The policy's loss is a sum of 56, in which what an action changes would be lost.
            "learner.reward_weight": 16.0,
            "learner.value_weight": 4.0,
            "network.value_range": (-500.0, 500.0),
            "network.value_bins": 401,
            # A place among 168 numbers of the body is found sooner where it is large, and little is learned by heart.
            "network.observation_norm": False,
            "network.observation_symlog": True,
            "network.input_block": "layernorm_tanh",
            "learner.weight_decay": 1.0,
            # Many short episodes, few of which are paid.
            "replay.max_sequences": 60_000,
            "replay.max_length": 8,
            "replay.priority_exponent": 1.0,
            "reanalyse.corrects_values": True,
            # Where nothing is paid, what actions differ by is noise, and is not to close the policy.
            "search.min_value_range": 2.0,
            "learner.entropy_floor": 0.5,
            # Learning begins at some 116,000 frames, where some 500 episodes have been paid.
            "run.frames": 600_000,
            "run.learn_after": 8000,
            "run.frames_per_update": 60.0,
            "run.evaluate_every": 100_000,
            "run.evaluation_episodes": 200,
        },
        "atari": {
            # A dot is less than a point of a picture: what changes shows it, and a maze that is moved hides it.
            "network.motion_planes": 4,
            "network.sketch": "tents",
            "learner.picture_shift": 0,
            "learner.reconstruction_unit": "variance",
            "learner.reconstruction_weight": 2.0,
            "learner.consistency_weight": 0.3,
            # Rewards are soon known by heart.
            "learner.weight_decay": 0.3,
            "learner.learning_rate": 1e-3,
            "learner.batch_size": 48,
            # Ten points more or less are lost in values of a longer horizon.
            "learner.discount": 0.97,
            # A young model's noise would else decide which of 18 actions is repeated for ever.
            "search.min_value_range": 20.0,
            "search.noise_fraction": 0.25,
            "search.num_simulations": 30,
            "run.frames_per_update": 14.0,
            "run.evaluate_every": 20_000,
            # All games begin alike: without draws they would be one, again and again.
            "run.evaluation_temperature": 1.0,
        },
    },
}


def domain_changes(preset: str, family: str) -> dict[str, Any]:
    """The settings that a family changes in a preset, by dotted names; a preset that has none for it changes none."""
    return dict(DOMAINS.get(preset, {}).get(family, {}))


def with_options(env: Any, options: str) -> Any:
    """An environment's id with these options too, where it does not have them itself; anything but an id as it is."""
    if not isinstance(env, str) or not options or is_board(env):
        return env
    name, *given = env.split(",")
    own = {item.partition("=")[0] for item in given}
    return ",".join([name, *given, *(item for item in options.split(",") if item.partition("=")[0] not in own)])
