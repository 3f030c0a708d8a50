"""Which policy suits an action space; and the kinds of policy, in one place.

`policy` states what a policy is. `categorical` and `gaussian` are the two kinds
of component (Section 6.3 and Appendix A.1), `product` sets components side by
side, `autoregressive` makes each depend on those before it.
"""

import itertools
from collections.abc import Iterator
from typing import Literal

from smuzero.actions import spaces
from smuzero.actions.autoregressive import Autoregressive
from smuzero.actions.categorical import FactoredCategorical
from smuzero.actions.gaussian import Gaussian
from smuzero.actions.policy import Component, Policy
from smuzero.actions.product import Product

__all__ = [
    "Autoregressive",
    "Component",
    "FactoredCategorical",
    "Gaussian",
    "Policy",
    "Product",
    "Structure",
    "make_policy",
]

Structure = Literal["factored", "autoregressive"]


def make_policy(space: spaces.ActionSpace, structure: Structure = "factored") -> Policy:
    """The policy for an action space: components independent (the paper's), or each given those before it."""
    parts = [_joined(run) for _, run in itertools.groupby(_dimensions(space))]
    if structure == "autoregressive" and space.size > 1:
        return Autoregressive(tuple(_dimensions(space)))
    return parts[0] if len(parts) == 1 else Product(tuple(parts))


def _dimensions(space: spaces.ActionSpace) -> Iterator[FactoredCategorical | Gaussian]:
    """One component for each of the A dimensions, in the order of the action vector."""
    for leaf in spaces.leaves(space):
        if isinstance(leaf, spaces.SquashedBox):
            yield from [Gaussian(1)] * leaf.size
        else:
            yield from (FactoredCategorical(1, count, leaf.is_ordered) for count in leaf.choices)


def _joined(run: Iterator[FactoredCategorical | Gaussian]) -> FactoredCategorical | Gaussian:
    """Equal components as one, which computes them together."""
    components = list(run)
    first = components[0]
    if isinstance(first, Gaussian):
        return Gaussian(len(components))
    return FactoredCategorical(len(components), first.num_choices, first.is_ordered)
