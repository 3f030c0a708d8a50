"""What is read off a latent: one linear layer on its LayerNorm and ReLU.

The output layer starts at zero, so that before any learning the policy is
uniform and every value and reward is the middle of its support.
Paper: silent on the shape of the heads and their first outputs. Here: one layer, zeros.
"""

import jax
from flax import nnx
from jaxtyping import Array, Float


class Head(nnx.Module):
    """LayerNorm and ReLU close the pre-activation tower; the linear layer starts at zero.

    Outputs that read the same latent share one head and are sliced apart: the
    search then pays for one matrix product in place of two.
    """

    def __init__(self, width: int, outputs: int, *, rngs: nnx.Rngs):
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.linear = nnx.Linear(width, outputs, kernel_init=nnx.initializers.zeros_init(), rngs=rngs)

    def __call__(self, latent: Float[Array, " width"]) -> Float[Array, " outputs"]:
        return self.linear(jax.nn.relu(self.norm(latent)))
