"""The search tree as flat arrays of rows, and the two walks along it: down by PUCT, back up with returns.

Node n of batch entry b is row n·B + b, so that the nodes which one simulation
adds to all B trees are neighbours, written by one slice. Nothing here loops over
a `vmap`ped tree: a descent carries only rows and the path it took, and a backup
follows that path, so a simulation touches what it changes and no more.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from smuzero.actions.policy import Policy
from smuzero.search import expand, puct, widening
from smuzero.search.expand import Slots
from smuzero.search.settings import SearchSettings

NO_CHILD = -1

UNROLLED = 64
"""Up to this many slots a loop over slots, unrolled, beats an argmax: on a CPU five times at 20 slots."""

STRIDE = 8
"""Steps of a path that a backup takes at once: few are longer."""


class Tree(NamedTuple):
    """B trees of N nodes with K action slots each. One row per node; R = N·B rows.

    The arrays after `high` belong to options of the search and are None where the option is off.
    """

    latent: Any
    """Pytree of `[R, ...]`: the model's state at each node."""
    words: UInt32[Array, "_R W K"]
    """The packed action in each slot; one row for all, where every action has a slot at every node. Slots come last,
    as draws are computed: XLA uses no vector instructions where it would have to transpose them."""
    prior: Float[Array, "R K"]
    """π̂_β of each slot (or what else `SearchSettings.prior` says), all K draws counted; -inf in an empty one."""
    visits: Int[Array, "R K"]
    """N(s, a)."""
    q: Float[Array, "R K"]
    """Q(s, a): the mean return of the visits, before the first one the root's evaluation or -inf."""
    child: Int[Array, "R K"]
    """The node each slot leads to, or NO_CHILD."""
    reward: Float[Array, " R"]
    """Reward of the step that led to a node."""
    discount: Float[Array, " R"]
    """Discount of that step."""
    low: Float[Array, " B"]
    """The smallest Q(s, a) met in each tree so far."""
    high: Float[Array, " B"]
    """The largest. With two players both are as the player at the root sees them."""
    value: Float[Array, " R"] | None = None
    """The model's own value of each node."""
    side: Float[Array, " R"] | None = None
    """1 where the player to move is the root's, -1 where it is the opponent."""
    first: Int[Array, "R K"] | None = None
    """Of each draw, the first draw of the same action, whose slot it shares."""
    log_weight: Float[Array, "R K"] | None = None
    """log of each draw's weight in the prior."""
    log_correction: Float[Array, "R K"] | None = None
    """log β̂/β of each slot, up to a constant in each row."""

    @property
    def batch_size(self) -> int:
        return self.low.shape[0]


class Path(NamedTuple):
    """The steps of one simulation in each tree, as edges: slot k of row r is edge r·K + k."""

    edge: Int[Array, "D B"]
    """Past a tree's own end: its last edge again."""
    length: Int[Array, ""]
    """Steps of the longest path."""
    last: Int[Array, " B"]
    """The edge by which each path leaves its tree."""


def empty_tree(latent: Any, policy: Policy, batch_size: int, settings: SearchSettings) -> Tree:
    """Room for the nodes of one search; `latent` (leaves `[B, ...]`) gives the states' shapes."""
    num_nodes, num_slots = settings.num_simulations + 1, expand.num_slots(policy, settings)
    rows = num_nodes * batch_size
    if expand.has_slot_for_each(policy, settings):
        words = jnp.asarray(policy.enumerate_words()).T[None]
    else:
        words = jnp.zeros((rows, policy.num_words, num_slots), jnp.uint32)
    index = jnp.int16 if max(num_nodes, num_slots) <= 2**15 - 1 else jnp.int32
    slots = jnp.zeros((rows, num_slots))
    return Tree(
        latent=jax.tree.map(lambda x: jnp.zeros((rows, *x.shape[1:]), x.dtype), latent),
        words=words,
        prior=slots,
        visits=jnp.zeros((rows, num_slots), index),
        q=jnp.full((rows, num_slots), -jnp.inf),
        child=jnp.full((rows, num_slots), NO_CHILD, index),
        reward=jnp.zeros(rows),
        discount=jnp.zeros(rows),
        low=jnp.full(batch_size, jnp.inf),
        high=jnp.full(batch_size, -jnp.inf),
        value=jnp.zeros(rows) if settings.unvisited == "parent" or settings.correct_backup else None,
        side=jnp.ones(rows) if settings.two_player else None,
        first=jnp.zeros((rows, num_slots), index) if settings.is_widening else None,
        log_weight=slots if settings.is_widening and not settings.draws_weigh_alike else None,
        log_correction=slots if settings.correct_backup else None,
    )


def write_rows(array: Array, node: Int[Array, ""] | int, rows: Array) -> Array:
    """One of the tree's arrays with the rows `[B, ...]` of node number `node` filled in."""
    return jax.lax.dynamic_update_slice_in_dim(array, rows.astype(array.dtype), node * rows.shape[0], axis=0)


def write_states(
    tree: Tree,
    node: Int[Array, ""] | int,
    latent: Any,
    reward: Float[Array, " B"],
    discount: Float[Array, " B"],
    value: Float[Array, " B"],
) -> Tree:
    """Fill in what the model said of node number `node` of all B trees, and of the step that led there."""
    return tree._replace(
        latent=jax.tree.map(lambda array, rows: write_rows(array, node, rows), tree.latent, latent),
        reward=write_rows(tree.reward, node, reward),
        discount=write_rows(tree.discount, node, discount),
        value=None if tree.value is None else write_rows(tree.value, node, value),
    )


def write_slots(tree: Tree, node: Int[Array, ""] | int, slots: Slots) -> Tree:
    """Fill in the slots `[B, K]` of node number `node` of all B trees; their words are written by themselves."""
    names = [name for name in ("prior", "first", "log_weight", "log_correction") if getattr(tree, name) is not None]
    return tree._replace(**{name: write_rows(getattr(tree, name), node, getattr(slots, name)) for name in names})


def words_at(tree: Tree, edge: Int[Array, " B"]) -> UInt32[Array, "B W"]:
    """The packed actions of some edges."""
    num_rows, _, num_slots = tree.words.shape
    row = jax.vmap(lambda row, slot: tree.words[row, :, slot])
    return row(edge // num_slots % num_rows, edge % num_slots)


def write_sides(tree: Tree, node: Int[Array, ""] | int, parent: Int[Array, " B"], discount: Float[Array, " B"]) -> Tree:
    """Note who moves at node number `node`: not whoever moves at its parent row, if the discount is negative."""
    if tree.side is None:
        return tree
    return tree._replace(side=write_rows(tree.side, node, _at(tree.side, parent) * jnp.where(discount < 0, -1.0, 1.0)))


def first_largest(score: Float[Array, "B K"]) -> Int[Array, " B"]:
    """argmax over the slots, the first of equals."""
    num_slots = score.shape[1]
    if num_slots > UNROLLED:
        return jnp.argmax(score, axis=-1)
    best, slot = score[:, 0], jnp.zeros(score.shape[0], jnp.int32)
    for k in range(1, num_slots):
        is_better = score[:, k] > best
        best, slot = jnp.where(is_better, score[:, k], best), jnp.where(is_better, k, slot)
    return slot


def descend(tree: Tree, node: Int[Array, ""] | int, settings: SearchSettings) -> Path:
    """Follow PUCT from every root until a slot without a child (Appendix D); `node` is the node to be added.

    ΣN of a node is not summed: it is one less than the visits of the slot that
    leads there, whose first visit added the node, and at the root it is the
    number of earlier simulations.
    """
    batch, num_slots, max_depth = jnp.arange(tree.batch_size), tree.prior.shape[1], settings.num_simulations
    stride = _stride(tree)
    exploration = puct.exploration(jnp.arange(max_depth, dtype=jnp.float32), settings.c1, settings.c2)

    def step(carry):
        _, row, visits, path = carry
        q, prior = _normalised_values(tree, row, visits, settings), _priors(tree, row, visits, settings)
        score = puct.bracket(q, prior, _at(tree.visits, row), _at(exploration, visits))
        # A finished tree stays at its last row, where the same slot wins again.
        last = row * num_slots + first_largest(score)
        visited = _at(tree.visits.reshape(-1), last).astype(jnp.int32)
        path = Path(
            edge=_with_step(path.edge, path.length, last),
            length=path.length + 1,
            last=last,
        )
        child = _at(tree.child.reshape(-1), last).astype(jnp.int32)
        goes_on = child != NO_CHILD
        row = jnp.where(goes_on, child * tree.batch_size + batch, row)
        return jnp.any(goes_on), row, jnp.where(goes_on, visited - 1, visits), path

    steps = jnp.zeros((-(-max_depth // stride) * stride, tree.batch_size), jnp.int32)
    path = Path(steps, jnp.int32(0), batch)
    start = (jnp.bool_(True), batch, jnp.full(tree.batch_size, node - 1), path)
    return jax.lax.while_loop(lambda carry: carry[0], step, start)[-1]


def _normalised_values(
    tree: Tree, row: Int[Array, " B"], visits: Int[Array, " B"], settings: SearchSettings
) -> Float[Array, "B K"]:
    """Q of each slot at nodes with ΣN = `visits`, as the player to move sees it, in [0, 1]."""
    q, low, high = _at(tree.q, row), tree.low, tree.high
    if settings.unvisited == "parent":
        # Where nothing was visited all would be alike, and 0 leaves the tie break its full precision.
        is_filled = (q == -jnp.inf) & (visits > 0)[:, None]
        q = jnp.where(is_filled, node_values(tree, row)[:, None], q)
    if tree.side is not None:
        low, high = puct.range_of_mover(low, high, _at(tree.side, row))
    return puct.normalised_value(q, low, high, settings.min_value_range)


def _priors(
    tree: Tree, row: Int[Array, " B"], visits: Int[Array, " B"], settings: SearchSettings
) -> Float[Array, "B K"]:
    """The prior of each slot at nodes with ΣN = `visits`."""
    if tree.first is None:
        return _at(tree.prior, row)
    num_draws = _at(jnp.asarray(widening.offered_draws(settings)), visits)
    log_weight = None if tree.log_weight is None else _at(tree.log_weight, row)
    return widening.priors(_at(tree.first, row), log_weight, num_draws, settings)


def node_values(tree: Tree, row: Int[Array, " B"]) -> Float[Array, " B"]:
    """The value of one node in each tree, for whoever moves there; needs the model's own values in the tree."""
    assert tree.value is not None
    correction = None if tree.log_correction is None else _at(tree.log_correction, row)
    return puct.node_value(_at(tree.value, row), _at(tree.q, row), _at(tree.visits, row), correction)


def backup(tree: Tree, path: Path, node: Int[Array, ""] | int, value: Float[Array, " B"]) -> Tree:
    """Hang node number `node` at the end of every path and carry its value up (Section 3).

    G = r + γ·G'  at each step,   Q(s, a) = mean of the G of its visits

    A negative γ turns a return into that of the other player. Where the tree has
    a correction, G' is a node's corrected value in place of one return, and Q its
    newest G.
    """
    shape, num_slots = tree.child.shape, tree.child.shape[1]
    stride, batch = _stride(tree), jnp.arange(tree.batch_size)
    # Within bounds for certain: a write that might be dropped would read the array first.
    edges, number = tree.child.reshape(-1).at[path.last], jnp.asarray(node, tree.child.dtype)
    child = edges.set(number, mode="promise_in_bounds", wrap_negative_indices=False, unique_indices=True)

    def step(carry):
        depth, g, visits, q, low, high = carry
        edge = _steps(path.edge, depth, stride)
        old, before = _at(q, edge), _at(visits, edge).astype(jnp.int32)
        previous = _steps(path.edge, jnp.maximum(depth - 1, 0), 1)
        is_on_path = edge != jnp.concatenate([jnp.where(depth > 0, previous, -1), edge[:-1]])
        is_on_path &= depth + jnp.arange(stride)[:, None] < path.length
        below = _at(child, edge).astype(jnp.int32) * tree.batch_size + batch[None]
        reward, discount = _at(tree.reward, below), _at(tree.discount, below)
        backwards = []
        for t in reversed(range(stride)):
            g = jnp.where(is_on_path[t], reward[t] + discount[t] * g, g)
            backwards.append(g)
        returns = jnp.stack(backwards[::-1])
        after = before + 1
        mean = jnp.where(after == 1, returns, old + (returns - old) / after.astype(jnp.float32))
        mean = mean if tree.log_correction is None else returns
        target = jnp.where(is_on_path, edge, child.size).reshape(-1)
        visits, q = _put(visits, target, after.reshape(-1)), _put(q, target, mean.reshape(-1))
        row = edge // num_slots
        seen = mean if tree.side is None else mean * _at(tree.side, row)
        low = jnp.minimum(low, jnp.min(jnp.where(is_on_path, seen, jnp.inf), axis=0))
        high = jnp.maximum(high, jnp.max(jnp.where(is_on_path, seen, -jnp.inf), axis=0))
        if tree.log_correction is not None:
            # Paper: corrects "dynamically as the tree is built", no formula. Here: f = N/ΣN corrected and normalised
            # anew after each visit; the node's own value counts as one visit, as it does without correction.
            updated = tree._replace(visits=visits.reshape(shape), q=q.reshape(shape))
            g = jnp.where(is_on_path[0], node_values(updated, row[0]), g)
        return depth - stride, g, visits, q, low, high

    first = (path.length - 1) // stride * stride
    start = (first, value, tree.visits.reshape(-1), tree.q.reshape(-1), tree.low, tree.high)
    _, _, visits, q, low, high = jax.lax.while_loop(lambda carry: carry[0] >= 0, step, start)
    return tree._replace(
        child=child.reshape(shape), visits=visits.reshape(shape), q=q.reshape(shape), low=low, high=high
    )


def _stride(tree: Tree) -> int:
    """How many steps a backup takes at once; one, where each return depends on what the last one left in the tree."""
    return STRIDE if tree.log_correction is None else 1


def _at(array: Array, index: Array) -> Array:
    """array[index]; clamped, which is what XLA does by itself, and without a detour for negative indices."""
    return array.at[index].get(mode="clip", wrap_negative_indices=False)


def _put(array: Array, index: Array, values: Array) -> Array:
    """The array with `values` at `index`; those past its end are dropped."""
    return array.at[index].set(values.astype(array.dtype), mode="drop", wrap_negative_indices=False)


def _with_step(steps: Array, depth: Int[Array, ""], step: Array) -> Array:
    """The array with row `depth` replaced."""
    return jax.lax.dynamic_update_index_in_dim(steps, step, depth, axis=0, allow_negative_indices=False)


def _steps(steps: Array, depth: Int[Array, ""], number: int) -> Array:
    """So many rows from `depth` on."""
    return jax.lax.dynamic_slice_in_dim(steps, depth, number, allow_negative_indices=False)
