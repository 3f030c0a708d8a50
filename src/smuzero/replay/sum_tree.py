"""Drawing in proportion to a mass, in O(log n): Schaul et al. (2016), Appendix B.2.1.

A complete binary tree in one flat array: node 1 is the root, the children of
node i are 2i and 2i + 1, and the leaves are the last half. Every parent holds
the sum of its two children. It is recomputed from them, never incremented, so
the tree is at any time a function of its leaves alone: it does not drift over
millions of updates, and a restored tree is equal to the last bit.
"""

import numpy as np
from jaxtyping import Float, Float64, Int


class SumTree:
    """Masses of `num_leaves` items; all are 0 at first."""

    def __init__(self, num_leaves: int):
        if num_leaves < 1:
            raise ValueError(f"num_leaves is {num_leaves}, but a sum tree needs at least 1 leaf.")
        self.num_leaves = num_leaves
        self._depth = (num_leaves - 1).bit_length()
        self._first_leaf = 1 << self._depth
        self._sums = np.zeros(2 * self._first_leaf, np.float64)

    @property
    def total(self) -> float:
        """The sum of all masses."""
        return float(self._sums[1])

    def get(self, indices: Int[np.ndarray, " B"]) -> Float64[np.ndarray, " B"]:
        """The masses of some leaves."""
        return self._sums[self._checked(indices) + self._first_leaf]

    def set(self, indices: Int[np.ndarray, " B"], values: Float[np.ndarray, " B"]) -> None:
        """Give leaves new masses; of an index given twice the last value counts.

        Raises ValueError, and changes nothing, for a mass that is negative or
        not finite and for an index outside the tree.
        """
        indices = self._checked(indices)
        values = np.asarray(values, np.float64)
        acceptable = np.isfinite(values) & (values >= 0)
        if not acceptable.all():
            raise ValueError(f"A mass is {values[~acceptable][0]}, but masses are finite and at least 0.")
        nodes = indices + self._first_leaf
        self._sums[nodes] = values
        # Parents that several leaves share are computed several times, which costs less than finding them.
        for _ in range(self._depth):
            nodes = nodes >> 1
            left = nodes << 1
            self._sums[nodes] = self._sums[left] + self._sums[left + 1]

    def sample(self, uniforms: Float[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
        """The leaves in which the points `uniforms · total` of the cumulative sum lie.

        A uniform u in [0, 1] gives the leaf i with Σ_{j<i} m_j <= u · total < Σ_{j<=i} m_j,
        and never a leaf of mass 0. Raises ValueError if every mass is 0.
        """
        if not self.total > 0:
            raise ValueError("Every mass is 0, so there is no leaf to draw: set the mass of at least one leaf first.")
        point = np.asarray(uniforms, np.float64) * self.total
        node = np.ones(point.shape, np.int64)
        for _ in range(self._depth):
            left = node << 1
            left_sum = self._sums[left]
            # A point may exceed the sum by a rounding error and would then run into an empty right child.
            goes_right = (point >= left_sum) & (self._sums[left + 1] > 0)
            point = np.where(goes_right, point - left_sum, point)
            node = left + goes_right
        return node - self._first_leaf

    def _checked(self, indices: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
        indices = np.asarray(indices, np.int64)
        if indices.size and not (indices.min() >= 0 and indices.max() < self.num_leaves):
            raise ValueError(
                f"Leaf indices run from {indices.min()} to {indices.max()}, "
                f"but this tree has the leaves 0 to {self.num_leaves - 1}."
            )
        return indices
