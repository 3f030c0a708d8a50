"""MuZero's convolutional network for board games (Appendix B: "the same neural network architecture").

The latent keeps the board's points, `[H, W, C]`. An action enters the dynamics as
planes: a move is a one on its point, a pass is nothing but zeros. Policy, value
and reward are read off by AlphaZero's heads, a 1x1 convolution and linear layers.

Departures: those of `convolutions`; value and reward as categoricals where
MuZero's boards have one number and the squared error; and a reward is predicted,
so that a search that runs past the end of a game finds nothing more there.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num

from smuzero.actions.distributions import Policy
from smuzero.networks.convolutions import ConvolutionalTower, InputConvolution, PlaneHead, convolution
from smuzero.networks.model import Network, NetworkSettings, Params, make_bound

HEAD_PLANES = 8
"""AlphaZero's heads have 2 planes (policy) and 1 (value) under 256; a small network would be narrowest there."""


def num_action_planes(shape: tuple[int, int], num_actions: int) -> int:
    """Planes that hold one entry for each move: 1 where moves are points, more where a point has several."""
    return max(1, num_actions // (shape[0] * shape[1]))


def action_planes(one_hot: Float[Array, " n"], shape: tuple[int, int]) -> Float[Array, "H W F"]:
    """A move as planes of the board.

    Moves are numbered along the points, each point's moves in succession; what
    comes after them (a pass, Hex's swap) is zeros. Where there are fewer moves
    than points, a move is a column (Connect Four).
    """
    points = shape[0] * shape[1]
    if len(one_hot) < points:
        return jnp.broadcast_to(one_hot[None, : shape[1], None], (*shape, 1))
    planes = num_action_planes(shape, len(one_hot))
    return one_hot[: points * planes].reshape(*shape, planes)


class BoardDynamics(nnx.Module):
    """A convolution of the latent and the action's planes is added to the latent; a tower follows."""

    def __init__(self, settings: NetworkSettings, shape: tuple[int, int], num_actions: int, *, rngs: nnx.Rngs):
        self.shape = shape
        planes_in = settings.width + num_action_planes(shape, num_actions)
        self.input = convolution(planes_in, settings.width, rngs=rngs)
        self.tower = ConvolutionalTower(settings.width, settings.num_blocks, rngs=rngs)
        self.bound = make_bound(settings, rngs)
        self.reward = PlaneHead(
            shape, settings.width, settings.reward_bins, head_planes=HEAD_PLANES, hidden=settings.width, rngs=rngs
        )

    def __call__(
        self, latent: Float[Array, "H W C"], one_hot: Float[Array, " n"]
    ) -> tuple[Float[Array, "H W C"], Float[Array, " M"]]:
        seen = jnp.concatenate([latent, action_planes(one_hot, self.shape)], axis=-1)
        latent = self.bound(self.tower(latent + self.input(seen)))
        return latent, self.reward(latent)


class BoardRepresentation(nnx.Module):
    """Input convolution, then the tower."""

    def __init__(self, settings: NetworkSettings, planes: int, *, rngs: nnx.Rngs):
        self.input = InputConvolution(planes, settings.width, rngs=rngs)
        self.tower = ConvolutionalTower(settings.width, settings.num_blocks, rngs=rngs)
        self.bound = make_bound(settings, rngs)

    def __call__(self, observation: Num[Array, "H W F"]) -> Float[Array, "H W C"]:
        return self.bound(self.tower(self.input(observation)))


class BoardPrediction(nnx.Module):
    """Policy and value of one latent."""

    def __init__(self, settings: NetworkSettings, shape: tuple[int, int], num_logits: int, *, rngs: nnx.Rngs):
        width = settings.width
        self.policy = PlaneHead(shape, width, num_logits, head_planes=HEAD_PLANES, hidden=0, rngs=rngs)
        self.value = PlaneHead(shape, width, settings.value_bins, head_planes=HEAD_PLANES, hidden=width, rngs=rngs)

    def __call__(self, latent: Float[Array, "H W C"]) -> tuple[Float[Array, " P"], Float[Array, " M"]]:
        return self.policy(latent), self.value(latent)


def make_board_network(settings: NetworkSettings, observation_shape: tuple[int, ...], policy: Policy) -> Network:
    """The network for boards of one shape; `settings.width` are planes (MuZero's 256), `num_blocks` its 16."""
    height, width, planes = observation_shape
    shape = (height, width)

    def build(key: Array) -> dict[str, nnx.Module]:
        rngs = nnx.Rngs(key)
        return {
            "represent": BoardRepresentation(settings, planes, rngs=rngs),
            "dynamics": BoardDynamics(settings, shape, policy.num_features, rngs=rngs),
            "predict": BoardPrediction(settings, shape, policy.num_logits, rngs=rngs),
        }

    structure = nnx.eval_shape(lambda: build(jax.random.key(0)))
    graphs = {name: nnx.split(module)[0] for name, module in structure.items()}

    def init(key: Array) -> Params:
        return {name: nnx.to_pure_dict(nnx.state(module)) for name, module in build(key).items()}

    def module(params: Params, name: str) -> Any:
        return nnx.merge(graphs[name], params[name])

    def dynamics(params: Params, latent: Array, action: Array) -> tuple[Array, Array]:
        return module(params, "dynamics")(latent, policy.features(action))

    return Network(
        init=jax.jit(init),  # as one program: each parameter's own would be compiled on its own
        represent=lambda params, observation: module(params, "represent")(observation),
        dynamics=dynamics,
        predict=lambda params, latent: module(params, "predict")(latent),
        value_support=settings.value_support,
        reward_support=settings.reward_support,
    )
