"""The search of Sampled MuZero, whole: from root states to visit counts (Section 5, Appendices A and D).

What differs from MuZero's search: every node holds K actions drawn from β, not
all of them, and PUCT is given π̂_β in place of π. With `enumerate_actions` it is
MuZero's search. The model is anyone's, given as pure functions of one state; the
search is pure, can be jitted, and runs a batch of trees at once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, UInt32

from smuzero.actions.distributions import Policy
from smuzero.search import expand, tree, uniforms
from smuzero.search.settings import SearchSettings


class Model(NamedTuple):
    """What a search needs of a model: pure functions of ONE state."""

    policy: Policy
    """What the policy's numbers mean."""
    dynamics: Callable[[Any, Array], tuple[Any, Array, Array]]
    """(state, action `[A]`) -> (next state, reward, discount). States are any pytree of arrays."""
    predict: Callable[[Any], tuple[Array, Array]]
    """state -> (policy logits `[P]`, value)."""


class SearchResult(NamedTuple):
    """What a search found at its B roots. Slots with `count` 0 are empty."""

    action: Num[Array, "B K A"]
    words: UInt32[Array, "B K W"]
    """The actions, packed."""
    count: Int[Array, "B K"]
    """How often each action was drawn."""
    prior: Float[Array, "B K"]
    """π̂_β, as PUCT saw it."""
    visits: Int[Array, "B K"]
    q: Float[Array, "B K"]
    """Q(s, a): mean return of the visits; the root evaluation where unvisited, -inf where there is none."""
    value: Float[Array, " B"]
    """The search's value of the root: the mean return over all simulations."""
    raw_value: Float[Array, " B"]
    """The model's own value of the root."""
    tree: tree.Tree


def search(
    key: Array,
    root: Any,
    model: Model,
    settings: SearchSettings | None = None,
    *,
    legal: Bool[Array, "B P"] | None = None,
) -> SearchResult:
    """Plan from `root`, a batch of model states (pytree of `[B, ...]`).

    `legal` restricts the root's actions, one entry per policy logit; every state
    needs a legal one. A model that knows the rules restricts inner nodes itself,
    by logits of -inf.
    """
    settings = SearchSettings() if settings is None else settings
    noise_key, draw_key = jax.random.split(key)
    seeds = uniforms.seeds(draw_key)
    batch_size = jax.tree.leaves(root)[0].shape[0]
    logits, raw_value = jax.vmap(model.predict)(root)
    logits = _root_logits(noise_key, model.policy, logits, legal, settings)
    words, count, prior = _slots(model.policy, logits, seeds, 0, settings)

    nodes = tree.empty_tree(root, settings.num_simulations + 1, words.shape[1], words.shape[2], batch_size)
    nothing = jnp.zeros(batch_size)
    nodes = tree.write_nodes(nodes, jnp.int32(0), root, words, prior, nothing, nothing)
    if settings.evaluate_root:
        nodes = _evaluate_root(nodes, root, words, count, model)
    nodes = jax.lax.fori_loop(
        1, settings.num_simulations + 1, lambda node, t: _simulate(t, node, seeds, model, settings), nodes
    )
    visits, q = nodes.visits[:batch_size].astype(jnp.int32), nodes.q[:batch_size]
    total = jnp.sum(jnp.where(visits > 0, visits.astype(jnp.float32) * q, 0.0), axis=-1)
    return SearchResult(
        action=model.policy.unpack(words),
        words=words,
        count=count,
        prior=jnp.maximum(prior, 0.0),
        visits=visits,
        q=q,
        value=total / settings.num_simulations,
        raw_value=raw_value,
        tree=nodes,
    )


def _root_logits(
    key: Array, policy: Policy, logits: Float[Array, "B P"], legal: Bool[Array, "B P"] | None, settings: SearchSettings
) -> Float[Array, "B P"]:
    """π at the root: legal actions only, noise mixed in before β is formed (Section 5.5)."""
    if legal is not None:
        logits = jax.vmap(policy.masked)(logits, legal)
    if settings.noise_fraction == 0:
        return logits
    keys = jax.random.split(key, logits.shape[0])
    noisy = jax.vmap(policy.noisy, in_axes=(0, 0, None, None))
    return noisy(keys, logits, settings.noise_fraction, settings.noise_concentration)


def _slots(
    policy: Policy,
    logits: Float[Array, "B P"],
    seeds: UInt32[Array, "2"],
    node: Int[Array, ""] | int,
    settings: SearchSettings,
) -> tuple[UInt32[Array, "B K W"], Int[Array, "B K"], Float[Array, "B K"]]:
    """The slots of node number `node` of every tree."""
    if settings.enumerate_actions:
        return jax.vmap(lambda x: expand.enumerate_all(policy, x))(logits)
    shape = (logits.shape[0], policy.num_uniforms, settings.num_samples)
    numbers = uniforms.uniforms(seeds, node, shape)
    return jax.vmap(lambda x, u: expand.expand(policy, x, u, settings.temperature))(logits, numbers)


def _evaluate_root(
    nodes: tree.Tree, root: Any, words: UInt32[Array, "B K W"], count: Int[Array, "B K"], model: Model
) -> tree.Tree:
    """Q(s, a) = r + γ·v for all root slots in one batched call; counts as no visit (Appendix A)."""

    def evaluate(state: Any, slot: UInt32[Array, " W"]) -> Float[Array, ""]:
        after, reward, discount = model.dynamics(state, model.policy.unpack(slot))
        return reward + discount * model.predict(after)[1]

    over_slots = jax.vmap(evaluate, in_axes=(None, 0))
    q = jax.vmap(over_slots)(root, words)
    filled = count > 0
    return nodes._replace(
        q=nodes.q.at[: q.shape[0]].set(jnp.where(filled, q, -jnp.inf)),
        low=jnp.min(jnp.where(filled, q, jnp.inf), axis=-1),
        high=jnp.max(jnp.where(filled, q, -jnp.inf), axis=-1),
    )


def _simulate(
    nodes: tree.Tree, node: Int[Array, ""], seeds: UInt32[Array, "2"], model: Model, settings: SearchSettings
) -> tree.Tree:
    """One simulation in every tree: descend, expand node number `node`, back up."""
    path = tree.descend(nodes, settings.num_simulations, settings.c1, settings.c2, settings.min_value_range)
    action = model.policy.unpack(nodes.words[path.last_row, path.last_slot])
    latent = jax.tree.map(lambda x: x[path.last_row], nodes.latent)
    latent, reward, discount = jax.vmap(model.dynamics)(latent, action)
    logits, value = jax.vmap(model.predict)(latent)
    words, _, prior = _slots(model.policy, logits, seeds, node, settings)
    nodes = tree.write_nodes(nodes, node, latent, words, prior, reward, discount)
    return tree.backup(nodes, path, node, value)
