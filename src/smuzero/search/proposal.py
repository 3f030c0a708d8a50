"""The proposal β: what a node's actions are drawn from, and with which density (Section 5.5).

    β = (1 - m)·β₁ + m·π^(1/τ₂),   β₁ = π^(1/τ) or uniform over the legal actions

The paper has m = 0 and β₁ = π^(1/τ). The density is that of the mixture and not
of the part that a draw came from, so that π̂_β corrects for the whole of it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, UInt32

from smuzero.actions.distributions import Policy
from smuzero.search.settings import SearchSettings

LANES = 8
"""Numbers of 32 bits in one vector of AVX2."""


def num_uniforms(policy: Policy, settings: SearchSettings) -> int:
    """The uniform random numbers that one draw takes: a mixture chooses its part by one more."""
    return policy.num_uniforms + _is_mixture(settings)


def num_lanes(settings: SearchSettings) -> int:
    """K in whole vectors, the draws that are made for a node; those beyond K are not looked at.

    XLA computes 20 numbers as five vectors of four, but 24 as three of eight.
    """
    return -(-settings.num_samples // LANES) * LANES


def draw(
    policy: Policy, logits: Float[Array, " P"], uniforms: Float[Array, "R K"], settings: SearchSettings
) -> UInt32[Array, "W K"]:
    """K packed actions from β, a column each and independent of each other."""
    own = policy.sample_words(_first_part(policy, logits, settings), uniforms[: policy.num_uniforms])
    if not _is_mixture(settings):
        return own
    other = policy.sample_words(_tempered(policy, logits, settings.mixed_temperature), uniforms[:-1])
    # Paper: names other proposals without trying one. Here: every draw chooses its part by itself, so that the K draws
    # stay independent of each other, as Section 4.3 has them.
    is_other = uniforms[-1] < settings.mixed_fraction
    return jnp.where(is_other, other, own)


def log_prob(
    policy: Policy, logits: Float[Array, " P"], words: UInt32[Array, "K W"], settings: SearchSettings
) -> Float[Array, " K"]:
    """log β of K packed actions."""
    own = policy.log_prob_words(_first_part(policy, logits, settings), words)
    if not _is_mixture(settings):
        return own
    other = policy.log_prob_words(_tempered(policy, logits, settings.mixed_temperature), words)
    share = jnp.float32(settings.mixed_fraction)
    return jnp.logaddexp(own + jnp.log1p(-share), other + jnp.log(share))


def _is_mixture(settings: SearchSettings) -> bool:
    return settings.mixed_fraction > 0


def _first_part(policy: Policy, logits: Float[Array, " _P"], settings: SearchSettings) -> Float[Array, " _Q"]:
    if settings.proposal == "uniform":
        return policy.uniform_like(logits)
    return _tempered(policy, logits, settings.temperature)


def _tempered(policy: Policy, logits: Float[Array, " _P"], temperature: float) -> Float[Array, " _Q"]:
    return logits if temperature == 1 else policy.tempered(logits, temperature)
