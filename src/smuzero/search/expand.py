"""Node expansion: K draws from β, repeated draws merged, and the prior that corrects for sampling.

Section 5.4 draws K actions from a proposal β at every node, Section 5.5 takes
β = π^(1/τ), and Section 5.1 searches with π̂_β ∝ (β̂/β)·π in place of π.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from smuzero.actions.distributions import Policy


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
    ratio = jnp.log(count.astype(jnp.float32)) - log_beta + log_pi
    return jax.nn.log_softmax(jnp.where(count > 0, ratio, -jnp.inf))


def merged_counts(words: UInt32[Array, "K W"]) -> Int[Array, " K"]:
    """How often each drawn action occurs, at its first occurrence; 0 at every repeat.

    # Paper: silent on repeated draws. Here: merged into one slot, so a move's visits are never split.
    """
    size = words.shape[0]
    equal = jnp.ones((size, size), bool)
    for word in words.T:
        equal = equal & (word[:, None] == word[None, :])
    # One sum answers both questions: an earlier equal draw counts size + 1, more than all others together.
    weight = np.where(np.tri(size, k=-1, dtype=bool).T, size + 1, 1).astype(np.int32)
    total = jnp.sum(jnp.where(equal, weight, 0), axis=0)
    return jnp.where(total > size, 0, total)


def draw(
    policy: Policy, logits: Float[Array, " P"], uniforms: Float[Array, "R K"], temperature: float
) -> UInt32[Array, "K W"]:
    """K packed actions from β = π^(1/τ)."""
    return policy.sample_words(logits if temperature == 1 else policy.tempered(logits, temperature), uniforms)


def weigh(
    policy: Policy, logits: Float[Array, " P"], words: UInt32[Array, "K W"], temperature: float
) -> tuple[Int[Array, " K"], Float[Array, " K"]]:
    """How often each of K drawn actions was drawn, and its prior π̂_β.

    An empty slot has count 0 and prior -inf, which PUCT never selects.
    """
    count = merged_counts(words)
    if temperature == 1:
        # β = π cancels from (β̂/β)·π: the prior is the frequency of the draws.
        prior = count.astype(jnp.float32) / words.shape[0]
    else:
        proposal = policy.tempered(logits, temperature)
        log_pi, log_beta = policy.log_prob_words(logits, words), policy.log_prob_words(proposal, words)
        prior = jnp.exp(search_prior(log_pi, log_beta, count))
    return count, jnp.where(count > 0, prior, -jnp.inf)


def expand(
    policy: Policy, logits: Float[Array, " P"], uniforms: Float[Array, "R K"], temperature: float
) -> tuple[UInt32[Array, "K W"], Int[Array, " K"], Float[Array, " K"]]:
    """The slots of one new node: packed actions, how often each was drawn, and its prior π̂_β."""
    words = draw(policy, logits, uniforms, temperature)
    return words, *weigh(policy, logits, words, temperature)


def enumerate_all(
    policy: Policy, logits: Float[Array, " P"]
) -> tuple[UInt32[Array, "K W"], Int[Array, " K"], Float[Array, " K"]]:
    """The slots of a node that holds every action once, with prior π: MuZero's own search."""
    words = jnp.asarray(policy.enumerate_words())
    log_pi = policy.log_prob_words(logits, words)
    legal: Bool[Array, " K"] = log_pi > -jnp.inf
    return words, legal.astype(jnp.int32), jnp.where(legal, jnp.exp(log_pi), -jnp.inf)
