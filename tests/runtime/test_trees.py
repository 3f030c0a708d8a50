import collections
import json
import subprocess
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from smuzero.runtime import checkpoints, trees


class Learner(NamedTuple):
    params: Any
    opt_state: Any
    step: Any
    key: Any


def through_json(tree):
    arrays, description = trees.take_apart(tree)
    return arrays, json.loads(json.dumps(description, allow_nan=False))


def make_learner(width=3):
    _, params = nnx.split(nnx.Linear(2, width, rngs=nnx.Rngs(0)))
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(optax.cosine_decay_schedule(1e-3, 10)))
    state = Learner(params, optimiser.init(params), jnp.int32(0), jax.random.key(1))
    gradient = jax.tree.map(lambda leaf: jnp.full_like(leaf, 0.3), params)
    for _ in range(3):
        with jax.numpy_dtype_promotion("standard"):  # optax counts on it
            updates, opt_state = optimiser.update(gradient, state.opt_state, state.params)
        key, _ = jax.random.split(state.key)
        state = Learner(optax.apply_updates(state.params, updates), opt_state, state.step + 1, key)
    return state


def test_an_optimised_learner_comes_back_bit_for_bit(tmp_path):
    learner = make_learner()
    path = checkpoints.save(tmp_path, 3, {"learner": learner})
    template = jax.eval_shape(make_learner)
    restored = checkpoints.restore(path, {"learner": template})["learner"]
    assert jax.tree.structure(restored) == jax.tree.structure(learner)
    for left, right in zip(jax.tree.leaves(learner), jax.tree.leaves(restored), strict=True):
        assert isinstance(right, jax.Array)
        assert left.dtype == right.dtype
        if jnp.issubdtype(left.dtype, jax.dtypes.prng_key):
            left, right = jax.random.key_data(left), jax.random.key_data(right)
        assert np.asarray(left).tobytes() == np.asarray(right).tobytes()


def test_arrays_are_named_by_their_key_path():
    arrays, _ = trees.take_apart(make_learner())
    assert {".params['kernel'].value", ".step", ".key"} <= set(arrays)


def test_another_width_is_told_by_key_and_shape():
    arrays, description = through_json(make_learner())
    with pytest.raises(trees.Mismatch) as caught:
        trees.put_into(jax.eval_shape(lambda: make_learner(width=5)), arrays, description)
    assert ".params['kernel'].value holds an array of shape (2, 3), float32, but" in str(caught.value)
    assert "expects an array of shape (2, 5), float32" in str(caught.value)
    assert "and 1 more" in str(caught.value)


def test_another_dtype_does_not_fit():
    arrays, description = through_json({"a": np.zeros(2)})
    with pytest.raises(trees.Mismatch, match=r"float64, but this run expects .* float32"):
        trees.put_into({"a": np.zeros(2, np.float32)}, arrays, description)


def test_keys_missing_and_left_over_are_both_named():
    arrays, description = through_json({"old": np.zeros(1), "both": 1})
    with pytest.raises(trees.Mismatch, match=r"(?s)\['new'\] is not in.*\['old'\] is in the checkpoint, but unknown"):
        trees.put_into({"new": np.zeros(1), "both": 2}, arrays, description)


def test_random_keys_keep_their_kind():
    tree = {"rbg": jax.random.key(4, impl="rbg"), "batch": jax.random.split(jax.random.key(5), 3)}
    restored = trees.put_together(*through_json(tree))
    for name, key in tree.items():
        assert restored[name].dtype == key.dtype
        np.testing.assert_array_equal(jax.random.key_data(restored[name]), jax.random.key_data(key))


def test_a_key_of_another_kind_does_not_fit():
    arrays, description = through_json({"key": jax.random.key(0, impl="rbg")})
    with pytest.raises(trees.Mismatch, match="rbg"):
        trees.put_into({"key": jax.random.key(0)}, arrays, description)


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_short_floats_come_back_as_they_were(tmp_path, dtype):
    array = np.arange(6).astype(dtype).reshape(2, 3)
    path = checkpoints.save(tmp_path, 1, {"a": {"numpy": array, "jax": jnp.asarray(array)}})
    restored = checkpoints.restore(path)["a"]
    assert restored["numpy"].dtype == restored["jax"].dtype == array.dtype
    assert restored["numpy"].tobytes() == restored["jax"].tobytes() == array.tobytes()


json_values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
arrays = st.sampled_from(
    [np.zeros((0, 3)), np.array(2.5, np.float32), np.arange(4, dtype=">i2"), np.array(["a", "bc"])]
)
nested = st.recursive(
    json_values | arrays,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


def same(left, right):
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@settings(max_examples=60, deadline=None)
@given(nested)
def test_any_nesting_comes_back_without_and_with_a_template(tree):
    stored = through_json(tree)
    assert same(trees.put_together(*stored), tree)
    assert same(trees.put_into(tree, *stored), tree)


def test_generators_continue_their_stream(tmp_path):
    for kind in (np.random.PCG64, np.random.MT19937, np.random.Philox):
        generator = np.random.Generator(kind(11))
        generator.random(3)
        path = checkpoints.save(tmp_path, 1, {"random": generator.bit_generator.state})
        copy = np.random.Generator(kind(0))
        copy.bit_generator.state = checkpoints.restore(path)["random"]
        np.testing.assert_array_equal(copy.integers(1 << 60, size=5), generator.integers(1 << 60, size=5))


def test_scalars_stay_numpy_scalars_and_nan_stays_nan():
    restored = trees.put_together(*through_json({"scalar": np.float32(0.1), "nan": float("nan")}))
    assert type(restored["scalar"]) is np.float32
    assert restored["scalar"] == np.float32(0.1)
    assert np.isnan(restored["nan"])


def test_without_a_template_a_named_tuple_is_a_tuple_and_a_pytree_asks_for_one():
    assert trees.put_together(*through_json(Learner(1, 2, 3, 4))) == (1, 2, 3, 4)
    with pytest.raises(ValueError, match="OrderedDict: give a template"):
        trees.put_together(*through_json({"a": collections.OrderedDict(b=1)}))


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": [b"bytes"]}, r"\['a'\]\[0\] is a bytes"),
        ({"a": np.array([None])}, r"\['a'\] is an array of Python objects"),
        ({("a", 1): 2}, "dict keys are str, int or bool"),
        (object(), "The tree itself is a object"),
    ],
)
def test_what_cannot_be_stored_is_named(tree, message):
    with pytest.raises(TypeError, match=message):
        trees.take_apart(tree)


def test_numpy_trees_are_stored_without_jax():
    code = (
        "import sys, numpy as np; from smuzero.runtime import checkpoints, trees;"
        "trees.put_together(*trees.take_apart({'a': [np.ones(2), 1, None]})); assert 'jax' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
