"""The search of Sampled MuZero, whole: from root states to visit counts (Section 5, Appendices A and D).

What differs from MuZero's search: every node holds K actions drawn from β, not
all of them, and PUCT is given π̂_β in place of π. With `enumerate_actions` it is
MuZero's search. The model is anyone's, given as pure functions of one state; the
search is pure, can be jitted, and runs a batch of trees at once.

Two players (Section 6.1): every value is that of the player to move, and the
model's discount is negative where the turn passes to the opponent (-γ, or -1 in
a board game), so that r + γ·v is the mover's again. An end has discount 0.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, UInt32

from smuzero.actions import uniforms
from smuzero.actions.distributions import Policy
from smuzero.search import expand, proposal, puct, tree, widening
from smuzero.search.settings import SearchSettings


class Model(NamedTuple):
    """What a search needs of a model: pure functions of ONE state."""

    policy: Policy
    """What the policy's numbers mean."""
    dynamics: Callable[[Any, Array], tuple[Any, Array, Array]]
    """(state, action `[A]`) -> (next state, reward, discount). States are any pytree of arrays. The reward is that of
    the player who acts; a discount below 0 gives the turn to the other one (`SearchSettings.two_player`)."""
    predict: Callable[[Any], tuple[Array, Array]]
    """state -> (policy logits `[P]`, value for the player to move)."""


class SearchResult(NamedTuple):
    """What a search found at its B roots. Slots with `count` 0 are empty.

    There is a slot for each of the K draws; where there are no more actions than draws, one for each action.
    """

    action: Num[Array, "B S A"]
    words: UInt32[Array, "B S W"]
    """The actions, packed."""
    count: Int[Array, "B S"]
    """How often each action was drawn."""
    log_pi: Float[Array, "B S"]
    """log π of each action, noise and mask included; not meaningful in an empty slot. Like `log_beta`, for use in
    sample-based operators (Section 4.3)."""
    log_beta: Float[Array, "B S"]
    """log β of each action."""
    prior: Float[Array, "B S"]
    """π̂_β, as PUCT saw it, or what `SearchSettings.prior` puts in its place."""
    visits: Int[Array, "B S"]
    q: Float[Array, "B S"]
    """Q(s, a): mean return of the visits; the root evaluation where unvisited, -inf where there is none."""
    value: Float[Array, " B"]
    """The search's value of the root: the mean return over all simulations; without one, the model's own."""
    raw_value: Float[Array, " B"]
    """The model's own value of the root."""
    tree: tree.Tree


def search(
    key: Array,
    root: Any,
    model: Model,
    settings: SearchSettings | None = None,
    *,
    legal: Bool[Array, "B L"] | None = None,
) -> SearchResult:
    """Plan from `root`, a batch of model states (pytree of `[B, ...]`).

    `legal` restricts the root's actions, one entry per choice of the policy's
    categorical components, each of which needs a legal one. A model that knows the
    rules restricts inner nodes itself, by logits of -inf.
    """
    settings = SearchSettings() if settings is None else settings
    looks_ahead = settings.evaluate_root and settings.root_lookahead > 1
    noise_key, draw_key, *ahead_key = jax.random.split(key, 2 + looks_ahead)
    seeds = uniforms.seeds(draw_key)
    batch_size = jax.tree.leaves(root)[0].shape[0]
    logits, raw_value = jax.vmap(model.predict)(root)
    logits = _root_logits(noise_key, model.policy, logits, legal, settings)

    nodes = tree.empty_tree(root, model.policy, batch_size, settings)
    nothing = jnp.zeros(batch_size)
    nodes = tree.write_states(nodes, 0, root, nothing, nothing, raw_value)
    fresh = _draw(seeds, 0, logits, model.policy, settings)
    nodes = _write_words(nodes, 0, fresh, model.policy, settings)
    if not expand.has_slot_for_each(model.policy, settings):
        # Read back what was written, which keeps it as well.
        fresh = fresh._replace(draws=nodes.words[jnp.arange(batch_size)])
    words, slots = _expand(fresh, model.policy, settings)
    nodes = tree.write_slots(nodes, 0, slots)
    if settings.evaluate_root:
        shape = (batch_size, settings.root_lookahead - 1, model.policy.num_uniforms, 1)
        ahead = uniforms.uniforms(uniforms.seeds(ahead_key[0]), 0, shape) if looks_ahead else jnp.zeros(shape)
        nodes = _evaluate_root(nodes, root, words, slots.count, ahead, model)
    if settings.num_simulations:
        # The first simulation has no new node to write, and puts zeros where its own will be.
        plain = jnp.zeros((batch_size, model.policy.num_logits))
        shapes = jax.eval_shape(lambda: _draw(seeds, 1, plain, model.policy, settings))
        fresh = jax.tree.map(jnp.zeros_like, shapes)
        nodes, fresh = jax.lax.fori_loop(
            1,
            settings.num_simulations + 1,
            lambda n, t: _simulate(t[0], t[1], n, seeds, model, settings),
            (nodes, fresh),
        )
        nodes = _write_node(nodes, settings.num_simulations, fresh, model.policy, settings)
    return _result(nodes, words, slots, logits, raw_value, model.policy, settings)


def _result(
    nodes: tree.Tree,
    words: UInt32[Array, "B S W"],
    slots: expand.Slots,
    logits: Float[Array, "B P"],
    raw_value: Float[Array, " B"],
    policy: Policy,
    settings: SearchSettings,
) -> SearchResult:
    """What is known of the roots after the last simulation."""
    batch_size = raw_value.shape[0]
    visits, q = nodes.visits[:batch_size].astype(jnp.int32), nodes.q[:batch_size]
    if settings.enumerate_actions:
        total = jnp.sum(slots.count, axis=-1, keepdims=True).astype(jnp.float32)
        log_beta = jnp.broadcast_to(-jnp.log(total), visits.shape)
    else:
        log_beta = jax.vmap(lambda x, w: proposal.log_prob(policy, x, w, settings))(logits, words)
    count, prior = slots.count, slots.prior
    if slots.first is not None:
        # As the last simulation saw them.
        num_draws = jnp.full(batch_size, widening.offered_draws(settings)[-1])
        count = jax.vmap(widening.counts)(slots.first, num_draws)
        prior = widening.priors(slots.first, slots.log_weight, num_draws, settings)
    return SearchResult(
        action=policy.unpack(words),
        words=words,
        count=count,
        log_pi=jax.vmap(policy.log_prob_words)(logits, words),
        log_beta=log_beta,
        prior=jnp.maximum(prior, 0.0),
        visits=visits,
        q=q,
        value=puct.mean_value(q, visits, slots.log_correction) if settings.num_simulations else raw_value,
        raw_value=raw_value,
        tree=nodes,
    )


def corrected_visits(found: SearchResult) -> Float[Array, "B S"]:
    """Î_β π ∝ (β̂/β)·N of each root: what the naive modification acts by and learns from (Section 5.1).

    For a search whose prior is π itself; visits under π̂_β are corrected already.
    """
    # Paper: (β̂/β)·f. Here: normalised, since that sums to 1 on average only.
    exponent = jnp.where(found.visits > 0, jnp.log(found.count.astype(jnp.float32)) - found.log_beta, -jnp.inf)
    return jax.nn.softmax(exponent + jnp.log(found.visits.astype(jnp.float32)), axis=-1)


def _root_logits(
    key: Array, policy: Policy, logits: Float[Array, "B P"], legal: Bool[Array, "B L"] | None, settings: SearchSettings
) -> Float[Array, "B _Q"]:
    """π at the root: legal actions only, noise mixed in before β is formed (Section 5.5)."""
    if legal is not None:
        logits = jax.vmap(policy.masked)(logits, legal)
    if settings.noise_fraction == 0:
        return logits
    keys = jax.random.split(key, logits.shape[0])
    noisy = jax.vmap(policy.noisy, in_axes=(0, 0, None, None))
    return noisy(keys, logits, settings.noise_in_each(policy.size), settings.noise_concentration)


class _Fresh(NamedTuple):
    """The newest node of every tree, on its way into it.

    It is written where the next simulation begins: a loop's state is the one place where XLA keeps what it was
    given. The draws would else be computed anew for each of their K² comparisons, and without vector instructions.
    """

    logits: Float[Array, "B P"]
    draws: UInt32[Array, "B W L"] | None
    """Of which the first K count; None where every action is held."""


def _draw(
    seeds: UInt32[Array, "2"],
    node: Int[Array, ""] | int,
    logits: Float[Array, "B P"],
    policy: Policy,
    settings: SearchSettings,
) -> _Fresh:
    """Node number `node` of every tree: K actions from β."""
    if settings.enumerate_actions:
        return _Fresh(logits, None)
    shape = (logits.shape[0], proposal.num_uniforms(policy, settings), proposal.num_lanes(settings))
    numbers = uniforms.uniforms(seeds, node, shape)
    return _Fresh(logits, jax.vmap(lambda x, u: proposal.draw(policy, x, u, settings))(logits, numbers))


def _expand(fresh: _Fresh, policy: Policy, settings: SearchSettings) -> tuple[UInt32[Array, "B S W"], expand.Slots]:
    """The actions of the newest nodes, and their slots."""
    if fresh.draws is None:
        return jax.vmap(lambda x: expand.enumerate_all(policy, x, settings))(fresh.logits)
    return expand.expand(policy, fresh.logits, fresh.draws, settings)


def _write_words(
    nodes: tree.Tree, node: Int[Array, ""] | int, fresh: _Fresh, policy: Policy, settings: SearchSettings
) -> tree.Tree:
    """Give node number `node` of every tree its actions, where the nodes do not all have the same."""
    if fresh.draws is None or expand.has_slot_for_each(policy, settings):
        return nodes
    return nodes._replace(words=tree.write_rows(nodes.words, node, fresh.draws[..., : settings.num_samples]))


def _write_node(
    nodes: tree.Tree, node: Int[Array, ""] | int, fresh: _Fresh, policy: Policy, settings: SearchSettings
) -> tree.Tree:
    """Give node number `node` of every tree its actions and slots."""
    nodes = _write_words(nodes, node, fresh, policy, settings)
    return tree.write_slots(nodes, node, _expand(fresh, policy, settings)[1])


def _evaluate_root(
    nodes: tree.Tree,
    root: Any,
    words: UInt32[Array, "B S W"],
    count: Int[Array, "B S"],
    ahead: Float[Array, "B L R 1"],
    model: Model,
) -> tree.Tree:
    """Q(s, a) for all root slots in one batched call; counts as no visit (Appendix A).

    r + γ·v; and with the uniform numbers of L further steps Σ_l γ^l r_l + γ^(L+1)·v along actions drawn from π.
    """

    def evaluate(state: Any, slot: UInt32[Array, " W"], numbers: Float[Array, "L R 1"]) -> Float[Array, ""]:
        after, q, weight = model.dynamics(state, model.policy.unpack(slot))
        for uniform in numbers:
            drawn = model.policy.sample_words(model.predict(after)[0], uniform)[:, 0]
            after, reward, discount = model.dynamics(after, model.policy.unpack(drawn))
            q, weight = q + weight * reward, weight * discount
        return q + weight * model.predict(after)[1]

    over_slots = jax.vmap(evaluate, in_axes=(None, 0, None))
    q = jax.vmap(over_slots)(root, words, ahead)
    filled = count > 0
    # Paper: silent on widening at an evaluated root. Here: all K draws are evaluated at once, offered yet or not.
    return nodes._replace(
        q=nodes.q.at[: q.shape[0]].set(jnp.where(filled, q, -jnp.inf)),
        low=jnp.min(jnp.where(filled, q, jnp.inf), axis=-1),
        high=jnp.max(jnp.where(filled, q, -jnp.inf), axis=-1),
    )


def _simulate(
    nodes: tree.Tree,
    fresh: _Fresh,
    node: Int[Array, ""],
    seeds: UInt32[Array, "2"],
    model: Model,
    settings: SearchSettings,
) -> tuple[tree.Tree, _Fresh]:
    """One simulation in every tree: descend, expand node number `node`, back up."""
    nodes = _write_node(nodes, jnp.maximum(node - 1, 1), fresh, model.policy, settings)
    path = tree.descend(nodes, node, settings)
    action = model.policy.unpack(tree.words_at(nodes, path.last))
    parent = path.last // nodes.prior.shape[1]
    latent = jax.tree.map(lambda x: x[parent], nodes.latent)
    latent, reward, discount = jax.vmap(model.dynamics)(latent, action)
    logits, value = jax.vmap(model.predict)(latent)
    nodes = tree.write_states(nodes, node, latent, reward, discount, value)
    nodes = tree.write_sides(nodes, node, parent, discount)
    fresh = _draw(seeds, node, logits, model.policy, settings)
    return tree.backup(nodes, path, node, value), fresh
