"""MuZero's convolutional model around a latent of planes `[H, W, C]`: what boards and pictures have in common.

An action enters the dynamics as planes beside those of the latent. Policy, value
and reward are read off by AlphaZero's heads, a 1x1 convolution and linear layers.
How an observation becomes planes, and an action too, is said by `boards` and by
`pixels`.

Departures: those of `convolutions`; value and reward as categoricals on boards too,
where MuZero has one number and the squared error; and a reward is predicted there,
so that a search that runs past the end of a game finds nothing more there.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from smuzero.actions.distributions import Policy
from smuzero.networks.bounds import make_bound
from smuzero.networks.convolutions import ConvolutionalTower, PlaneHead, convolution
from smuzero.networks.functional import split_once
from smuzero.networks.network import Network
from smuzero.networks.settings import NetworkSettings

HEAD_PLANES = 8
"""AlphaZero's heads have 2 planes (policy) and 1 (value) under 256; a small network would be narrowest there."""


class PlaneDynamics(nnx.Module):
    """A convolution of the latent and the action's planes is added to the latent; a tower follows."""

    def __init__(self, settings: NetworkSettings, shape: tuple[int, int], num_action_planes: int, *, rngs: nnx.Rngs):
        self.input = convolution(settings.width + num_action_planes, settings.width, rngs=rngs)
        self.tower = ConvolutionalTower(settings.width, settings.num_blocks, rngs=rngs)
        self.bound = make_bound(settings, rngs)
        self.reward = PlaneHead(
            shape, settings.width, settings.reward_bins, head_planes=HEAD_PLANES, hidden=settings.width, rngs=rngs
        )

    def __call__(
        self, latent: Float[Array, "H W C"], action: Float[Array, "H W F"]
    ) -> tuple[Float[Array, "H W C"], Float[Array, " M"]]:
        latent = self.bound(self.tower(latent + self.input(jnp.concatenate([latent, action], axis=-1))))
        return latent, self.reward(latent)


class PlanePrediction(nnx.Module):
    """Policy and value of one latent."""

    def __init__(self, settings: NetworkSettings, shape: tuple[int, int], num_logits: int, *, rngs: nnx.Rngs):
        width = settings.width
        self.policy = PlaneHead(shape, width, num_logits, head_planes=HEAD_PLANES, hidden=0, rngs=rngs)
        self.value = PlaneHead(shape, width, settings.value_bins, head_planes=HEAD_PLANES, hidden=width, rngs=rngs)

    def __call__(self, latent: Float[Array, "H W C"]) -> tuple[Float[Array, " P"], Float[Array, " M"]]:
        return self.policy(latent), self.value(latent)


def make_plane_network(
    settings: NetworkSettings,
    policy: Policy,
    shape: tuple[int, int],
    make_representation: Callable[[nnx.Rngs], nnx.Module],
    planes_of: Callable[[Array], Float[Array, "H W F"]],
    num_action_planes: int,
) -> Network:
    """The model with latents of `shape` (H, W); `planes_of` turns an action `[A]` into its planes."""

    def build(key: PRNGKeyArray) -> dict[str, nnx.Module]:
        rngs = nnx.Rngs(key)
        return {
            "represent": make_representation(rngs),
            "dynamics": PlaneDynamics(settings, shape, num_action_planes, rngs=rngs),
            "predict": PlanePrediction(settings, shape, policy.num_logits, rngs=rngs),
        }

    init, module, shapes = split_once(build, settings.matmul_precision)

    return Network(
        init=jax.jit(init),  # as one program: each parameter's own would be compiled on its own
        represent=lambda params, observation: module(params, "represent")(observation),
        dynamics=lambda params, latent, action: module(params, "dynamics")(latent, planes_of(action)),
        predict=lambda params, latent: module(params, "predict")(latent),
        value_support=settings.value_support,
        reward_support=settings.reward_support,
        shapes=shapes,
        matmul_precision=settings.matmul_precision,
    )
