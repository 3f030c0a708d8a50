"""With every action at every node the search is MuZero's, and mctx is a second implementation of that.

Appendix D's PUCT and mctx's differ in three places, all written out below:
mctx counts a node's own evaluation among its visits (1 + ΣN where Appendix D
has ΣN), scales Q by the node's parent and siblings and not by the tree, and
breaks ties by a random 1e-7. The tree's extremes over its whole history, which
mctx does not keep, are recorded after every simulation through its `loop_fn`.
"""

# chex dataclasses, of which mctx is made, are opaque to pyright.
# pyright: reportCallIssue=false, reportArgumentType=false

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mctx
import numpy as np
import pytest
from jaxtyping import Array, Float

from smuzero.actions.distributions import FactoredCategorical
from smuzero.search.plan import Model, search
from smuzero.search.settings import SearchSettings

from .random_models import QUICK, State, random_model, random_roots

BATCH = 32
ACTIONS = 5
SIMULATIONS = 40
MODEL = random_model(FactoredCategorical(1, ACTIONS))


class Extra(NamedTuple):
    """What Appendix D needs to know beyond an mctx tree; extremes as the player at the root sees them."""

    low: Float[Array, "*B"]
    high: Float[Array, "*B"]
    root_q: Float[Array, "*B A"]
    """The root's evaluations; -inf where there is none."""


def recurrent(model: Model, params: Any, key: Any, action: Any, state: Any) -> Any:
    after, reward, discount = jax.vmap(model.dynamics)(state, action[:, None])
    logits, value = jax.vmap(model.predict)(after)
    return mctx.RecurrentFnOutput(reward=reward, discount=discount, prior_logits=logits, value=value), after


def recording_loop(extra: Extra, lower: int, upper: int, body: Any, start: Any):
    """mctx's loop, with the extremes of all Q brought up to date after every simulation."""

    def step(index: Array, carry: Any):
        key, tree = body(index, carry)
        q = tree.children_rewards + tree.children_discounts * tree.children_values
        q = q * tree.embeddings.side[:, :, None]
        seen = tree.children_visits > 0
        extra = tree.extra_data._replace(
            low=jnp.minimum(tree.extra_data.low, jnp.min(jnp.where(seen, q, jnp.inf), axis=(1, 2))),
            high=jnp.maximum(tree.extra_data.high, jnp.max(jnp.where(seen, q, -jnp.inf), axis=(1, 2))),
        )
        return key, tree.replace(extra_data=extra)

    key, tree = start
    return jax.lax.fori_loop(lower, upper, step, (key, tree.replace(extra_data=extra)))


def appendix_d(tree: Any, node: Array, settings: SearchSettings, tie_break: float = 1e-6) -> Array:
    """PUCT as Appendix D has it, in the words of an mctx tree; the prior breaks the ties at ΣN = 0."""
    visits, extra = tree.children_visits[node], tree.extra_data
    q = jnp.where(visits > 0, tree.qvalues(node), jnp.where(node == 0, extra.root_q, -jnp.inf))
    scale = jnp.maximum(extra.high - extra.low, settings.min_value_range)
    low = jnp.where(tree.embeddings.side[node] > 0, extra.low, -extra.high)
    q_score = jnp.where(q > -jnp.inf, (q - low) / scale, 0.0)
    total = jnp.sum(visits)
    c = settings.c1 + jnp.log((1 + settings.c2 + total) / settings.c2)
    prior = jax.nn.softmax(tree.children_prior_logits[node])
    return q_score + c * prior * jnp.where(total == 0, tie_break, jnp.sqrt(total)) / (1 + visits)


def appendix_d_action(key: Array, tree: Any, node: Array, depth: Array, *, settings: SearchSettings) -> Array:
    score = appendix_d(tree, node, settings)
    return jnp.argmax(jnp.where(tree.children_prior_logits[node] > -jnp.inf, score, -jnp.inf)).astype(jnp.int32)


def added_difference(tree: Any, node: Array, settings: SearchSettings) -> Array:
    """A `qtransform` that, with mctx's own exploration term, sums to Appendix D's score."""
    visits, own_visits = tree.children_visits[node], tree.node_visits[node]
    c = settings.c1 + jnp.log((own_visits + settings.c2 + 1) / settings.c2)
    prior = jax.nn.softmax(tree.children_prior_logits[node])
    explore = jnp.sqrt(own_visits) * c * prior / (visits + 1)
    # Without root evaluation there is no Q to outweigh at ΣN = 0, and mctx's random 1e-7 must not outweigh the prior.
    difference = appendix_d(tree, node, settings, tie_break=1.0) - explore
    # The root's mask is mctx's; a choice of probability zero below it is taken out here.
    return jnp.where(tree.children_prior_logits[node] > -jnp.inf, difference, -jnp.inf)


def root_of(model: Model, roots: State, legal: Array | None) -> tuple[Any, Array]:
    logits, value = jax.vmap(model.predict)(roots)
    logits = logits if legal is None else jnp.where(legal, logits, -jnp.inf)
    return mctx.RootFnOutput(prior_logits=logits, value=value, embedding=roots), logits


def root_extra(roots: State, logits: Array, is_evaluated: bool) -> Extra:
    nothing = jnp.full(logits.shape, -jnp.inf)
    if not is_evaluated:
        return Extra(jnp.full(BATCH, jnp.inf), jnp.full(BATCH, -jnp.inf), nothing)

    def evaluate(state: State, action: Array) -> Array:
        after, reward, discount = MODEL.dynamics(state, action)
        return reward + discount * MODEL.predict(after)[1]

    q = jax.vmap(jax.vmap(evaluate, (None, 0)), (0, None))(roots, jnp.arange(ACTIONS)[:, None])
    root_q = jnp.where(logits > -jnp.inf, q, -jnp.inf)
    low = jnp.min(jnp.where(logits > -jnp.inf, q, jnp.inf), axis=1)
    return Extra(low, jnp.max(root_q, axis=1), root_q)


@functools.cache
def compiled_mctx(settings: SearchSettings):
    def run(roots: State, legal: Array):
        root, logits = root_of(MODEL, roots, legal)
        select = functools.partial(appendix_d_action, settings=settings)
        return mctx.search(
            None,
            jax.random.key(0),
            root=root,
            recurrent_fn=functools.partial(recurrent, MODEL),
            root_action_selection_fn=functools.partial(select, depth=jnp.int32(0)),
            interior_action_selection_fn=select,
            num_simulations=settings.num_simulations,
            invalid_actions=(~legal).astype(jnp.float32),
            loop_fn=functools.partial(recording_loop, root_extra(roots, logits, settings.evaluate_root)),
        )

    return jax.jit(run, compiler_options=QUICK)


@functools.cache
def compiled_stock(model: Model, settings: SearchSettings, is_corrected: bool):
    """`mctx.muzero_policy`, as it is or with its score corrected to Appendix D's."""

    def run(roots: State):
        root, logits = root_of(model, roots, None)
        changes: dict[str, Any] = {}
        if is_corrected:
            changes["qtransform"] = functools.partial(added_difference, settings=settings)
            changes["loop_fn"] = functools.partial(recording_loop, root_extra(roots, logits, False))
        return mctx.muzero_policy(
            None,
            jax.random.key(0),
            root,
            functools.partial(recurrent, model),
            settings.num_simulations,
            dirichlet_fraction=0.0,
            **changes,
        ).search_tree

    return jax.jit(run, compiler_options=QUICK)


@functools.cache
def compiled_ours(model: Model, settings: SearchSettings):
    return jax.jit(
        lambda roots, legal: search(jax.random.key(1), roots, model, settings, legal=legal), compiler_options=QUICK
    )


@pytest.fixture(autouse=True)
def _as_mctx_promotes():
    """mctx mixes dtypes and ranks freely."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def full(**fields: Any) -> SearchSettings:
    return SearchSettings(num_simulations=SIMULATIONS, enumerate_actions=True, noise_fraction=0.0, **fields)


def random_legal(seed: int) -> Array:
    draw = np.random.default_rng(seed)
    legal = draw.random((BATCH, ACTIONS)) < 0.6
    legal[np.arange(BATCH), draw.integers(0, ACTIONS, BATCH)] = True
    return jnp.asarray(legal)


@pytest.mark.parametrize("settings", [full(evaluate_root=True), full(evaluate_root=False, c1=2.0, c2=30.0)])
@pytest.mark.parametrize("seed", [1, 2])
def test_visits_equal_those_of_mctx_with_the_formula_of_appendix_d(settings, seed):
    roots, legal = random_roots(seed, BATCH), random_legal(seed)
    tree = compiled_mctx(settings)(roots, legal)
    ours = compiled_ours(MODEL, settings)(roots, legal)
    np.testing.assert_array_equal(ours.visits, tree.children_visits[:, 0])
    seen = np.asarray(ours.visits) > 0
    np.testing.assert_allclose(ours.q[seen], tree.summary().qvalues[seen], atol=1e-5)


@pytest.mark.parametrize("is_root_evaluated", [True, False])
def test_visits_of_a_two_player_game_equal_those_of_mctx(is_root_evaluated):
    """A random zero-sum game in which the turn alternates; mctx knows it by the same negative discounts."""
    settings = full(evaluate_root=is_root_evaluated, two_player=True)
    roots, legal = random_roots(5, BATCH, opposed=1.0), random_legal(5)
    tree = compiled_mctx(settings)(roots, legal)
    ours = compiled_ours(MODEL, settings)(roots, legal)
    np.testing.assert_array_equal(ours.visits, tree.children_visits[:, 0])
    seen = np.asarray(ours.visits) > 0
    np.testing.assert_allclose(ours.q[seen], tree.summary().qvalues[seen], atol=1e-5)


def test_visits_equal_those_of_the_stock_policy_once_the_two_differences_are_undone():
    settings, roots = full(evaluate_root=False), random_roots(3, BATCH)
    tree = compiled_stock(MODEL, settings, True)(roots)
    ours = compiled_ours(MODEL, settings)(roots, None)
    np.testing.assert_array_equal(ours.visits, tree.children_visits[:, 0])


def test_visits_equal_those_of_the_unchanged_stock_policy_where_all_values_are_equal():
    """Then Q never differs, and √(1 + ΣN) or √ΣN scales all of a node's scores alike."""
    flat = MODEL._replace(
        dynamics=lambda state, action: (MODEL.dynamics(state, action)[0], jnp.float32(0), jnp.float32(1)),
        predict=lambda state: (MODEL.predict(state)[0], jnp.float32(0.5)),
    )
    settings, roots = full(evaluate_root=False), random_roots(4, BATCH, barred=0.0)
    tree = compiled_stock(flat, settings, False)(roots)
    ours = compiled_ours(flat, settings)(roots, None)
    np.testing.assert_array_equal(ours.visits, tree.children_visits[:, 0])
