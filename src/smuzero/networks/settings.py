"""The settings of a network: its size, and what it predicts."""

import dataclasses
from typing import Literal

from smuzero.networks import towers
from smuzero.operators.scalars import Support
from smuzero.types import check_at_least


@dataclasses.dataclass(frozen=True)
class NetworkSettings:
    """Size of the network and of what it predicts; the defaults are those of Appendix A."""

    width: int = 512
    """Hidden units of every layer, and the length of a latent."""
    num_blocks: int = 10
    """Residual blocks of two layers, in the representation and again in the dynamics."""
    lstm: bool = False
    """An LSTM between the input block and the tower, for what one observation does not show (Real-World RL)."""
    lstm_skip: bool = False
    """Add what the LSTM says to what the input block does, in place of replacing it: an observation is then seen as
    well before the LSTM has learned as without one. Off in the paper."""
    picture_blocks: tuple[int, int, int] = (2, 3, 3)
    """Residual blocks between the layers that scale a picture down (MuZero's, for Atari)."""
    picture_latent: Literal["planes", "vector"] = "planes"
    """What becomes of a picture: planes and convolutions throughout (MuZero), or one vector and the fully connected
    network, whose searches cost far less."""
    picture_planes: int = 32
    """Planes of the convolutions that make a picture one vector."""
    sketch: Literal["blocks", "tents"] = "blocks"
    """What of a picture `learner.reconstruction_weight` has latents say: means of blocks of 4x4 points, or as many
    means that overlap, in which what moves within a block shows as well."""
    motion_planes: int = 0
    """Planes of one picture (1 if gray, 3 in colour) where a picture that becomes a vector is seen, and sketched, as
    the last of its stack and what each differs by from the one before; 0 shows all as they are."""
    observation_symlog: bool = False
    """Take sign(x)·log(1 + |x|) of every number that is observed: fast joints then do not drown out slow ones."""
    observation_norm: bool = False
    """Of observations that are one vector, take every number's distance from its mean in deviations, both over what
    was learned from so far; after the symlog, where both are asked for."""
    input_block: Literal["layernorm_tanh", "linear"] = "layernorm_tanh"
    """What embeds a vector: a linear layer, LayerNorm and tanh (Appendix A), or the linear layer alone, which keeps how
    large its numbers are."""
    activation: Literal["relu", "silu"] = "relu"
    """Between the layers of fully connected towers and heads: ReLU (Appendix A), or SiLU, which is smooth, as most of
    what bodies do is. Convolutions have ReLU."""
    latent: Literal["minmax", "layernorm"] = "minmax"
    """How a latent is kept in bounds: by its own minimum and maximum (MuZero) or by LayerNorm."""
    action_input: Literal["one_hot", "coordinates"] = "one_hot"
    """What the dynamics sees of an action: one-hot choices, whose block is added to the latent (Appendix A), or the
    bins' values, which keep their size and order and enter the hidden layer of every block."""
    head_layers: int = 0
    """Hidden layers between a latent and what is read off it: its policy and value, and a step's reward."""
    value_bins: int = 51
    value_range: tuple[float, float] = (-150.0, 150.0)
    """First and last value bin; in units of h(value) with `value_transform`."""
    value_transform: bool = False
    """Squash values by MuZero's h before they are binned."""
    reward_bins: int = 51
    reward_range: tuple[float, float] = (-1.0, 1.0)
    """First and last reward bin; in units of h(reward) with `reward_transform`."""
    reward_transform: bool = False
    """Squash rewards by MuZero's h too, as for Atari."""
    matmul_precision: Literal["float32", "bfloat16"] = "float32"
    """How linear layers multiply: bfloat16 rounds what is multiplied and sums in float32 (`networks.precision`).
    Convolutions are not changed by it."""
    target_spread: float = 0.0
    """Standard deviation, in bins, of the Gaussian that spreads the target of a value or reward over them (HL-Gauss,
    Farebrother et al. 2024); 0 is the two nearest bins, the paper's."""

    def __post_init__(self):
        if self.width < 1 or self.num_blocks < 0:
            raise ValueError(
                f"A network of width {self.width} with {self.num_blocks} blocks was asked for, but the width must "
                "be at least 1 and blocks at least 0. The paper uses width 512 and 10 blocks."
            )
        if min(self.picture_blocks) < 0:
            raise ValueError(f"picture_blocks is {self.picture_blocks}, but blocks are at least 0.")
        if self.picture_latent not in ("planes", "vector"):
            raise ValueError(f"picture_latent is {self.picture_latent!r}, but can be 'planes' (MuZero) or 'vector'.")
        check_at_least(self, head_layers=0, target_spread=0, motion_planes=0)
        if self.sketch not in ("blocks", "tents"):
            raise ValueError(f"sketch is {self.sketch!r}, but can be 'blocks' or 'tents'.")
        if self.latent not in ("minmax", "layernorm"):
            raise ValueError(f"latent is {self.latent!r}, but the known ways are 'minmax' (MuZero) and 'layernorm'.")
        if self.input_block not in ("layernorm_tanh", "linear"):
            raise ValueError(f"input_block is {self.input_block!r}, but can be 'layernorm_tanh' (paper) or 'linear'.")
        if self.activation not in towers.ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}, but can be 'relu' (paper) or 'silu'.")
        if self.action_input not in ("one_hot", "coordinates"):
            raise ValueError(f"action_input is {self.action_input!r}, but can be 'one_hot' (paper) or 'coordinates'.")
        if self.matmul_precision not in ("float32", "bfloat16"):
            raise ValueError(f"matmul_precision is {self.matmul_precision!r}, but can be 'float32' or 'bfloat16'.")
        if self.action_input == "coordinates" and self.num_blocks == 0:
            raise ValueError(
                "num_blocks is 0, but with action_input 'coordinates' actions enter blocks: 1 is the least."
            )

    @property
    def activate(self) -> towers.Activation:
        return towers.ACTIVATIONS[self.activation]

    @property
    def memory_size(self) -> int:
        """Length of what the network remembers from one observation to the next; 0 without an LSTM."""
        return (3 if self.lstm_skip else 2) * self.width if self.lstm else 0

    @property
    def value_support(self) -> Support:
        return Support(*self.value_range, self.value_bins, self.value_transform, self.target_spread)

    @property
    def reward_support(self) -> Support:
        return Support(*self.reward_range, self.reward_bins, self.reward_transform, self.target_spread)
