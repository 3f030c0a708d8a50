"""MuZero's convolutional network for board games (Appendix B: "the same neural network architecture").

The latent keeps the board's points, `[H, W, C]`. An action enters the dynamics as
planes: a move is a one on its point, a pass is nothing but zeros. The rest, and the
departures, are those of `planes`.
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num

from smuzero.actions.distributions import Policy
from smuzero.networks.bounds import make_bound
from smuzero.networks.convolutions import ConvolutionalTower, InputConvolution
from smuzero.networks.network import Network
from smuzero.networks.planes import make_plane_network
from smuzero.networks.settings import NetworkSettings


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


class BoardRepresentation(nnx.Module):
    """Input convolution, then the tower."""

    def __init__(self, settings: NetworkSettings, planes: int, *, rngs: nnx.Rngs):
        self.input = InputConvolution(planes, settings.width, rngs=rngs)
        self.tower = ConvolutionalTower(settings.width, settings.num_blocks, rngs=rngs)
        self.bound = make_bound(settings, rngs)

    def __call__(self, observation: Num[Array, "H W F"]) -> Float[Array, "H W C"]:
        return self.bound(self.tower(self.input(observation)))


def make_board_network(settings: NetworkSettings, observation_shape: tuple[int, ...], policy: Policy) -> Network:
    """The network for boards of one shape; `settings.width` are planes (MuZero's 256), `num_blocks` its 16."""
    height, width, planes = observation_shape
    shape = (height, width)
    return make_plane_network(
        settings,
        policy,
        shape,
        lambda rngs: BoardRepresentation(settings, planes, rngs=rngs),
        lambda action: action_planes(policy.features(action), shape),
        num_action_planes(shape, policy.num_features),
    )
