"""How XLA is asked to compile an update on a processor."""

import functools

import jax

PLAIN_PRODUCTS = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""No fusions by a library of kernels. Those write every bias out to the size of its batch first: without them an update
whose fresh searches look ahead takes 0.55 to 0.8 of the time at widths of 128 and 256; at 512 it takes 1.1."""


@functools.cache
def compiler_options() -> dict[str, str] | None:
    """The options for `jax.jit` of an update; None on other devices, and where this XLA does not know them."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x, compiler_options=PLAIN_PRODUCTS).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return PLAIN_PRODUCTS
