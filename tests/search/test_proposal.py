import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import FactoredCategorical
from smuzero.search import proposal
from smuzero.search.settings import SearchSettings

POLICY = FactoredCategorical(2, 3)
LOGITS = jnp.array([0.3, -1.0, 1.2, -jnp.inf, 0.5, 0.0])
"""The first choice of the second dimension is illegal."""

PROPOSALS = {
    "the policy": SearchSettings(),
    "flattened": SearchSettings(temperature=2.0),
    "uniform": SearchSettings(proposal="uniform"),
    "mixed with a flattened policy": SearchSettings(mixed_fraction=0.25, mixed_temperature=4.0),
    "uniform mixed with the policy": SearchSettings(proposal="uniform", mixed_fraction=0.7, mixed_temperature=1.0),
    "all mixed in": SearchSettings(mixed_fraction=1.0),
}


def density(settings: SearchSettings) -> dict[tuple[int, ...], float]:
    """β by its definition."""
    pi = np.exp(np.asarray(LOGITS, np.float64).reshape(2, 3))

    def flattened(temperature: float) -> np.ndarray:
        weights = (pi > 0) * 1.0 if temperature == np.inf else pi ** (1 / temperature)
        return weights / weights.sum(axis=1, keepdims=True)

    first = flattened(np.inf if settings.proposal == "uniform" else settings.temperature)
    second, share = flattened(settings.mixed_temperature), settings.mixed_fraction
    return {
        (a, b): (1 - share) * first[0, a] * first[1, b] + share * second[0, a] * second[1, b]
        for a, b in itertools.product(range(3), repeat=2)
    }


@pytest.mark.parametrize("name", PROPOSALS)
def test_density_is_that_of_the_whole_proposal_and_sums_to_one(name):
    settings, words = PROPOSALS[name], jnp.asarray(POLICY.enumerate_words())
    found = np.exp(np.asarray(proposal.log_prob(POLICY, LOGITS, words, settings), np.float64))
    expected = density(settings)
    actions = [tuple(action) for action in np.asarray(POLICY.unpack(words)).tolist()]
    np.testing.assert_allclose(found, [expected[action] for action in actions], rtol=1e-5)
    np.testing.assert_allclose(found.sum(), 1.0, rtol=1e-5)


@pytest.mark.parametrize("name", PROPOSALS)
def test_draws_follow_the_density_and_are_all_legal(name):
    settings, num_draws = PROPOSALS[name], 100_000
    numbers = jax.random.uniform(jax.random.key(0), (proposal.num_uniforms(POLICY, settings), num_draws))
    drawn = np.asarray(POLICY.unpack(proposal.draw(POLICY, LOGITS, numbers, settings).T))
    assert (drawn[:, 1] != 0).all()
    for action, p in density(settings).items():
        frequency = (drawn == action).all(axis=1).mean()
        # Six standard errors of a binomial frequency.
        assert abs(frequency - p) <= 6 * np.sqrt(p * (1 - p) / num_draws)


def test_a_proposal_that_is_one_draws_with_the_policys_own_numbers():
    assert proposal.num_uniforms(POLICY, SearchSettings(proposal="uniform")) == POLICY.num_uniforms
    assert proposal.num_uniforms(POLICY, PROPOSALS["mixed with a flattened policy"]) == POLICY.num_uniforms + 1
