"""What the search and the learner ask of a network: pure functions over a tree of parameters.

    represent: observation -> latent            dynamics: latent, action -> latent, reward
    predict: latent -> policy, value

A `Network` can be built from any library or from a known simulator; `smuzero.networks.model` makes the paper's.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

from smuzero.networks.functional import Params
from smuzero.operators.scalars import Support


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
