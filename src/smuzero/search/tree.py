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

from smuzero.search import puct

NO_CHILD = -1


class Tree(NamedTuple):
    """B trees of N nodes with K action slots each. One row per node; R = N·B rows."""

    latent: Any
    """Pytree of `[R, ...]`: the model's state at each node."""
    words: UInt32[Array, "R K W"]
    """The packed action in each slot."""
    prior: Float[Array, "R K"]
    """π̂_β of each slot; -inf in an empty one."""
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

    @property
    def batch_size(self) -> int:
        return self.low.shape[0]


class Path(NamedTuple):
    """The steps of one simulation in each tree; a tree's entries past its own end are out of range."""

    row: Int[Array, "D B"]
    slot: Int[Array, "D B"]
    length: Int[Array, ""]
    """Steps of the longest path."""
    last_row: Int[Array, " B"]
    """Where each path leaves its tree."""
    last_slot: Int[Array, " B"]


def empty_tree(latent: Any, num_nodes: int, num_slots: int, num_words: int, batch_size: int) -> Tree:
    """Room for `num_nodes` nodes; `latent` (leaves `[B, ...]`) gives the states' shapes."""
    rows = num_nodes * batch_size
    index = jnp.int16 if num_nodes <= 2**15 - 1 else jnp.int32
    return Tree(
        latent=jax.tree.map(lambda x: jnp.zeros((rows, *x.shape[1:]), x.dtype), latent),
        words=jnp.zeros((rows, num_slots, num_words), jnp.uint32),
        prior=jnp.zeros((rows, num_slots)),
        visits=jnp.zeros((rows, num_slots), index),
        q=jnp.full((rows, num_slots), -jnp.inf),
        child=jnp.full((rows, num_slots), NO_CHILD, index),
        reward=jnp.zeros(rows),
        discount=jnp.zeros(rows),
        low=jnp.full(batch_size, jnp.inf),
        high=jnp.full(batch_size, -jnp.inf),
    )


def write_nodes(
    tree: Tree,
    node: Int[Array, ""],
    latent: Any,
    words: UInt32[Array, "B K W"],
    prior: Float[Array, "B K"],
    reward: Float[Array, " B"],
    discount: Float[Array, " B"],
) -> Tree:
    """Fill node number `node` of all B trees."""
    start = node * tree.batch_size

    def write(array: Array, rows: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(array, rows.astype(array.dtype), start, axis=0)

    return tree._replace(
        latent=jax.tree.map(write, tree.latent, latent),
        words=write(tree.words, words),
        prior=write(tree.prior, prior),
        reward=write(tree.reward, reward),
        discount=write(tree.discount, discount),
    )


def descend(tree: Tree, max_depth: int, c1: float, c2: float, min_range: float) -> Path:
    """Follow PUCT from every root until a slot without a child (Appendix D)."""
    batch = jnp.arange(tree.batch_size)
    outside = tree.reward.shape[0]

    def step(carry):
        is_active, path = carry
        row = path.last_row
        q = puct.normalised_value(tree.q[row], tree.low, tree.high, min_range)
        slot = jnp.argmax(puct.puct_score(q, tree.prior[row], tree.visits[row], c1, c2), axis=-1)
        child = tree.child[row, slot].astype(jnp.int32)
        goes_on = is_active & (child != NO_CHILD)
        path = Path(
            row=path.row.at[path.length].set(jnp.where(is_active, row, outside)),
            slot=path.slot.at[path.length].set(slot),
            length=path.length + 1,
            last_row=jnp.where(goes_on, child * tree.batch_size + batch, row),
            # A finished tree stays at its last row, where the same slot wins again.
            last_slot=slot,
        )
        return goes_on, path

    start = Path(
        row=jnp.full((max_depth, tree.batch_size), outside),
        slot=jnp.zeros((max_depth, tree.batch_size), jnp.int32),
        length=jnp.int32(0),
        last_row=batch,
        last_slot=jnp.zeros(tree.batch_size, jnp.int32),
    )
    return jax.lax.while_loop(
        lambda carry: jnp.any(carry[0]), step, (jnp.ones(tree.batch_size, bool), start)
    )[1]


def backup(tree: Tree, path: Path, node: Int[Array, ""], value: Float[Array, " B"]) -> Tree:
    """Hang node number `node` at the end of every path and carry its value up (Section 3).

        G = r + γ·G'  at each step,   Q(s, a) = mean of the G of its visits
    """
    outside = tree.reward.shape[0]
    child = tree.child.at[path.last_row, path.last_slot].set(node.astype(tree.child.dtype))

    def step(carry):
        depth, below, g, visits, q, low, high = carry
        row, slot = path.row[depth], path.slot[depth]
        is_on_path = row < outside
        g = jnp.where(is_on_path, tree.reward[below] + tree.discount[below] * g, g)
        count, old = visits[row, slot].astype(jnp.float32), q[row, slot]
        mean = jnp.where(count == 0, g, old + (g - old) / (count + 1.0))
        visits = visits.at[row, slot].add(1, mode="drop")
        q = q.at[row, slot].set(mean, mode="drop")
        low = jnp.where(is_on_path, jnp.minimum(low, mean), low)
        high = jnp.where(is_on_path, jnp.maximum(high, mean), high)
        return depth - 1, jnp.where(is_on_path, row, below), g, visits, q, low, high

    leaf = node * tree.batch_size + jnp.arange(tree.batch_size)
    start = (path.length - 1, leaf, value, tree.visits, tree.q, tree.low, tree.high)
    _, _, _, visits, q, low, high = jax.lax.while_loop(lambda carry: carry[0] >= 0, step, start)
    return tree._replace(child=child, visits=visits, q=q, low=low, high=high)
