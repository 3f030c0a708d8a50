"""Bootstrapped n-step returns (Appendix A: n = 5, γ = 0.99).

What an episode's end means is not decided here but in the factors: a caller
puts 0 behind a termination, and 1 on rows past an end, through which the value
of a final observation then travels unchanged.
"""

from jaxtyping import Array, Float


def n_step_returns(
    reward: Float[Array, " T"], factor: Float[Array, " T"], bootstrap: Float[Array, " Z"]
) -> Float[Array, " Z"]:
    """The Z returns of T = Z − 1 + n consecutive steps, each n steps long.

        z_k = Σ_{i<n} (Π_{j<i} f_{k+j}) r_{k+i} + (Π_{j<n} f_{k+j}) v_{k+n}

    `factor` holds f, the discount that follows each step (γ where the episode
    goes on); `bootstrap[k]` is v_{k+n}, the value n steps after step k.
    """
    count = bootstrap.shape[0]
    value = bootstrap
    for offset in reversed(range(reward.shape[0] - count + 1)):
        value = reward[offset : offset + count] + factor[offset : offset + count] * value
    return value
