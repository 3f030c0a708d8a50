"""What states are asked to say was observed (`learner.reconstruction_weight`), batch by batch. Not the paper's.

A sketch itself, and what says it, are the network's (`smuzero.networks.reconstruction`); here it is made a target.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from smuzero.agent.targets import Targets
from smuzero.networks.network import Network

FAINTEST = 0.01
"""ε: what differs by less, of a brightness in [0, 1], counts less; a hundredth is some three levels of 255."""


def sketches(network: Network, observation: Num[Array, "B S ..."]) -> Float[Array, "B S size"]:
    """What the network is to say was observed, less the batch's mean; raises ValueError where it says nothing of it.

    To learn first what all pictures share would give gradients that Adam remembers for a thousand updates.
    """
    if network.sketch is None:
        raise ValueError("reconstruction_weight is above 0, but the network was made without `reconstructs`.")
    found = jax.vmap(jax.vmap(network.sketch))(observation)
    return found - jnp.mean(found, axis=(0, 1), keepdims=True)


def whitened(sketch: Float[Array, "B S size"]) -> tuple[Float[Array, "B S size"], Float[Array, ""]]:
    """Centred sketches with each number in units of its deviation over the batch, and what their loss is to count.

        y_i = x_i / √(σ_i² + ε²),   w = 2 / Σ_i σ_i² / (σ_i² + ε²)

    Then w · ½ Σ (ŷ_i − y_i)² is a share of the variance: 1 in the mean where nothing is said, ŷ = 0, 0 where all is.
    """
    sketch = sketch / jnp.sqrt(jnp.mean(jnp.square(sketch), axis=(0, 1), keepdims=True) + FAINTEST**2)
    return sketch, 2.0 / jnp.maximum(jnp.sum(jnp.mean(jnp.square(sketch), axis=(0, 1))), 1.0)


def with_sketches(network: Network, targets: Targets, observation: Num[Array, "B S ..."], unit: str) -> Targets:
    """A batch's targets with its sketches, in the unit of `learner.reconstruction_unit`."""
    sketch = sketches(network, observation)
    if unit == "brightness":
        return targets._replace(sketch=sketch, sketch_weight=jnp.ones(sketch.shape[0]))
    sketch, weight = whitened(sketch)
    return targets._replace(sketch=sketch, sketch_weight=jnp.broadcast_to(weight, sketch.shape[:1]))
