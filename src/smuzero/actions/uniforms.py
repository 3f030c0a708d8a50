"""Uniform random numbers cheap enough for a search: for its draws and for the noise at its root.

A search draws K actions of A dimensions at every node. JAX's own generator is
made to be split without end, and at that size costs as much as the network
calls of a small model. Here one JAX key gives two 32-bit seeds, and a counter
run through one round and a half of an integer hash with full avalanche
(Wellons' `lowbias32` constants, 2018), the second seed between them, gives the
numbers: 20 times cheaper, and no number of a search is used twice.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32


def seeds(key: Array) -> UInt32[Array, "2"]:
    """The two words that all numbers of a search, or of one draw of noise, are made from."""
    return jax.random.bits(key, (2,))


def _first_half(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    return (x ^ (x >> jnp.uint32(16))) * jnp.uint32(0x7FEB352D)


def _mixed(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    x = _first_half(x)
    x = (x ^ (x >> jnp.uint32(15))) * jnp.uint32(0x846CA68B)
    return x ^ (x >> jnp.uint32(16))


def uniforms(seeds: UInt32[Array, "2"], block: Int[Array, ""] | int, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Block number `block` of numbers in [0, 1), in steps of 2^-24."""
    size = math.prod(shape)
    counter = jnp.arange(size, dtype=jnp.uint32) + jnp.asarray(block).astype(jnp.uint32) * jnp.uint32(size)
    # With the first seed alone the numbers of all searches would be stretches of one sequence.
    bits = _mixed(_first_half(counter + seeds[0]) ^ seeds[1])
    return ((bits >> jnp.uint32(8)).astype(jnp.float32) * jnp.float32(2**-24)).reshape(shape)
