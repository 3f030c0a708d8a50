"""Which choices are legal: Gymnasium's masks, as flat vectors.

A mask has the form that Gymnasium's own `space.sample(mask)` takes: an array of n
entries for a Discrete space, a tuple of such arrays for a MultiDiscrete one (nested
as its shape is), an array of 0, 1 and 2 for MultiBinary (the bit must be 0, must
be 1, or is free), and None for a Box. A Tuple has a tuple of its members' masks and
a Dict a dict of them; in place of any of these, None makes everything legal.

Flat, an environment's mask has N entries, one for each choice that a mask can
forbid, in the order of the action vector. A policy's mask has L: one for each
choice of every categorical component, the bins of a Box among them.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Num

from smuzero.actions.choices import Discrete, MultiDiscrete
from smuzero.actions.composite import Composite, Leaf, leaves, members_of
from smuzero.actions.spaces import ActionSpace


def flat_mask(space: ActionSpace, mask: Any) -> Bool[np.ndarray, " N"]:
    """An environment's mask in Gymnasium's form as one vector.

    Raises ValueError for one of another form, or where a component has no legal choice.
    """
    return np.concatenate([np.zeros(0, np.bool_), *_flat_parts(space, mask, "")])


def policy_mask(space: ActionSpace, legal: Bool[np.ndarray, "*batch N"] | None) -> Bool[np.ndarray, "*batch L"] | None:
    """An environment's flat mask as a policy takes it: bins, which no mask forbids, are legal."""
    if legal is None:
        return None
    parts, start = [], 0
    for leaf in leaves(space):
        size = sum(leaf.choices)
        if _can_be_masked(leaf):
            parts.append(legal[..., start : start + size])
            start += size
        else:
            parts.append(np.ones((*legal.shape[:-1], size), np.bool_))
    return np.concatenate(parts, axis=-1)


def allows(space: ActionSpace, action: Num[np.ndarray, " A"], legal: Bool[np.ndarray, " N"]) -> bool:
    """Whether every choice of an action vector is legal under an environment's flat mask."""
    place = first = 0
    for leaf in leaves(space):
        if _can_be_masked(leaf):
            for count, choice in zip(leaf.choices, action[place : place + leaf.size], strict=True):
                if not legal[first + int(choice)]:
                    return False
                first += count
        place += leaf.size
    return True


def _can_be_masked(leaf: Leaf) -> bool:
    return isinstance(leaf, Discrete | MultiDiscrete) and not leaf.is_ordered


def _flat_parts(space: ActionSpace, mask: Any, place: str) -> Iterator[Bool[np.ndarray, " _"]]:
    """The flat mask in pieces; `place` says where in a nested space the mask belongs."""
    if isinstance(space, Composite):
        keys = range(len(space.members)) if space.names is None else space.names
        shares = [None] * len(space.members) if mask is None else members_of(space, mask, f"mask{place}")
        for member, share, key in zip(space.members, shares, keys, strict=True):
            yield from _flat_parts(member, share, f"{place}[{key!r}]")
    elif not _can_be_masked(space):
        if mask is not None:
            raise ValueError(f"The mask{place} is {mask!r}, but a Box takes no mask: give None there.")
    elif mask is None:
        yield np.ones(sum(space.choices), np.bool_)
    elif isinstance(space, Discrete):
        yield _checked(mask, space.n, place)
    elif isinstance(space, MultiDiscrete) and space.is_binary:
        yield _bits(space, mask, place)
    elif isinstance(space, MultiDiscrete):
        yield from _entry_masks(space, mask, place)


def _bits(space: MultiDiscrete, mask: Any, place: str) -> Bool[np.ndarray, " _"]:
    """(may be 0, may be 1) for each bit, from bits that must be 0, must be 1, or are free (2)."""
    bits = np.asarray(mask)
    if bits.shape != space.shape or not np.isin(bits, (0, 1, 2)).all():
        raise ValueError(
            f"The mask{place} is {mask!r}, but a mask of bits of shape {space.shape} says for each that it must be "
            "0, must be 1, or is free (2)."
        )
    return np.stack([bits.ravel() != 1, bits.ravel() != 0], axis=-1).ravel()


def _entry_masks(space: MultiDiscrete, mask: Any, place: str) -> Iterator[Bool[np.ndarray, " _"]]:
    """One mask for each entry of a MultiDiscrete action."""
    entries = [mask]
    for length in space.shape:
        if not all(isinstance(entry, tuple | list | np.ndarray) and len(entry) == length for entry in entries):
            raise ValueError(
                f"The mask{place} is {mask!r}, but needs one array for each entry of an action of shape "
                f"{space.shape}, as nested tuples."
            )
        entries = list(itertools.chain.from_iterable(entries))
    for index, (entry, count) in enumerate(zip(entries, space.nvec, strict=True)):
        yield _checked(entry, count, f"{place} of entry {index}")


def _checked(mask: Any, count: int, place: str) -> Bool[np.ndarray, " n"]:
    legal = np.asarray(mask)
    if legal.shape != (count,) or not np.isin(legal, (0, 1)).all() or not legal.any():
        raise ValueError(
            f"The mask{place} is {mask!r}, but a mask has one entry for each of its {count} choices, 0 or 1, and "
            "allows at least one."
        )
    return legal.astype(np.bool_)
