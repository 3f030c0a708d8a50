"""The batched search against the plain one of `reference.py`, visit for visit."""

import dataclasses
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import FactoredCategorical
from smuzero.search.plan import Model, SearchResult, search
from smuzero.search.settings import SearchSettings

from . import reference
from .random_models import QUICK, State, random_model, random_roots

BATCH = 16

# Noise doubles the time to compile; it is on where it matters.
PLAIN = SearchSettings(num_samples=8, num_simulations=25, noise_fraction=0.0)


def changed(**fields: Any) -> SearchSettings:
    return dataclasses.replace(PLAIN, **fields)


CASES = {
    # name: dimensions, choices, settings
    "more draws than actions": (1, 3, PLAIN),
    "noise at the root": (2, 3, changed(num_samples=20, noise_fraction=0.25)),
    "noise of whole actions": (2, 4, changed(noise_fraction=0.5, noise_scope="action")),
    "three dimensions of seven bins": (3, 7, changed(num_samples=5, num_simulations=40)),
    "more bins than loops are unrolled for": (1, 18, changed(num_samples=10)),
    "one simulation": (1, 5, changed(num_simulations=1)),
    "one sample": (2, 5, changed(num_samples=1)),
    "one choice": (1, 1, changed(num_simulations=8)),
    "a broad proposal with noise": (2, 5, changed(temperature=2.0, noise_fraction=0.25)),
    "a broad proposal": (1, 5, changed(temperature=2.0)),
    "a narrow proposal": (1, 5, changed(temperature=0.5)),
    "root not evaluated": (1, 6, changed(evaluate_root=False)),
    "other constants": (1, 6, changed(c1=2.5, c2=7.0, min_value_range=5.0)),
    "a uniform proposal": (2, 3, changed(proposal="uniform")),
    "a mixed proposal with noise": (2, 4, changed(mixed_fraction=0.4, mixed_temperature=3.0, noise_fraction=0.25)),
    "a uniform proposal mixed with the policy": (
        1,
        6,
        changed(proposal="uniform", mixed_fraction=0.5, mixed_temperature=1.0),
    ),
    "the policy as prior": (1, 6, changed(prior="policy")),
    "the policy as prior, root not evaluated": (2, 3, changed(prior="policy", temperature=2.0, evaluate_root=False)),
    "the normalised policy as prior": (2, 3, changed(prior="policy_normalised", evaluate_root=False)),
    "a corrected backup": (1, 6, changed(prior="policy_normalised", correct_backup=True, temperature=2.0)),
    "widening": (1, 6, changed(widening_start=1, num_samples=12, evaluate_root=False)),
    "widening with a uniform proposal": (2, 3, changed(widening_start=2, proposal="uniform", widening_exponent=0.4)),
    "widening with the normalised policy": (1, 6, changed(widening_start=2, prior="policy_normalised")),
    "widening with the policy": (1, 6, changed(widening_start=2, prior="policy", evaluate_root=False)),
    "unvisited actions as their parent": (1, 6, changed(unvisited="parent", evaluate_root=False)),
    "unvisited actions as their parent, corrected": (
        2,
        3,
        changed(unvisited="parent", prior="policy", correct_backup=True, temperature=1.5),
    ),
    "every action": (1, 6, changed(enumerate_actions=True)),
    "every action of two dimensions, root not evaluated": (2, 3, changed(enumerate_actions=True, evaluate_root=False)),
}
MOST_OUTCOMES = 256


@functools.cache
def model_of(dims: int, choices: int) -> Model:
    return random_model(FactoredCategorical(dims, choices))


@functools.cache
def compiled(dims: int, choices: int, settings: SearchSettings):
    model = model_of(dims, choices)
    return jax.jit(lambda key, root, legal: search(key, root, model, settings, legal=legal), compiler_options=QUICK)


def slots_of(found: SearchResult, row: int) -> dict[tuple[int, ...], int]:
    """The filled slots of one row, by action; no two hold the same one."""
    filled = np.flatnonzero(found.count[row])
    slots = {tuple(np.asarray(found.action[row, slot]).tolist()): int(slot) for slot in filled}
    assert len(slots) == len(filled)
    return slots


def agrees(found: SearchResult, row: int, plain: reference.Search) -> bool:
    """Whether row `row` visits and values its actions as the plain search does."""
    slots, root = slots_of(found, row), plain.root
    return (
        all(root.visits(a) == found.visits[row, slot] for a, slot in slots.items())
        and all(np.isclose(found.q[row, slot], plain.q(root, a), rtol=0, atol=1e-5) for a, slot in slots.items())
        and bool(np.isclose(found.value[row], plain.search_value(root), rtol=0, atol=1e-5))
    )


def check_row(found: SearchResult, row: int, searches: list[reference.Search]):
    """Row `row` of a batched result is what one of the plain searches found."""
    slots, plain = slots_of(found, row), searches[0]
    assert not np.asarray(found.visits[row])[np.asarray(found.count[row]) == 0].any()
    assert {a: found.count[row, slot] for a, slot in slots.items()} == plain.last_count
    for action, slot in slots.items():
        np.testing.assert_allclose(found.prior[row, slot], plain.last_prior[action], rtol=1e-4)
        np.testing.assert_allclose(np.exp(found.log_pi[row, slot]), plain.root.pi[action], rtol=1e-4)
        np.testing.assert_allclose(np.exp(found.log_beta[row, slot]), plain.root.beta[action], rtol=1e-4)
    np.testing.assert_allclose(found.raw_value[row], plain.root.value, atol=1e-6)
    assert any(agrees(found, row, search) for search in searches), (
        {a: found.visits[row, slot] for a, slot in slots.items()},
        [{a: search.root.visits(a) for a in search.root.returns} for search in searches[:4]],
    )


def check_batch(dims: int, choices: int, settings: SearchSettings, seed: int, roots: State, legal: np.ndarray | None):
    key = jax.random.key(seed)
    batch_size = roots.path.shape[0]
    mask = None if legal is None else jnp.asarray(legal)
    found = jax.device_get(compiled(dims, choices, settings)(key, roots, mask))
    skipped = 0
    for row in range(batch_size):
        try:
            every = reference.outcomes(key, roots, model_of(dims, choices), settings, row, legal)
            searches = list(itertools.islice(every, MOST_OUTCOMES))
        except reference.TooClose:
            skipped += 1
        else:
            check_row(found, row, searches)
    # A search draws some thousand numbers, each with a chance of about 1e-5 to lie too close to an edge.
    assert skipped <= 2


@pytest.mark.parametrize("case", CASES)
def test_batched_search_equals_the_plain_one(case):
    dims, choices, settings = CASES[case]
    check_batch(dims, choices, settings, len(case), random_roots(len(case), BATCH), None)


TWO_PLAYERS = {
    "draws": (2, 3, changed(two_player=True, noise_fraction=0.25)),
    "root not evaluated": (1, 6, changed(two_player=True, evaluate_root=False)),
    "every action": (1, 5, changed(two_player=True, enumerate_actions=True, num_simulations=40)),
    "unvisited actions as their parent": (1, 6, changed(two_player=True, unvisited="parent")),
    "all options": (
        1,
        6,
        changed(two_player=True, unvisited="parent", widening_start=2, mixed_fraction=0.3, proposal="uniform"),
    ),
    "a corrected backup": (1, 6, changed(two_player=True, prior="policy_normalised", correct_backup=True)),
}


@pytest.mark.parametrize("opposed", [0.5, 1.0], ids=["turns at random", "turns alternate"])
@pytest.mark.parametrize("case", TWO_PLAYERS)
def test_batched_search_of_two_players_equals_the_plain_one(case, opposed):
    dims, choices, settings = TWO_PLAYERS[case]
    check_batch(dims, choices, settings, len(case), random_roots(len(case), BATCH, opposed=opposed), None)


@pytest.mark.parametrize("terminal", [0.0, 0.5, 1.0])
def test_batched_search_equals_the_plain_one_however_often_episodes_end(terminal):
    dims, choices, settings = CASES["noise at the root"]
    check_batch(dims, choices, settings, 5, random_roots(5, BATCH, terminal=terminal), None)


@pytest.mark.parametrize(
    "case",
    [
        "more draws than actions",
        "a broad proposal with noise",
        "a uniform proposal",
        "a mixed proposal with noise",
        "widening with a uniform proposal",
        "every action",
    ],
)
def test_batched_search_equals_the_plain_one_under_a_root_mask(case):
    dims, choices, settings = CASES[case]
    draw = np.random.default_rng(11)
    legal = draw.random((BATCH, dims, choices)) < 0.5
    legal[np.arange(BATCH)[:, None], np.arange(dims), draw.integers(0, choices, (BATCH, dims))] = True
    legal[0] = np.arange(choices) == choices - 1  # one legal action
    legal[1] = np.arange(choices) == 0
    legal[2] = True
    check_batch(dims, choices, settings, 7, random_roots(7, BATCH), legal.reshape(BATCH, -1))


def test_batch_of_one_equals_the_plain_search():
    check_batch(2, 3, CASES["noise at the root"][2], 3, random_roots(3, 1), None)
