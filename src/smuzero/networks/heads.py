"""What is read off a latent: one linear layer on its LayerNorm and activation, or more than one.

The output layer starts at zero, so that before any learning the policy is
uniform and every value and reward is the middle of its support.
Paper: silent on the shape of the heads and their first outputs. Here: one layer, zeros; hidden layers are a setting.
"""

import jax
from flax import nnx
from jaxtyping import Array, Float

from smuzero.networks.towers import Activation


class Head(nnx.Module):
    """LayerNorm and activation close the pre-activation tower; the linear layer starts at zero.

    Outputs that read the same latent share one head and are sliced apart: the
    search then pays for one matrix product in place of two.
    """

    def __init__(
        self,
        width: int,
        outputs: int,
        hidden_layers: int = 0,
        activate: Activation = jax.nn.relu,
        *,
        rngs: nnx.Rngs,
    ):
        self.activate = activate
        self.hidden_norms = nnx.List([nnx.LayerNorm(width, rngs=rngs) for _ in range(hidden_layers)])
        self.hidden = nnx.List([nnx.Linear(width, width, rngs=rngs) for _ in range(hidden_layers)])
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.linear = nnx.Linear(width, outputs, kernel_init=nnx.initializers.zeros_init(), rngs=rngs)

    def __call__(self, latent: Float[Array, " width"]) -> Float[Array, " outputs"]:
        for norm, linear in zip(self.hidden_norms, self.hidden, strict=True):
            latent = linear(self.activate(norm(latent)))
        return self.linear(self.activate(self.norm(latent)))
