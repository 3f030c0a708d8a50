"""Spaces inside spaces: a Tuple or a Dict, nested as deeply as an environment likes.

The action vector of a composite space is those of its members, one after the other.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, Union

import numpy as np
from jaxtyping import Num

from smuzero.actions.boxes import BinnedBox, SquashedBox
from smuzero.actions.choices import Discrete, MultiDiscrete

Leaf = Discrete | MultiDiscrete | BinnedBox | SquashedBox
"""A space without members."""


@dataclasses.dataclass(frozen=True)
class Composite:
    """A Tuple of spaces, or with `names` a Dict of them."""

    members: tuple[Union[Leaf, "Composite"], ...]
    names: tuple[str, ...] | None = None
    """The keys of a Dict, in the order of the members; None for a Tuple."""

    def __post_init__(self):
        if not self.members:
            raise ValueError("A composite space needs at least one member.")
        if self.names is not None and len(self.names) != len(self.members):
            raise ValueError(f"{len(self.members)} members have {len(self.names)} names: give one to each.")

    @property
    def size(self) -> int:
        """Length A of the action vector."""
        return sum(member.size for member in self.members)

    def decode(self, action: Num[np.ndarray, " A"]) -> Any:
        """The environment's own action, a tuple or dict, for ONE action vector."""
        ends = np.cumsum([member.size for member in self.members])[:-1]
        shares = np.split(np.asarray(action), ends)
        values = [member.decode(share) for member, share in zip(self.members, shares, strict=True)]
        return tuple(values) if self.names is None else dict(zip(self.names, values, strict=True))

    def encode(self, env_action: Any) -> Num[np.ndarray, " A"]:
        """The action vector of ONE of the environment's own actions.

        Raises ValueError for an action outside the space.
        """
        values = members_of(self, env_action, "action")
        parts = [member.encode(value) for member, value in zip(self.members, values, strict=True)]
        is_continuous = any(isinstance(leaf, SquashedBox) for leaf in leaves(self))
        return np.concatenate(parts).astype(np.float32 if is_continuous else np.int32)


def leaves(space: Leaf | Composite) -> Iterator[Leaf]:
    """The spaces without members, in the order of the action vector."""
    if isinstance(space, Composite):
        for member in space.members:
            yield from leaves(member)
    else:
        yield space


def members_of(space: Composite, value: Any, what: str) -> list[Any]:
    """The members' own shares of a tuple or dict that belongs to a composite space. Raises ValueError."""
    if space.names is None:
        if isinstance(value, tuple | list) and len(value) == len(space.members):
            return list(value)
        raise ValueError(f"The {what} {value!r} is not a tuple of {len(space.members)}, one for each member.")
    if isinstance(value, dict) and set(value) == set(space.names):
        return [value[name] for name in space.names]
    raise ValueError(f"The {what} {value!r} is not a dict with the keys {', '.join(map(repr, space.names))}.")
