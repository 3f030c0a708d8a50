"""Time of a search against its own network calls, and against the same sampled search built on mctx.

"Net only" makes the search's network calls and nothing else: the root's
prediction, one batched call for the root's slots, then one call of dynamics
and prediction for each simulation, each on the latent of the call before.
What a search takes beyond that is the price of the tree.

The search on mctx evaluates no root actions, so it makes fewer network calls, one
for each slot of the root. It draws by JAX's own `random.categorical`; `over_mctx_fast_draws`
compares with mctx's tree given this project's way of drawing.

`measure_options` times the search with each of its options on, against the
search with all of them off and against the same network calls. `measure_heads`
times it with other heads, each against the calls of its own network.

Each cell times the programs in turns, so that another process on the machine
disturbs all of them alike, and reports the least time of each: on a shared
machine that is the figure nearest to the program's own cost.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from smuzero.actions.distributions import FactoredCategorical, Gaussian, Policy, Product
from smuzero.agent.acting import search_model
from smuzero.experiments.benchmarks import mctx_search
from smuzero.networks.model import make_network
from smuzero.networks.network import Network, Params
from smuzero.networks.settings import NetworkSettings
from smuzero.search import tree
from smuzero.search.expand import num_slots
from smuzero.search.plan import Model, search
from smuzero.search.settings import SearchSettings

NETWORKS = ((128, 2), (256, 2), (512, 10))
"""Width and residual blocks; the last is the paper's (Appendix A)."""
BATCHES = (1, 8, 32, 128)
ACTION_DIMS = (1, 6, 21)
BINS = 7
OBSERVATION_SHAPE = (24,)
DISCOUNT = 0.99

OPTIONS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 2.0},
    "uniform proposal": {"proposal": "uniform"},
    "mixed proposal": {"mixed_fraction": 0.25},
    "policy as prior": {"prior": "policy"},
    "corrected backup": {"prior": "policy", "correct_backup": True},
    "widening": {"widening_start": 4},
    "unvisited as parent": {"unvisited": "parent"},
    "two players": {"two_player": True},
}
"""What each option of the search changes when it is on."""

HEADS: dict[str, Callable[[int], Policy]] = {
    "gaussian": Gaussian,
    "product": lambda dims: Product((FactoredCategorical(1, BINS), Gaussian(dims))),
}
"""Other policies of so many continuous dimensions, in place of bins; the product has a choice beside them."""

Program = Callable[[Params, Array, Array], Any]
"""(params, key, root latents `[B, width]`) -> anything that depends on all the work."""


def measure(
    networks: Iterable[tuple[int, int]] = NETWORKS,
    batches: Iterable[int] = BATCHES,
    action_dims: Iterable[int] = ACTION_DIMS,
    settings: SearchSettings | None = None,
    seconds: float = 3.0,
    with_mctx: bool = True,
) -> list[dict[str, Any]]:
    """One cell for each network (width, blocks), batch and number of action dimensions, timed for about `seconds` each.

    Times are in milliseconds, memory in KiB for each entry of the batch.
    `mctx_ms` is None, with the reason under `note`, where mctx is not compared.
    """
    settings = SearchSettings() if settings is None else settings
    return [cell(*size, settings, seconds, with_mctx) for size in _sizes(networks, batches, action_dims)]


def cell(
    width: int, blocks: int, batch: int, dims: int, settings: SearchSettings, seconds: float, with_mctx: bool
) -> dict[str, Any]:
    """What one size of network, batch and action takes."""
    policy = FactoredCategorical(dims, BINS)
    network, params, root = make_cell(width, blocks, batch, policy)
    found, note = programs(network, policy, settings, with_mctx)
    times = least_milliseconds(found, params, root, seconds)
    search_ms, net_only_ms, mctx_ms = times["search"], times["net_only"], times.get("mctx")
    return {
        "network": f"{width}x{blocks}",
        "batch": batch,
        "action_dims": dims,
        "search_ms": search_ms,
        "net_only_ms": net_only_ms,
        "mctx_ms": mctx_ms,
        "over_net": search_ms / net_only_ms,
        "over_mctx": None if mctx_ms is None else mctx_ms / search_ms,
        "over_mctx_fast_draws": None if mctx_ms is None else times["mctx_fast_draws"] / search_ms,
        **memory_per_row(root, policy, settings),
        "note": note,
    }


def make_cell(width: int, blocks: int, batch: int, policy: Policy) -> tuple[Network, Params, Float[Array, "B D"]]:
    """A network of one size with its parameters and a batch of root latents."""
    network = make_network(NetworkSettings(width=width, num_blocks=blocks), OBSERVATION_SHAPE, policy)
    params = lively(network.init(jax.random.key(0)), jax.random.key(1))
    observation = jax.random.normal(jax.random.key(2), (batch, *OBSERVATION_SHAPE))
    return network, params, jax.vmap(network.represent, in_axes=(None, 0))(params, observation)


def measure_options(
    networks: Iterable[tuple[int, int]] = NETWORKS,
    batches: Iterable[int] = BATCHES,
    action_dims: Iterable[int] = ACTION_DIMS,
    settings: SearchSettings | None = None,
    seconds: float = 6.0,
) -> list[dict[str, Any]]:
    """One cell for each size and option: its time, over the network calls and over the search without any."""
    settings = SearchSettings() if settings is None else settings
    return [cell for size in _sizes(networks, batches, action_dims) for cell in option_cells(*size, settings, seconds)]


def measure_heads(
    networks: Iterable[tuple[int, int]] = NETWORKS,
    batches: Iterable[int] = BATCHES,
    action_dims: Iterable[int] = ACTION_DIMS,
    settings: SearchSettings | None = None,
    seconds: float = 3.0,
) -> list[dict[str, Any]]:
    """One cell for each size and head: the search's time, and over the calls of the head's own network."""
    settings = SearchSettings() if settings is None else settings
    sizes = _sizes(networks, batches, action_dims)
    return [head_cell(*size, head, settings, seconds) for size in sizes for head in HEADS]


def _sizes(
    networks: Iterable[tuple[int, int]], batches: Iterable[int], action_dims: Iterable[int]
) -> list[tuple[int, int, int, int]]:
    """Width, blocks, batch and dimensions of every cell."""
    batches, action_dims = tuple(batches), tuple(action_dims)
    return [(*network, batch, dims) for network in networks for dims in action_dims for batch in batches]


def option_cells(
    width: int, blocks: int, batch: int, dims: int, settings: SearchSettings, seconds: float
) -> list[dict[str, Any]]:
    """What each option takes at one size of network, batch and action; all options take turns."""
    policy = FactoredCategorical(dims, BINS)
    network, params, root = make_cell(width, blocks, batch, policy)
    variants = {"none": settings} | {name: dataclasses.replace(settings, **on) for name, on in OPTIONS.items()}
    found: dict[str, Program] = {"net_only": programs(network, policy, settings, with_mctx=False)[0]["net_only"]}
    for name, variant in variants.items():
        found[name] = programs(network, policy, variant, with_mctx=False)[0]["search"]
    times = least_milliseconds(found, params, root, seconds)
    return [
        {
            "network": f"{width}x{blocks}",
            "batch": batch,
            "action_dims": dims,
            "option": name,
            "search_ms": times[name],
            "over_net": times[name] / times["net_only"],
            "over_none": times[name] / times["none"],
        }
        for name in variants
    ]


def head_cell(
    width: int, blocks: int, batch: int, dims: int, head: str, settings: SearchSettings, seconds: float
) -> dict[str, Any]:
    """What one head takes at one size of network, batch and action."""
    policy = HEADS[head](dims)
    network, params, root = make_cell(width, blocks, batch, policy)
    times = least_milliseconds(programs(network, policy, settings, with_mctx=False)[0], params, root, seconds)
    return {
        "network": f"{width}x{blocks}",
        "batch": batch,
        "action_dims": dims,
        "head": head,
        "search_ms": times["search"],
        "net_only_ms": times["net_only"],
        "over_net": times["search"] / times["net_only"],
    }


def programs(
    network: Network, policy: Policy, settings: SearchSettings, with_mctx: bool
) -> tuple[dict[str, Program], str]:
    """What a cell compares, by name and not yet compiled; and why mctx is missing, if it is."""

    def model(params: Params) -> Model:
        return search_model(network, policy, params, DISCOUNT)

    def smuzero_program(params: Params, key: Array, root: Array) -> Any:
        found = search(key, root, model(params), settings)
        return found.action, found.visits, found.q, found.value

    def mctx_program(params: Params, key: Array, root: Array) -> Any:
        return mctx_search.search(key, root, model(params), settings)

    def fast_draws_program(params: Params, key: Array, root: Array) -> Any:
        return mctx_search.search(key, root, model(params), settings, fast_draws=True)

    def net_only_program(params: Params, key: Array, root: Array) -> Any:
        return net_only(key, root, model(params), settings)

    found: dict[str, Program] = {"search": smuzero_program, "net_only": net_only_program}
    if not with_mctx:
        return found, "mctx was not asked for"
    if not mctx_search.is_installed():
        return found, "mctx is not installed (pip install mctx)"
    return found | {"mctx": mctx_program, "mctx_fast_draws": fast_draws_program}, ""


def net_only(key: Array, root: Any, model: Model, settings: SearchSettings) -> Float[Array, " B"]:
    """The search's network calls; the sum of all they return, so that the compiler can leave none out."""
    batch_size = jax.tree.leaves(root)[0].shape[0]
    num_roots = num_slots(model.policy, settings)
    shape = (num_roots + settings.num_simulations, batch_size, model.policy.size)
    actions = jax.random.randint(key, shape, 0, BINS).astype(model.policy.dtype)
    root_actions = jnp.moveaxis(actions[:num_roots], 0, 1)
    later_actions = actions[num_roots:]

    def evaluate(state: Any, action: Array) -> Array:
        after, reward, discount = model.dynamics(state, action)
        return reward + discount * model.predict(after)[1]

    def step(t: Any, carry: tuple[Any, Array]) -> tuple[Any, Array]:
        state, total = carry
        state, reward, _ = jax.vmap(model.dynamics)(state, later_actions[t])
        logits, value = jax.vmap(model.predict)(state)
        return state, total + reward + value + jnp.sum(logits, axis=-1)

    logits, value = jax.vmap(model.predict)(root)
    q = jax.vmap(jax.vmap(evaluate, in_axes=(None, 0)))(root, root_actions)
    total = value + jnp.sum(logits, axis=-1) + jnp.sum(q, axis=-1)
    return jax.lax.fori_loop(0, settings.num_simulations, step, (root, total))[1]


def lively(params: Params, key: Array) -> Params:
    """Parameters with random matrices added: fresh heads are zero, and would make all actions and states alike."""
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [
        leaf + 0.5 * leaf.shape[0] ** -0.5 * jax.random.normal(key, leaf.shape) if leaf.ndim == 2 else leaf
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(structure, noisy)


def least_milliseconds(found: dict[str, Program], params: Params, root: Array, seconds: float) -> dict[str, float]:
    """The shortest time of each program; they take turns, three at least, for `seconds` after compiling."""
    compiled = {name: jax.jit(program) for name, program in found.items()}
    for program in compiled.values():
        jax.block_until_ready(program(params, jax.random.key(0), root))
    least = dict.fromkeys(compiled, float("inf"))
    turn, start = 0, time.perf_counter()
    while turn < 3 or time.perf_counter() - start < seconds:
        # Another key in each turn: how deep a tree grows depends on the draws.
        key = jax.random.key(turn % 8)
        for name, program in compiled.items():
            begin = time.perf_counter()
            jax.block_until_ready(program(params, key, root))
            least[name] = min(least[name], 1e3 * (time.perf_counter() - begin))
        turn += 1
    return least


def memory_per_row(root: Float[Array, "B D"], policy: FactoredCategorical, settings: SearchSettings) -> dict[str, Any]:
    """KiB of the whole tree of one batch entry, and how much of it is not latents."""
    empty = jax.eval_shape(lambda latent: tree.empty_tree(latent, policy, root.shape[0], settings), root)
    whole, latents = (sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(part)) for part in (empty, empty.latent))
    return {"tree_kib": whole / root.shape[0] / 1024, "tree_over_latents": whole / latents}
