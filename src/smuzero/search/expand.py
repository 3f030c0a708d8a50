"""Node expansion: K draws from β, repeated draws merged, and the prior that corrects for sampling.

Section 5.4 draws K actions from a proposal β at every node, and Section 5.1
searches with π̂_β ∝ (β̂/β)·π in place of π. Its naive modification, π itself, is
the same with another weight for each draw.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from smuzero.actions.distributions import Policy
from smuzero.actions.policy import MOST_ENUMERATED
from smuzero.search import proposal
from smuzero.search.settings import SearchSettings

FEW_WORDS = 3
"""Up to so many words actions are compared at once."""


class Slots(NamedTuple):
    """The S action slots of one new node; what a setting does not need is None."""

    count: Int[Array, " K"]
    """How often each action was drawn; 0 in an empty slot."""
    prior: Float[Array, " K"]
    """What PUCT has in place of π; -inf in an empty slot, which is never selected."""
    first: Int[Array, " K"] | None = None
    """The first draw of the same action, for nodes that widen,"""
    log_weight: Float[Array, " K"] | None = None
    """and log of each draw's weight in the prior; None where draws weigh alike."""
    log_correction: Float[Array, " K"] | None = None
    """log β̂/β up to a constant, to correct the backup; -inf in an empty slot."""


def has_slot_for_each(policy: Policy, settings: SearchSettings) -> bool:
    """Every action has a slot of its own at every node: all are held, or there are no more of them than draws."""
    if settings.enumerate_actions:
        return True
    # A node that widens needs to know in which order its actions were drawn.
    most = 0 if settings.is_widening else min(settings.num_samples, MOST_ENUMERATED)
    return policy.num_actions is not None and policy.num_actions <= most


def num_slots(policy: Policy, settings: SearchSettings) -> int:
    """S, the slots of a node: one for each action if `has_slot_for_each`, else one for each of the K draws.

    Raises ValueError where every action shall be held and there are too many.
    """
    return len(policy.enumerate_words()) if has_slot_for_each(policy, settings) else settings.num_samples


def search_prior(
    log_pi: Float[Array, " K"],
    log_beta: Float[Array, " K"],
    count: Int[Array, " K"],
) -> Float[Array, " K"]:
    """Log of the prior that takes the place of π in PUCT (Section 5.1, Appendix D).

        π̂_β(a) ∝ (β̂ / β)(a) · π(a),   β̂(a) = count(a) / Σ_b count(b)

    The K slots hold distinct actions; a slot with `count` 0 is empty and
    receives probability zero, whatever its other entries hold.
    """
    return _normalised_log(count, log_pi - log_beta)


def same_actions(left: UInt32[Array, "K W"], right: UInt32[Array, "S W"]) -> Bool[Array, "K S"]:
    """Which of the actions on the left are which of those on the right."""
    equal = jnp.ones((left.shape[0], right.shape[0]), bool)
    for own, other in zip(left.T, right.T, strict=True):
        equal = equal & (own[:, None] == other[None, :])
    return equal


def merged_counts(words: UInt32[Array, "K W"]) -> Int[Array, " K"]:
    """How often each drawn action occurs, at its first occurrence; 0 at every repeat.

    # Paper: silent on repeated draws. Here: merged into one slot, so a move's visits are never split.
    """
    size = words.shape[0]
    # One sum answers both questions: an earlier equal draw counts size + 1, more than all others together.
    weight = np.where(np.tri(size, k=-1, dtype=bool).T, size + 1, 1).astype(np.int32)
    total = jnp.sum(jnp.where(same_actions(words, words), weight, 0), axis=0)
    return jnp.where(total > size, 0, total)


def counts_at_nodes(draws: UInt32[Array, "B W L"], num_draws: int) -> Int[Array, "B K"]:
    """`merged_counts` of the first K = `num_draws` draws of many nodes at once.

    Long actions are summed up first, word by word with an odd factor each: where all sums of a node differ, so
    do its actions, and in continuous spaces they do. Only where two agree somewhere are whole actions compared.
    """
    num_words = draws.shape[1]

    def counts(draws: UInt32[Array, "B W L"]) -> Int[Array, "B K"]:
        return jax.vmap(merged_counts)(_rows(draws, num_draws))

    if num_words <= FEW_WORDS:
        return counts(draws)
    total = jnp.sum(draws * word_factors(num_words)[None, :, None], axis=1, dtype=jnp.uint32)[:, :num_draws]
    may_repeat = jnp.any(jnp.sum(total[:, :, None] == total[:, None, :], axis=1, dtype=jnp.int32) > 1)
    return jax.lax.cond(may_repeat, counts, lambda draws: jnp.ones(total.shape, jnp.int32), draws)


def _rows(draws: UInt32[Array, "B W L"], number: int) -> UInt32[Array, "B K W"]:
    return jnp.swapaxes(draws[..., :number], 1, 2)


def word_factors(number: int) -> UInt32[np.ndarray, " W"]:
    """Odd multiples, modulo 2^32, of the golden ratio's share of 2^32: far from each other."""
    return (np.arange(1, 2 * number, 2, dtype=np.uint64) * 0x9E3779B9).astype(np.uint32)


def weigh(
    policy: Policy,
    logits: Float[Array, " P"],
    words: UInt32[Array, "S W"],
    count: Int[Array, " S"],
    settings: SearchSettings,
) -> Slots:
    """The slots of a node that holds `words`, drawn `count` times each."""
    log_weight = log_draw_weight(policy, logits, words, settings)
    log_correction = None
    if settings.correct_backup:
        log_beta = proposal.log_prob(policy, logits, words, settings)
        log_correction = jnp.where(count > 0, jnp.log(count.astype(jnp.float32)) - log_beta, -jnp.inf)
    slots = Slots(count, prior(count, settings.num_samples, log_weight, settings), log_correction=log_correction)
    if not settings.is_widening:
        return slots
    return slots._replace(first=jnp.argmax(same_actions(words, words), axis=0), log_weight=log_weight)


def log_draw_weight(
    policy: Policy, logits: Float[Array, " P"], words: UInt32[Array, "K W"], settings: SearchSettings
) -> Float[Array, " K"] | None:
    """log of what one draw of each action adds to its prior: π/β, or π without the correction; None if 1 for all."""
    if settings.draws_weigh_alike:
        return None
    log_pi = policy.log_prob_words(logits, words)
    if settings.prior != "sampled":
        return log_pi
    return log_pi - proposal.log_prob(policy, logits, words, settings)


def prior(
    count: Int[Array, " K"],
    num_draws: Int[Array, ""] | int,
    log_weight: Float[Array, " K"] | None,
    settings: SearchSettings,
) -> Float[Array, " K"]:
    """What PUCT has in place of π at a node whose actions were drawn `count` times; -inf where 0 times."""
    if log_weight is None:
        found = count.astype(jnp.float32) / jnp.asarray(num_draws, jnp.float32)
    elif settings.prior == "sampled":
        found = jnp.exp(_normalised_log(count, log_weight))
    elif settings.prior == "policy_normalised":
        found = jnp.exp(_normalised_log(jnp.minimum(count, 1), log_weight))
    else:
        # Paper: π "directly" in PUCT. Here: not normalised over the K actions, so their priors sum to less than 1.
        found = jnp.exp(log_weight)
    return jnp.where(count > 0, found, -jnp.inf)


def expand(
    policy: Policy, logits: Float[Array, "B P"], draws: UInt32[Array, "B W L"], settings: SearchSettings
) -> tuple[UInt32[Array, "B S W"], Slots]:
    """New nodes of which these actions were drawn, a column each, the first K of them: their actions and slots."""
    if has_slot_for_each(policy, settings):
        drawn, every = _rows(draws, settings.num_samples), jnp.asarray(policy.enumerate_words())
        words = jnp.broadcast_to(every, (len(drawn), *every.shape))
        count = jnp.sum(jax.vmap(same_actions)(drawn, words), axis=1, dtype=jnp.int32)
    else:
        words, count = _rows(draws, settings.num_samples), counts_at_nodes(draws, settings.num_samples)
    return words, jax.vmap(lambda x, w, n: weigh(policy, x, w, n, settings))(logits, words, count)


def enumerate_all(
    policy: Policy, logits: Float[Array, " P"], settings: SearchSettings
) -> tuple[UInt32[Array, "S W"], Slots]:
    """A node that holds every action once, with prior π: MuZero's own search."""
    words = jnp.asarray(policy.enumerate_words())
    log_pi = policy.log_prob_words(logits, words)
    legal: Bool[Array, " K"] = log_pi > -jnp.inf
    slots = Slots(legal.astype(jnp.int32), jnp.where(legal, jnp.exp(log_pi), -jnp.inf))
    if not settings.correct_backup:
        return words, slots
    return words, slots._replace(log_correction=jnp.where(legal, 0.0, -jnp.inf))


def _normalised_log(count: Int[Array, " K"], log_weight: Float[Array, " K"]) -> Float[Array, " K"]:
    """log of count·weight / Σ_b count·weight; -inf in slots with count 0."""
    total = jnp.log(count.astype(jnp.float32)) + log_weight
    return jax.nn.log_softmax(jnp.where(count > 0, total, -jnp.inf))
