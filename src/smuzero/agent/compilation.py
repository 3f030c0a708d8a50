"""How XLA is asked to compile an update on a processor."""

import functools

import jax


@functools.cache
def compiler_options(matmul_precision: str = "float32") -> dict[str, str] | None:
    """The options for `jax.jit` of an update: those that this XLA knows of what follows; None on other devices.

    A library of kernels fuses by writing every bias out to the size of its batch first: without its fusions an update
    whose fresh searches look ahead takes 0.55 to 0.8 of the time at widths of 128 and 256; at 512 it takes 1.1. Of
    products in bfloat16 it has the only kernels that are fast, so those it is left.

    Sums over short rows (LayerNorm, softmax) are not split into sums of 32: one loop takes half the time of the two.
    """
    if jax.default_backend() != "cpu":
        return None
    products = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT" if matmul_precision == "bfloat16" else ""
    wanted = {"xla_cpu_experimental_ynn_fusion_type": products, "xla_disable_hlo_passes": "tree_reduction_rewriter"}
    return known(wanted) or None


def known(options: dict[str, str]) -> dict[str, str]:
    """Those of the options that this XLA knows."""
    return {name: value for name, value in options.items() if _is_known({name: value})}


def _is_known(options: dict[str, str]) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
