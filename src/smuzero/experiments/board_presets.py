"""What board games change in a preset (Appendix B), by the game and its size.

`RULES` holds for every preset: two players, outcomes between -1 and 1, no
discount, and Appendix B's targets. `paper` adds MuZero's sizes for boards,
`quick` those for two CPU cores. docs/go.md explains them.
"""

from collections.abc import Mapping
from typing import Any

from smuzero.envs import boards

RULES: Mapping[str, Any] = {
    "search.two_player": True,
    "learner.discount": 1.0,
    "learner.n_step": 25,
    "learner.num_bootstraps": 4,
    "network.value_range": (-1.0, 1.0),
    "network.reward_range": (-1.0, 1.0),
}

SIZES: dict[str, Mapping[str, Any]] = {
    # Paper: silent on the data it generated. Here: 100 million moves for MuZero's million updates.
    # Paper: a replay of a million games, as MuZero. Here: what fits in a computer's memory.
    "paper": {
        "network.width": 256,
        "network.num_blocks": 16,
        "search.num_samples": 50,
        "search.num_simulations": 400,
        # Q is on the scale of MuZero's known bounds, whatever a tree has met of it.
        "search.min_value_range": 2.0,
        "acting.num_envs": 256,
        "replay.max_sequences": 10_000,
        "learner.batch_size": 2048,
        "run.frames": 100_000_000,
        "run.frames_per_update": 100.0,
        "run.evaluate_every": 1_000_000,
        "run.checkpoint_every": 1_000_000,
        "run.learn_after": 100_000,
    },
    "quick": {
        "network.width": 32,
        "network.num_blocks": 2,
        "network.value_bins": 21,
        "network.reward_bins": 3,
        "search.num_samples": 16,
        "search.num_simulations": 32,
        "acting.num_envs": 64,
        "replay.max_sequences": 2000,
        "replay.priority_offset": 0.1,
        "learner.batch_size": 64,
        "learner.learning_rate": 2e-3,
        "learner.target_period": 1,
        "learner.target_rate": 0.1,
        "learner.consistency_weight": 1.0,
        "learner.max_grad_norm": 5.0,
        "selfplay.symmetries": True,
        "run.frames": 200_000,
        "run.frames_per_update": 24.0,
        "run.evaluate_every": 50_000,
        "run.evaluation_episodes": 40,
        "run.log_every": 5000,
    },
}

QUICK_GAMES: dict[str, Mapping[str, Any]] = {
    "tictactoe": {
        "network.num_blocks": 1,
        # No game is longer, so that every return is the outcome, and nothing has to be bootstrapped.
        "learner.n_step": 9,
        "learner.num_bootstraps": 1,
        "run.frames": 100_000,
        "run.frames_per_update": 8.0,
    },
}
"""What `quick` changes further for one game."""

LONGEST = {"tictactoe": 9, "connect_four": 42, "othello": 128, "hex": 123, "chess": 512}
"""Moves of the longest game; Go's are 2·N², as pgx ends it there."""

ALPHA_GO, MOVES_GO = 0.03, 362
"""The noise's concentration in 19x19 Go (MuZero), and the moves there: α falls as moves grow in number."""


def board_changes(preset: str, env: str) -> dict[str, Any]:
    """The settings that a board game changes in a preset, by dotted names; an unknown preset gets `RULES` alone."""
    size = boards.go_size(env)
    longest = LONGEST[env] if size is None else 2 * size * size
    changes = {**RULES, "replay.max_length": longest, **SIZES.get(preset, {})}
    moves = {"tictactoe": 9, "connect_four": 7, "othello": 65, "hex": 122}.get(env, MOVES_GO)
    # AlphaZero's 0.3 for chess goes by the legal moves there, a few dozen.
    alpha = 0.3 if env == "chess" else ALPHA_GO * MOVES_GO / (moves if size is None else size * size + 1)
    changes["search.noise_concentration"] = round(alpha, 4)
    if preset == "quick":
        changes["selfplay.opening_moves"] = min(30, max(9, longest // 4))
        changes |= QUICK_GAMES.get(env, {})
    return changes
