"""Random Gymnasium action spaces, nested, and masks in Gymnasium's own form for them."""

from typing import Any

import gymnasium
import hypothesis.strategies as st
import numpy as np

spaces = gymnasium.spaces


@st.composite
def shapes(draw) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(1, 3), max_size=2)))


@st.composite
def boxes(draw) -> spaces.Box:
    shape, dtype = draw(shapes()), draw(st.sampled_from([np.float32, np.float64, np.float16, np.int8, np.int64]))
    low = np.array(draw(st.lists(st.integers(-50, 50), min_size=(n := int(np.prod(shape))), max_size=n)))
    width = np.array(draw(st.lists(st.integers(0, 60), min_size=n, max_size=n)))
    return spaces.Box(low.reshape(shape).astype(dtype), (low + width).reshape(shape).astype(dtype), dtype=dtype)


@st.composite
def discretes(draw) -> gymnasium.Space[Any]:
    kind = draw(st.sampled_from(["one", "many", "bits"]))
    if kind == "one":
        return spaces.Discrete(draw(st.integers(1, 20)), start=draw(st.integers(-3, 3)))
    shape = draw(shapes()) or (2,)
    if kind == "bits":
        return spaces.MultiBinary(shape)
    size = int(np.prod(shape))
    nvec = np.array(draw(st.lists(st.integers(1, 5), min_size=size, max_size=size))).reshape(shape)
    return spaces.MultiDiscrete(nvec, start=np.full(shape, draw(st.integers(-2, 2))))


def gymnasium_spaces() -> st.SearchStrategy[gymnasium.Space[Any]]:
    return st.recursive(
        boxes() | discretes(),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(spaces.Tuple)
            | st.dictionaries(st.sampled_from(["move", "amount", "b"]), inner, min_size=1).map(spaces.Dict)
        ),
        max_leaves=4,
    )


def random_mask(space: gymnasium.Space[Any], random: np.random.Generator) -> Any:
    """A mask as `space.sample(mask)` takes it, with at least one legal choice everywhere."""
    match space:
        case spaces.Discrete():
            return _legal(int(space.n), random)
        case spaces.MultiDiscrete():
            return _nested(space.nvec, random)
        case spaces.MultiBinary():
            return random.integers(0, 3, space.shape).astype(np.int8)
        case spaces.Tuple():
            return tuple(random_mask(member, random) for member in space.spaces)
        case spaces.Dict():
            return {name: random_mask(member, random) for name, member in space.spaces.items()}
    return None


def obeys(space: gymnasium.Space[Any], mask: Any, action: Any) -> bool:
    """Whether an action of the space is one that the mask allows, told from Gymnasium's words alone."""
    match space:
        case spaces.Discrete():
            return bool(mask[int(action) - int(space.start)])
        case spaces.MultiDiscrete():
            return all(
                bool(_at(mask, index)[int(action[index] - space.start[index])]) for index in np.ndindex(space.shape)
            )
        case spaces.MultiBinary():
            return bool(((mask == 2) | (mask == action)).all())
        case spaces.Tuple():
            return all(obeys(*three) for three in zip(space.spaces, mask, action, strict=True))
        case spaces.Dict():
            return all(obeys(member, mask[name], action[name]) for name, member in space.spaces.items())
    return True


def same(one: Any, other: Any) -> bool:
    """Whether two actions of one space are equal."""
    if isinstance(one, dict):
        return all(same(one[name], other[name]) for name in one)
    if isinstance(one, tuple):
        return all(same(*pair) for pair in zip(one, other, strict=True))
    return np.array_equal(one, other)


def _legal(count: int, random: np.random.Generator) -> np.ndarray:
    legal = (random.random(count) < 0.5).astype(np.int8)
    legal[random.integers(count)] = 1
    return legal


def _nested(nvec: np.ndarray, random: np.random.Generator) -> Any:
    return tuple(_legal(int(n), random) if np.ndim(n) == 0 else _nested(n, random) for n in nvec)


def _at(nested: Any, index: tuple[int, ...]) -> Any:
    for place in index:
        nested = nested[place]
    return nested
