"""What a run takes in memory, from shapes alone: nothing is computed or allocated.

The four large things are the learner's state, the replay when it is full, the trees
of one search, and a batch with its observations. What compiled programs need in
between is not in it: backpropagation keeps what every layer put out.
"""

import dataclasses
import math
import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from smuzero.agent.learner import learner_shapes
from smuzero.experiments.build import network_of
from smuzero.experiments.recipe import Recipe
from smuzero.search.expand import num_slots
from smuzero.search.tree import empty_tree


class Sizes(NamedTuple):
    """Bytes, except for `parameters`."""

    parameters: int
    """Numbers that are learned."""
    learner: int
    """Parameters, their target, and what the optimiser keeps of each."""
    replay: int
    """When it is full, or as full as the run's frames make it."""
    tree: int
    """Of the largest search, of acting or of reanalysis."""
    batch: int

    @property
    def total(self) -> int:
        return self.learner + self.replay + self.tree + self.batch

    def lines(self) -> list[str]:
        """For people to read."""
        rows = [("learner", self.learner), ("replay, full", self.replay), ("trees", self.tree), ("batch", self.batch)]
        return [
            f"{'parameters':14}{self.parameters:>16,}",
            *(f"{name:14}{readable(size):>16}" for name, size in [*rows, ("together", self.total)]),
        ]


def measure(recipe: Recipe) -> Sizes:
    """What a run of this recipe takes."""
    config = recipe.config
    policy, network = network_of(recipe)
    learner = learner_shapes(network, config.learner)
    observation = jax.ShapeDtypeStruct(recipe.observation_shape, jnp.dtype(recipe.observation_dtype))
    if network.memory_size:
        observation = jax.ShapeDtypeStruct((network.memory_size,), jnp.float32)
    latent = jax.eval_shape(network.represent, learner.params, observation)

    def tree(batch: int, settings: Any) -> int:
        search = dataclasses.replace(
            config.search, num_samples=settings.num_samples, num_simulations=settings.num_simulations
        )
        rows = jax.tree.map(lambda x: jax.ShapeDtypeStruct((batch, *x.shape), x.dtype), latent)
        return num_bytes(jax.eval_shape(lambda: empty_tree(_zeros(rows), policy, batch, search)))

    seen = math.prod(recipe.observation_shape) * np.dtype(recipe.observation_dtype).itemsize
    # What was done and found at a step: actions and their words and visits, reward, discount, value, memory.
    slots = num_slots(policy, config.search)
    found = 4 * (recipe.space.size + slots * (policy.num_words + 1) + 3 + network.memory_size)
    steps = config.replay.max_sequences * config.replay.max_length
    steps = min(steps, config.run.frames + config.replay.max_length)
    sizes = config.learner
    rows = sizes.unroll + sizes.reach + 1 + (sizes.recall_steps - 1 if network.memory_size else 0)
    fresh = config.reanalyse.num_searches(sizes.batch_size, sizes.unroll)
    return Sizes(
        parameters=sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(learner.params)),
        learner=num_bytes((learner.params, learner.target_params, learner.opt_state)),
        replay=steps * (seen // recipe.stack + found),
        tree=max(tree(config.acting.num_envs, config.search), tree(fresh, config.reanalyse) if fresh else 0),
        batch=sizes.batch_size * (rows * seen + (sizes.unroll + 1) * found),
    )


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def complaint(sizes: Sizes, memory: int) -> str | None:
    """What to say of a run that cannot fit; None of one that may."""
    if sizes.total <= memory:
        return None
    name = max(("learner", "replay", "tree", "batch"), key=lambda part: getattr(sizes, part))
    mend = {
        "learner": "network.width or network.num_blocks",
        "replay": "replay.max_sequences",
        "tree": "acting.num_envs or search.num_simulations",
        "batch": "learner.batch_size",
    }[name]
    return (
        f"This run takes {readable(sizes.total)}, {readable(getattr(sizes, name))} of it for its {name}, but the "
        f"machine has {readable(memory)}: lower {mend}. `smuzero train … --dry-run` shows what takes how much."
    )


def num_bytes(tree: Any) -> int:
    """Of all arrays of a tree; random keys count as nothing."""
    leaves = jax.tree.leaves(tree)
    return sum(
        math.prod(leaf.shape) * leaf.dtype.itemsize
        for leaf in leaves
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    )


def readable(size: float | int) -> str:
    """A number of bytes as people say it: 1.5 GB is 1.5·10⁹ bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def _zeros(shapes: Any) -> Any:
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
