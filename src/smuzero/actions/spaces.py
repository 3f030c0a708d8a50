"""Action spaces as vectors: how an environment's action becomes `[A]` numbers and back.

A space is a tree of components: `choices` (one among n), `boxes` (bounded numbers,
cut into bins or continuous) and `composite` (tuples and dicts of these). A vector
is int32 where every component is a choice, else float32. Everything else in the
project sees vectors only; `masks` says which choices of one are legal.

Departure from the paper: none. These modules need NumPy and Gymnasium only.
"""

import math
from typing import Any, Literal

import gymnasium
import numpy as np
from jaxtyping import Num

from smuzero.actions.boxes import BinnedBox, SquashedBox
from smuzero.actions.choices import Discrete, MultiDiscrete
from smuzero.actions.composite import Composite, leaves
from smuzero.types import UserError

__all__ = [
    "ActionSpace",
    "BinnedBox",
    "Composite",
    "Discrete",
    "Head",
    "MultiDiscrete",
    "SquashedBox",
    "UnsupportedActionSpace",
    "decode_each",
    "from_gymnasium",
    "leaves",
]

ActionSpace = Discrete | MultiDiscrete | BinnedBox | SquashedBox | Composite
"""Every space an agent can act in."""

Head = Literal["categorical", "gaussian"]
"""What becomes of a continuous component: bins (Section 6.3), or a Gaussian (Appendix A.1)."""

MOST_INTEGERS = 32
"""Up to this many integers a dimension of a Box is a choice among all of them; more are cut into bins."""


class UnsupportedActionSpace(UserError):
    """The environment's action space is none that an agent can act in."""


def from_gymnasium(space: gymnasium.Space[Any], bins: int = 7, head: Head = "categorical") -> ActionSpace:
    """The action space of an environment, as an agent sees it.

    `bins` (M) is the number of choices per dimension of a continuous component
    with the categorical head. Raises UnsupportedActionSpace, with what to do about it.
    """
    return _converted(space, bins, head, "")


def decode_each(space: ActionSpace, actions: Num[np.ndarray, "E A"]) -> np.ndarray | list[Any]:
    """The environments' own actions for E action vectors: one array, or a list of tuples or dicts."""
    # An array of actions without axes would hand out bare numbers, which a Box of shape () does not take.
    if isinstance(space, Composite) or getattr(space, "shape", None) == ():
        return [space.decode(action) for action in actions]
    return np.asarray(space.decode(actions))


def _converted(space: gymnasium.Space[Any], bins: int, head: Head, place: str) -> ActionSpace:
    """`place` names where inside a nested space this one is."""
    match space:
        case gymnasium.spaces.Discrete():
            return Discrete(n=int(space.n), start=int(space.start))
        case gymnasium.spaces.MultiDiscrete():
            _check_not_empty(space, space.nvec.size, place)
            nvec, start = space.nvec.ravel().tolist(), space.start.ravel().tolist()
            return MultiDiscrete(tuple(nvec), tuple(start), space.shape, np.dtype(space.dtype))
        case gymnasium.spaces.MultiBinary():
            size = math.prod(space.shape)
            _check_not_empty(space, size, place)
            return MultiDiscrete((2,) * size, (0,) * size, space.shape, np.dtype(space.dtype), is_binary=True)
        case gymnasium.spaces.Box() if np.dtype(space.dtype).kind in "fiu":
            _check_not_empty(space, math.prod(space.shape), place)
            _check_bounds(space, place)
            return _from_box(space, bins, head)
        case gymnasium.spaces.Tuple() | gymnasium.spaces.Dict():
            _check_not_empty(space, len(space.spaces), place)
            names = tuple(space.spaces) if isinstance(space, gymnasium.spaces.Dict) else None
            members = space.spaces.items() if isinstance(space, gymnasium.spaces.Dict) else enumerate(space.spaces)
            return Composite(tuple(_converted(own, bins, head, f"{place}[{key!r}]") for key, own in members), names)
    raise UnsupportedActionSpace(
        f"The action space{place} is {space}, which is not supported. Supported are Discrete, and Box with finite "
        "bounds and a float or integer dtype, MultiDiscrete, MultiBinary, and Tuple and Dict of these. Wrap the "
        "environment so that it accepts one of these, for example with gymnasium.wrappers.TransformAction."
    )


def _from_box(space: gymnasium.spaces.Box, bins: int, head: Head) -> ActionSpace:
    dtype = np.dtype(space.dtype)
    if dtype.kind == "f":
        if head == "gaussian":
            return SquashedBox.between(space.low, space.high, space.shape, dtype)
        return BinnedBox.between(space.low, space.high, space.shape, dtype, bins)
    low = [int(value) for value in space.low.ravel()]
    count = [int(value) - least + 1 for value, least in zip(space.high.ravel(), low, strict=True)]
    # Integers are choices under either head: a density over them would have to be summed back to probabilities.
    if max(count) <= MOST_INTEGERS:
        return MultiDiscrete(tuple(count), tuple(low), space.shape, dtype, is_ordered=True)
    return BinnedBox.between(space.low, space.high, space.shape, dtype, bins)


def _check_not_empty(space: gymnasium.Space[Any], size: int, place: str) -> None:
    """`size` counts its entries or members."""
    if size == 0:
        raise UnsupportedActionSpace(
            f"The action space{place} is {space}, which is empty: there is nothing to choose. Leave this part out of "
            "the environment's action space, for example with gymnasium.wrappers.TransformAction."
        )


def _check_bounds(space: gymnasium.spaces.Box, place: str) -> None:
    """Raises UnsupportedActionSpace unless every dimension has usable bounds.

    The greatest number of a float dtype is a common way to write "no bound", and
    bins spread that far would be useless, so it counts as none.
    """
    unbounded = ~(space.bounded_below & space.bounded_above)
    if np.dtype(space.dtype).kind == "f":
        greatest = float(np.finfo(space.low.dtype.name).max)
        unbounded = unbounded | (np.abs(space.low) >= greatest) | (np.abs(space.high) >= greatest)
    if unbounded.any():
        dimensions = np.flatnonzero(unbounded).tolist()
        raise UnsupportedActionSpace(
            f"The action space{place} is {space}, which has no finite bounds in dimension(s) {dimensions} (of the "
            "flattened action). Actions need a least and a greatest value: give the environment a Box with bounds, "
            "for example by wrapping it in gymnasium.wrappers.TransformAction(env, lambda action: action, "
            f"gymnasium.spaces.Box(-1.0, 1.0, {space.shape})); gymnasium.wrappers.RescaleAction then stretches such a "
            "Box to other finite bounds."
        )
