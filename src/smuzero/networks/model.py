"""The fully connected model of Appendix A: representation, dynamics and prediction, and the `Network` of them."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Num, PRNGKeyArray

from smuzero.actions.distributions import Policy
from smuzero.networks import heads, recurrent, towers
from smuzero.networks.bounds import make_bound
from smuzero.networks.functional import Params, split_once
from smuzero.networks.network import Network
from smuzero.networks.reconstruction import Reconstruction, sketch
from smuzero.networks.settings import NetworkSettings


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
        embed = recurrent.Recollection(skip=settings.lstm_skip)
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
