"""From modules to pure functions over a tree of parameters.

Modules are split into structure and parameters once, where a network is made;
merging them again happens while JAX traces.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
from flax import nnx
from jaxtyping import PRNGKeyArray

from smuzero.networks.precision import set_bfloat16_products

Params = Any
"""A tree of arrays; only the network that made it knows its form."""


def split_once(
    build: Callable[[PRNGKeyArray], Mapping[str, nnx.Module]],
    matmul_precision: Literal["float32", "bfloat16"] = "float32",
) -> tuple[Callable[[PRNGKeyArray], Params], Callable[[Params, str], Any], Params]:
    """For the named modules that `build` makes: key -> params, (params, name) -> that module, and params as shapes.

    `matmul_precision` is that of their linear layers.
    """
    structure = nnx.eval_shape(lambda: build(jax.random.key(0)))
    if matmul_precision == "bfloat16":
        for made in structure.values():
            set_bfloat16_products(made)
    graphs = {name: nnx.split(module)[0] for name, module in structure.items()}

    shapes = {name: nnx.to_pure_dict(nnx.state(module)) for name, module in structure.items()}

    def init(key: PRNGKeyArray) -> Params:
        return {name: nnx.to_pure_dict(nnx.state(module)) for name, module in build(key).items()}

    def module(params: Params, name: str) -> Any:
        return nnx.merge(graphs[name], params[name])

    return init, module, shapes
