"""The learned model: three pure functions over a tree of parameters.

    represent: observation -> latent            dynamics: latent, action -> latent, reward
    predict: latent -> policy, value

This is all that the search and the learner ask of a network, so a `Network`
can be built from any library or from a known simulator. `make_network` builds
the fully connected one of Appendix A.

Latents are rescaled as MuZero rescales its hidden state, to [0, 1] by their own
minimum and maximum. Paper: silent on latents of fully connected networks. Here: a setting, `latent`.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

from smuzero.actions.distributions import Policy
from smuzero.networks import heads, recurrent, towers
from smuzero.networks.functional import Params, split_once
from smuzero.networks.reconstruction import Reconstruction, sketch
from smuzero.operators.scalars import Support
from smuzero.types import check_at_least

SMALLEST_RANGE = 1e-5
"""A latent of equal numbers has no range to divide by (the floor of MuZero's pseudocode)."""


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
        return 2 * self.width if self.lstm else 0

    @property
    def value_support(self) -> Support:
        return Support(*self.value_range, self.value_bins, self.value_transform, self.target_spread)

    @property
    def reward_support(self) -> Support:
        return Support(*self.reward_range, self.reward_bins, self.reward_transform, self.target_spread)


@dataclasses.dataclass(frozen=True)
class Network:
    """A model as pure functions of one example; batch them with `jax.vmap`."""

    init: Callable[[PRNGKeyArray], Params]
    """key -> params"""
    represent: Callable[[Params, Num[Array, "..."]], Float[Array, " width"]]
    """params, observation -> latent"""
    dynamics: Callable[[Params, Float[Array, " width"], Array], tuple[Float[Array, " width"], Float[Array, " M"]]]
    """params, latent, action [A] -> next latent, reward logits"""
    predict: Callable[[Params, Float[Array, " width"]], tuple[Float[Array, " P"], Float[Array, " M"]]]
    """params, latent -> policy logits, value logits"""
    value_support: Support
    """What the value logits stand for."""
    reward_support: Support
    """What the reward logits stand for."""
    recall: Callable[[Params, Float[Array, " m"], Num[Array, "..."]], Float[Array, " m"]] | None = None
    """params, memory, observation -> memory, which `represent` then takes in place of the observation; None where
    nothing is remembered (`smuzero.networks.recurrent`)."""
    memory_size: int = 0
    """m; an episode starts with zeros."""
    reconstruct: Callable[[Params, Float[Array, " width"]], Float[Array, " size"]] | None = None
    """params, latent -> sketch of what was observed; None where none is learned (`smuzero.networks.reconstruction`)."""
    sketch: Callable[[Num[Array, "..."]], Float[Array, " size"]] | None = None
    """observation -> what `reconstruct` is to say."""
    shapes: Params | None = None
    """Params as shapes and dtypes; None where `init` has to be traced to know them, which takes seconds."""
    matmul_precision: Literal["float32", "bfloat16"] = "float32"
    """What linear layers multiply in, by which updates are compiled."""
    follow: Callable[[Params, Num[Array, "B ..."], Int[Array, ""]], Params] | None = None
    """params, a batch of observations, updates so far -> params whose observations' means and deviations have followed
    the batch; None where observations are taken as they are."""


def rescale(latent: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The latent in [0, 1], by its own minimum and maximum (MuZero)."""
    low, high = jnp.min(latent), jnp.max(latent)
    return (latent - low) / jnp.maximum(high - low, SMALLEST_RANGE)


def make_bound(settings: NetworkSettings, rngs: nnx.Rngs) -> Callable[[Array], Array]:
    """What keeps a latent in bounds; LayerNorm without weights of its own, which the next layer has."""
    if settings.latent == "minmax":
        return rescale
    return nnx.LayerNorm(settings.width, use_bias=False, use_scale=False, rngs=rngs)


class Representation(nnx.Module):
    """What embeds an observation (Appendix A's input block, or another), then the tower."""

    def __init__(self, settings: NetworkSettings, embed: nnx.Module, *, rngs: nnx.Rngs):
        self.input: Any = embed
        self.tower = towers.Tower(settings.width, settings.num_blocks, settings.activate, rngs=rngs)
        self.bound = make_bound(settings, rngs)

    def __call__(self, observation: Num[Array, "..."]) -> Float[Array, " width"]:
        return self.bound(self.tower(self.input(observation)))


class Dynamics(nnx.Module):
    """The action's block is added to the latent; a tower follows, and the reward is read off its output."""

    def __init__(self, settings: NetworkSettings, policy: Policy, *, rngs: nnx.Rngs):
        self.action = towers.ActionBlock(policy.num_features, settings.width, settings.activate, rngs=rngs)
        self.tower = towers.Tower(settings.width, settings.num_blocks, settings.activate, rngs=rngs)
        self.bound = make_bound(settings, rngs)
        self.reward = heads.Head(
            settings.width, settings.reward_bins, settings.head_layers, settings.activate, rngs=rngs
        )

    def __call__(
        self, latent: Float[Array, " width"], action: Float[Array, " F"]
    ) -> tuple[Float[Array, " width"], Float[Array, " M"]]:
        latent = self.bound(self.tower(latent + self.action(action)))
        return latent, self.reward(latent)


class ConditionedDynamics(nnx.Module):
    """The action's coordinates enter every block, and the reward's head beside the next latent; not the paper's."""

    def __init__(self, settings: NetworkSettings, policy: Policy, *, rngs: nnx.Rngs):
        width, size = settings.width, policy.num_coordinates
        blocks = [
            towers.ConditionedBlock(width, size, settings.activate, rngs=rngs) for _ in range(settings.num_blocks)
        ]
        self.blocks = nnx.List(blocks)
        self.bound = make_bound(settings, rngs)
        self.reward_action = nnx.Linear(size, width, rngs=rngs)
        self.reward = heads.Head(width, settings.reward_bins, settings.head_layers, settings.activate, rngs=rngs)

    def __call__(
        self, latent: Float[Array, " width"], action: Float[Array, " C"]
    ) -> tuple[Float[Array, " width"], Float[Array, " M"]]:
        for block in self.blocks:
            latent = block(latent, action)
        latent = self.bound(latent)
        # What an action costs by itself is not to be read off the state it leads to.
        return latent, self.reward(latent + self.reward_action(action))


def _make_modules(
    settings: NetworkSettings,
    policy: Policy,
    make_input: Callable[[nnx.Rngs], nnx.Module],
    sketch_size: int | None,
    rngs: nnx.Rngs,
) -> dict[str, nnx.Module]:
    """The network's modules by name; `sketch_size` is how many numbers say what was observed, None if none do."""
    outputs = policy.num_logits + settings.value_bins
    kind = Dynamics if settings.action_input == "one_hot" else ConditionedDynamics
    modules: dict[str, nnx.Module] = {}
    if settings.lstm:
        modules["recall"] = recurrent.Memory(make_input(rngs), settings.width, skip=settings.lstm_skip, rngs=rngs)
        embed = recurrent.Recollection()
    else:
        embed = make_input(rngs)
    modules["represent"] = Representation(settings, embed, rngs=rngs)
    modules["dynamics"] = kind(settings, policy, rngs=rngs)
    modules["predict"] = heads.Head(settings.width, outputs, settings.head_layers, settings.activate, rngs=rngs)
    if sketch_size is not None:
        modules["reconstruct"] = Reconstruction(settings.width, sketch_size, rngs=rngs)
    return modules


def _input_block(settings: NetworkSettings, size: int, rngs: nnx.Rngs) -> towers.InputBlock:
    return towers.InputBlock(
        size,
        settings.width,
        takes_symlog=settings.observation_symlog,
        has_statistics=settings.observation_norm,
        bare=settings.input_block == "linear",
        rngs=rngs,
    )


def _follow(settings: NetworkSettings, params: Params, observation: Array, num_updates: Array) -> Params:
    """`Network.follow`, where the input block has statistics."""
    flat = jax.vmap(functools.partial(towers.flattened, takes_symlog=settings.observation_symlog))(observation)
    owner, place = ("recall", "embed") if settings.lstm else ("represent", "input")
    block = params[owner][place]
    moved = {**block, "statistics": towers.followed(block["statistics"], flat, num_updates)}
    return {**params, owner: {**params[owner], place: moved}}


def make_network(
    settings: NetworkSettings,
    observation_shape: tuple[int, ...],
    policy: Policy,
    make_input: Callable[[nnx.Rngs], nnx.Module] | None = None,
    *,
    reconstructs: bool = False,
) -> Network:
    """The fully connected network of Appendix A for observations of one shape, flattened, and one policy.

    `make_input` makes another module to embed an observation as a vector of `settings.width`; with `reconstructs`
    a latent also says what was observed.
    """
    size = math.prod(observation_shape)
    symlog, has_statistics = settings.observation_symlog, settings.observation_norm and make_input is None
    make_input = make_input or functools.partial(_input_block, settings, size)
    draw = functools.partial(sketch, takes_symlog=symlog, kind=settings.sketch, motion_planes=settings.motion_planes)
    drawn = jax.eval_shape(draw, jax.ShapeDtypeStruct(observation_shape, jnp.float32)).size if reconstructs else None

    def build(key: PRNGKeyArray) -> dict[str, nnx.Module]:
        return _make_modules(settings, policy, make_input, drawn, nnx.Rngs(key))

    init, module, shapes = split_once(build, settings.matmul_precision)

    def represent(params: Params, observation: Array) -> Array:
        return module(params, "represent")(observation)

    seen = policy.features if settings.action_input == "one_hot" else policy.coordinates

    def dynamics(params: Params, latent: Array, action: Array) -> tuple[Array, Array]:
        return module(params, "dynamics")(latent, seen(action))

    def predict(params: Params, latent: Array) -> tuple[Array, Array]:
        # A split, whose gradient is one concatenation; that of two slices would be two paddings and a sum.
        policy_logits, value_logits = jnp.split(module(params, "predict")(latent), [policy.num_logits])
        return policy_logits, value_logits

    def recall(params: Params, memory: Array, observation: Array) -> Array:
        return module(params, "recall")(memory, observation)

    def reconstruct(params: Params, latent: Array) -> Array:
        return module(params, "reconstruct")(latent)

    return Network(
        init,
        represent,
        dynamics,
        predict,
        settings.value_support,
        settings.reward_support,
        recall if settings.lstm else None,
        settings.memory_size,
        reconstruct if reconstructs else None,
        draw if reconstructs else None,
        shapes,
        settings.matmul_precision,
        functools.partial(_follow, settings) if has_statistics else None,
    )
