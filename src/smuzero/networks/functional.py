"""From modules to pure functions over a tree of parameters.

Modules are split into structure and parameters once, where a network is made;
merging them again happens while JAX traces.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import nnx
from jaxtyping import PRNGKeyArray

Params = Any
"""A tree of arrays; only the network that made it knows its form."""


def split_once(
    build: Callable[[PRNGKeyArray], Mapping[str, nnx.Module]],
) -> tuple[Callable[[PRNGKeyArray], Params], Callable[[Params, str], Any], Params]:
    """For the named modules that `build` makes: key -> params, (params, name) -> that module, and params as shapes."""
    structure = nnx.eval_shape(lambda: build(jax.random.key(0)))
    graphs = {name: nnx.split(module)[0] for name, module in structure.items()}

    shapes = {name: nnx.to_pure_dict(nnx.state(module)) for name, module in structure.items()}

    def init(key: PRNGKeyArray) -> Params:
        return {name: nnx.to_pure_dict(nnx.state(module)) for name, module in build(key).items()}

    def module(params: Params, name: str) -> Any:
        return nnx.merge(graphs[name], params[name])

    return init, module, shapes
