"""A nested structure taken apart into named arrays and plain JSON, and put together again.

State comes in two kinds. Parameters and optimiser state have a structure that
the code rebuilds on every start; they are stored by key path
(`jax.tree_util.keystr`) and put back into a template, leaf by leaf, so that a
renamed module or another width is found by name and shape. Replay, environments
and counters are dicts, lists and tuples whose structure is part of the state;
it is stored too, and no template is needed.

Leaves are NumPy and JAX arrays (also of the `ml_dtypes` kinds), typed random
keys, None, bool, int of any size, float and str. Nothing is pickled.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from smuzero.types import UserError

_JSON_TYPES = (type(None), bool, int, float, str)
_KEY_TYPES = (bool, int, str)
_REPORTED = 5


class Mismatch(UserError):
    """What was stored does not fit what this run expects."""


def take_apart(tree: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tree's arrays by key path, and a JSON description of everything else.

    Raises `TypeError` naming the key path of a leaf that cannot be stored.
    """
    arrays: dict[str, np.ndarray] = {}
    leaves = {path: _encode(path, leaf, arrays) for path, leaf in _leaves(tree, "")}
    return arrays, {"structure": _structure(tree), "leaves": leaves}


def put_together(arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> Any:
    """The inverse of `take_apart` for dicts, lists and tuples.

    A JAX array comes back as a NumPy array, a NamedTuple as a plain tuple: its
    class is code, not data. Other pytrees raise `ValueError`: they need a
    template (`put_into`).
    """
    return _build(description["structure"], "", arrays, description["leaves"])


def put_into(template: Any, arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> Any:
    """A tree like `template`, with every leaf replaced by the stored one of the same key path.

    The template's leaves only tell kind, shape and dtype; `jax.ShapeDtypeStruct`
    will do, so that no template need be computed. Raises `Mismatch` naming the
    keys that are missing, left over, or differ in shape or dtype.
    """
    stored = dict(description["leaves"])
    problems: list[str] = []
    values: dict[str, Any] = {}
    for path, expected in _leaves(template, ""):
        if path not in stored:
            problems.append(f"{_shown(path)} is not in the checkpoint, but this run expects {_kind(expected)}")
            continue
        value = _decode(stored.pop(path), arrays)
        if _kind(value) != _kind(expected):
            problems.append(f"{_shown(path)} holds {_kind(value)}, but this run expects {_kind(expected)}")
            continue
        values[path] = _like(expected, value)
    problems += [f"{_shown(path)} is in the checkpoint, but unknown to this run" for path in stored]
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:_REPORTED])
        more = f"\n  and {len(problems) - _REPORTED} more" if len(problems) > _REPORTED else ""
        raise Mismatch(f"The stored state does not fit:\n{shown}{more}")
    return _refill(template, "", values)


def _children(node: Any) -> list[tuple[str, Any]] | None:
    """What a dict, list or tuple holds, by the piece of key path; None for anything else."""
    if type(node) is dict:
        return [(f"[{key!r}]", child) for key, child in node.items()]
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return [(f".{name}", child) for name, child in zip(node._fields, node, strict=True)]  # pyright: ignore
    if type(node) in (list, tuple):
        return [(f"[{index}]", child) for index, child in enumerate(node)]
    return None


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = _children(node)
    if children is not None:
        for piece, child in children:
            yield from _leaves(child, path + piece)
    elif _is_leaf(node):
        yield path, node
    else:
        for piece, leaf in _flatten(node, path):
            yield path + piece, leaf


def _is_leaf(node: Any) -> bool:
    if type(node) in _JSON_TYPES or isinstance(node, (np.ndarray, np.generic)):
        return True
    jax = sys.modules.get("jax")  # where JAX was never imported, none of its arrays can be here
    return jax is not None and isinstance(node, (jax.Array, jax.ShapeDtypeStruct))


def _flatten(node: Any, path: str) -> list[tuple[str, Any]]:
    """The leaves of a pytree that is neither dict, list nor tuple, such as a Flax state."""
    import jax

    if jax.tree_util.all_leaves([node]):
        raise TypeError(
            f"{_shown(path)} is a {type(node).__name__}, which a checkpoint cannot hold. Use dicts, lists, tuples, "
            "pytrees, arrays, None, bool, int, float and str."
        )
    leaves, _ = jax.tree_util.tree_flatten_with_path(node)
    return [(jax.tree_util.keystr(keys), leaf) for keys, leaf in leaves]


def _structure(node: Any) -> Any:
    """The nesting alone, as JSON: a leaf is null, its key path finds it among the leaves."""
    if type(node) is dict:
        for key in node:
            if type(key) not in _KEY_TYPES:
                raise TypeError(f"A checkpoint's dict keys are str, int or bool, not {key!r}.")
        return {"dict": [[key, _structure(child)] for key, child in node.items()]}
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return {"fields": [[name, _structure(child)] for name, child in zip(node._fields, node, strict=True)]}  # pyright: ignore
    if type(node) in (list, tuple):
        return {type(node).__name__: [_structure(child) for child in node]}
    return None if _is_leaf(node) else {"pytree": type(node).__name__}


def _build(structure: Any, path: str, arrays: Mapping[str, np.ndarray], leaves: Mapping[str, Any]) -> Any:
    if structure is None:
        return _decode(leaves[path], arrays)
    (kind, content), *_ = structure.items()
    if kind == "dict":
        return {key: _build(child, f"{path}[{key!r}]", arrays, leaves) for key, child in content}
    if kind == "fields":
        return tuple(_build(child, f"{path}.{name}", arrays, leaves) for name, child in content)
    if kind in ("list", "tuple"):
        items = [_build(child, f"{path}[{index}]", arrays, leaves) for index, child in enumerate(content)]
        return items if kind == "list" else tuple(items)
    raise ValueError(f"{_shown(path)} is a pytree of type {content}: give a template to restore it into.")


def _refill(node: Any, path: str, values: Mapping[str, Any]) -> Any:
    children = _children(node)
    if children is None and _is_leaf(node):
        return values[path]
    if children is None:
        import jax

        leaves = [values[path + piece] for piece, _ in _flatten(node, path)]
        return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(node), leaves)
    items = [_refill(child, path + piece, values) for piece, child in children]
    if type(node) is dict:
        return dict(zip(node, items, strict=True))
    return type(node)(*items) if hasattr(node, "_fields") else type(node)(items)


def _encode(path: str, leaf: Any, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """One leaf as JSON; an array goes to `arrays` under its key path."""
    if type(leaf) is float and not math.isfinite(leaf):
        return {"float": repr(leaf)}  # JSON has no such numbers
    if type(leaf) in _JSON_TYPES:
        return {"json": leaf}
    name = path or "value"
    note: dict[str, Any] = {"array": name}
    if _is_random_key(leaf):
        import jax

        note["key"] = str(jax.random.key_impl(leaf))
        leaf = jax.random.key_data(leaf)
    elif isinstance(leaf, np.generic):
        note["scalar"] = True
    array = np.asarray(leaf)
    if array.dtype.hasobject:
        raise TypeError(f"{_shown(path)} is an array of Python objects, which a checkpoint cannot hold.")
    if array.dtype.isbuiltin == 2:  # bfloat16 and its like, which .npy files do not know
        note["dtype"] = array.dtype.name
        array = array.view(f"u{array.dtype.itemsize}")
    arrays[name] = array
    return note


def _decode(note: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    if "float" in note:
        return float(note["float"])
    if "json" in note:
        return note["json"]
    array = arrays[note["array"]]
    if "dtype" in note:
        import ml_dtypes

        array = array.view(getattr(ml_dtypes, note["dtype"]))
    if "key" in note:
        import jax

        return jax.random.wrap_key_data(jax.numpy.array(array), impl=note["key"])
    return array[()] if note.get("scalar") else array


def _is_random_key(leaf: Any) -> bool:
    return str(leaf.dtype).startswith("key<")


def _kind(leaf: Any) -> str:
    """What has to agree between a stored leaf and a template's, in words."""
    if type(leaf) in _JSON_TYPES:
        return "a plain value"
    return f"an array of shape {tuple(leaf.shape)}, {leaf.dtype}"


def _like(expected: Any, value: Any) -> Any:
    """The stored value as the kind of array the template has there."""
    if type(expected) in _JSON_TYPES or _is_random_key(value):
        return value
    if isinstance(expected, np.generic):
        return np.asarray(value)[()]
    if isinstance(expected, np.ndarray):
        return np.asarray(value)
    import jax

    array = jax.numpy.array(value)
    sharding = getattr(expected, "sharding", None)
    return jax.device_put(array, sharding) if sharding is not None and len(sharding.device_set) > 1 else array


def _shown(path: str) -> str:
    return path or "The tree itself"
