"""Laws that hold for every action space of Gymnasium, over random ones."""

import gymnasium
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions import masks
from smuzero.actions.distributions import Autoregressive, FactoredCategorical, Gaussian, Product, make_policy
from smuzero.actions.policy import Policy
from smuzero.actions.spaces import Composite, UnsupportedActionSpace, decode_each, from_gymnasium, leaves

from .gym_spaces import gymnasium_spaces, obeys, random_mask, same

gym = gymnasium.spaces
relaxed = hypothesis.settings(deadline=None)
WITHOUT_SHRINKING = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
few = hypothesis.settings(deadline=None, max_examples=5, phases=WITHOUT_SHRINKING)  # each compiles a program of its own
QUICK = {"xla_backend_optimization_level": 0}
"""Compilation costs more than running does."""
heads = st.sampled_from(["categorical", "gaussian"])
structures = st.sampled_from(["factored", "autoregressive"])
seeds = st.integers(0, 2**31 - 1)


def random_logits(policy: Policy, seed: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=policy.num_logits).astype(np.float32))


def random_uniforms(policy: Policy, number: int, seed: int) -> jax.Array:
    uniforms = np.random.default_rng(seed).random((policy.num_uniforms, number)).astype(np.float32)
    # Float32 rounds numbers near 1 up to it; a search's own numbers stay below.
    return jnp.minimum(uniforms, np.float32(1 - 2**-24))


@relaxed
@hypothesis.given(gymnasium_spaces(), st.integers(2, 9), heads, seeds)
def test_what_the_environment_samples_is_found_again_after_encoding_and_decoding(space, bins, head, seed):
    """Exactly where it is a choice; bins and rounding keep it near, and encode to the same vector."""
    own = from_gymnasium(space, bins, head)
    space.seed(seed)
    action = space.sample()
    vector = own.encode(action)
    assert vector.shape == (own.size,)
    decoded = own.decode(vector)
    assert space.contains(decoded)
    again = own.encode(decoded)
    np.testing.assert_allclose(again, vector, atol=2e-3 if head == "gaussian" else 0)
    if head == "categorical":
        assert same(decoded, own.decode(again))


@few
@hypothesis.given(gymnasium_spaces(), heads, structures, seeds)
def test_every_draw_is_accepted_by_the_environment_and_obeys_its_mask(space, head, structure, seed):
    own = from_gymnasium(space, head=head)
    hypothesis.assume(own.size <= 5)  # a program grows with every component that depends on others
    policy = make_policy(own, structure)
    random = np.random.default_rng(seed)
    mask = random_mask(space, random)
    legal = masks.policy_mask(own, masks.flat_mask(own, mask))
    assert legal is not None and legal.shape == (policy.num_choices_in_all,)

    def draw(logits, legal, uniforms):
        logits = policy.noisy(jax.random.key(seed), policy.masked(logits, legal), 0.25, 0.3)
        words = policy.sample_words(policy.tempered(logits, 2.0), uniforms).T
        vectors = policy.unpack(words)
        seen = jax.vmap(policy.features)(vectors), jax.vmap(policy.coordinates)(vectors)
        return words, policy.log_prob_words(logits, words), vectors, policy.unpack(policy.pack(vectors)), seen

    inputs = random_logits(policy, seed), jnp.asarray(legal), random_uniforms(policy, 20, seed)
    words, log_probs, vectors, again, seen = jax.jit(draw, compiler_options=QUICK)(*inputs)
    assert words.shape == (20, policy.num_words) and words.dtype == jnp.uint32
    assert np.isfinite(log_probs).all()
    vectors = np.asarray(vectors)
    assert vectors.shape == (20, own.size) and vectors.dtype == policy.dtype
    for vector, action in zip(vectors, decode_each(own, vectors), strict=True):
        assert space.contains(action) and obeys(space, mask, action)
        assert masks.allows(own, vector, masks.flat_mask(own, mask))
    np.testing.assert_allclose(again, vectors, atol=1e-6)
    assert [array.shape[1] for array in seen] == [policy.num_features, policy.num_coordinates]


MIXED = gym.Dict(
    move=gym.Discrete(3, start=1),
    sizes=gym.MultiDiscrete([2, 3], start=[1, 0]),
    steps=gym.Box(-1, 2, (1,), np.int8),
)


@pytest.mark.parametrize("structure", ["factored", "autoregressive"])
def test_probabilities_of_all_actions_sum_to_one_and_entropy_is_their_mean_surprise(structure):
    policy = make_policy(from_gymnasium(MIXED), structure)
    words = policy.enumerate_words()
    assert len(np.unique(words, axis=0)) == len(words) == 3 * 6 * 4

    def found(logits):
        logits = policy.masked(logits, jnp.arange(policy.num_choices_in_all) != 1)
        noisy = policy.noisy(jax.random.key(1), logits, 0.25, 0.3)
        forms = logits, policy.tempered(logits, 3.0), noisy, policy.uniform_like(logits)
        return policy.entropy(logits), [policy.log_prob_words(form, jnp.asarray(words)) for form in forms]

    entropy, of_forms = jax.jit(found, compiler_options=QUICK)(random_logits(policy, 0))
    of_forms = [np.asarray(log_probs, np.float64) for log_probs in of_forms]
    for log_probs in of_forms:
        np.testing.assert_allclose(np.exp(log_probs).sum(), 1.0, rtol=1e-5)
    uniform = of_forms[-1]
    np.testing.assert_allclose(uniform[uniform > -np.inf], -np.log(2 * 6 * 4), rtol=1e-5)
    log_probs = of_forms[0]
    assert (log_probs == -np.inf).sum() == 6 * 4
    np.testing.assert_allclose(entropy, -np.sum(np.exp(log_probs) * np.maximum(log_probs, -1e9)), rtol=1e-4)


@pytest.mark.parametrize("structure", ["factored", "autoregressive"])
@pytest.mark.parametrize("head", ["categorical", "gaussian"])
def test_a_mask_is_never_violated_in_a_hundred_thousand_draws(structure, head):
    space = gym.Dict(MIXED.spaces | {"amount": gym.Box(-1, 1, (2,))})
    own = from_gymnasium(space, head=head)
    policy = make_policy(own, structure)
    legal = masks.policy_mask(own, masks.flat_mask(own, random_mask(space, np.random.default_rng(3))))

    def draw(logits, uniforms):
        logits = policy.noisy(jax.random.key(0), policy.masked(logits, jnp.asarray(legal)), 0.25, 0.3)
        forms = logits, policy.tempered(logits, 4.0)
        return [policy.unpack(policy.sample_words(form, uniforms).T) for form in forms]

    uniforms = random_uniforms(policy, 50_000, 0)
    for vectors in map(np.asarray, jax.jit(draw, compiler_options=QUICK)(random_logits(policy, 1), uniforms)):
        choices = np.concatenate([vectors[:, start : start + size] for start, size in categorical_columns(own)], axis=1)
        first = np.cumsum([0, *[n for leaf in leaves(own) for n in leaf.choices]])[:-1]
        assert np.asarray(legal)[first + choices.astype(int)].all()


def categorical_columns(space):
    start = 0
    for leaf in leaves(space):
        if leaf.choices:
            yield start, leaf.size
        start += leaf.size


def test_vectors_and_masks_of_a_nested_space_lie_in_its_own_order():
    parts = {"a": gym.Tuple([gym.MultiBinary(2), gym.Box(0, 1, (1,))]), "b": gym.Discrete(2, start=5)}
    space = from_gymnasium(gym.Dict(parts))
    assert isinstance(space, Composite) and space.names == ("a", "b")
    action = {"a": (np.array([1, 0], np.int8), np.array([1.0], np.float32)), "b": 6}
    assert space.encode(action).tolist() == [1, 0, 6, 1]
    mask = {"b": np.array([0, 1]), "a": (np.array([1, 2]), None)}
    flat = masks.flat_mask(space, mask)
    assert flat.tolist() == [False, True, True, True, False, True]
    legal = masks.policy_mask(space, flat)
    assert legal is not None and legal.tolist() == [False, True, True, True, *[True] * 7, False, True]
    assert masks.flat_mask(space, None).all()
    assert masks.allows(space, np.array([1, 0, 6, 1]), flat)
    assert not masks.allows(space, np.array([0, 0, 6, 1]), flat)


@pytest.mark.parametrize(
    ("space", "mask", "what"),
    [
        (gym.Discrete(3), [0, 0, 0], "allows at least one"),
        (gym.Discrete(3), [1, 1], "each of its 3 choices"),
        (gym.Discrete(3), [0, 1, 0.5], "0 or 1"),
        (gym.MultiDiscrete([2, 3]), ([1, 1],), "one array for each entry"),
        (gym.MultiDiscrete([2, 3]), ([1, 1], [0, 0, 0]), "of entry 1"),
        (gym.MultiBinary(2), [1, 3], r"free \(2\)"),
        (gym.Box(0, 1, (1,)), [1], "a Box takes no mask"),
        (gym.Dict(a=gym.Discrete(2), b=gym.Discrete(3)), {"a": [1, 1]}, "keys 'a', 'b'"),
        (gym.Dict(a=gym.Discrete(2)), {"a": [1, 1, 1]}, r"mask\['a'\]"),
        (gym.Tuple([gym.Discrete(2)]), [[1, 1], [1, 0]], "a tuple of 1"),
    ],
)
def test_masks_that_do_not_fit_are_refused_with_what_would(space, mask, what):
    with pytest.raises(ValueError, match=what):
        masks.flat_mask(from_gymnasium(space), mask)


def test_equal_components_are_joined_and_continuous_ones_follow_the_head():
    assert make_policy(from_gymnasium(gym.MultiDiscrete([4, 4]))) == FactoredCategorical(2, 4)
    assert make_policy(from_gymnasium(gym.MultiBinary((2, 3)))) == FactoredCategorical(6, 2)
    assert make_policy(from_gymnasium(gym.Box(0, 3, (2,), np.int32))) == FactoredCategorical(2, 4, is_ordered=True)
    assert make_policy(from_gymnasium(gym.Box(0, 255, (2,), np.uint8))) == FactoredCategorical(2, 7, is_ordered=True)
    assert make_policy(from_gymnasium(gym.Box(0, 3, (2,), np.int32), head="gaussian")).dtype == np.int32
    both = gym.Tuple([gym.Discrete(3), gym.Box(-1, 1, (2,))])
    bins = make_policy(from_gymnasium(both, bins=5))
    assert bins == Product((FactoredCategorical(1, 3), FactoredCategorical(2, 5, is_ordered=True)))
    assert bins.dtype == np.int32
    gaussian = make_policy(from_gymnasium(both, head="gaussian"))
    assert gaussian == Product((FactoredCategorical(1, 3), Gaussian(2))) and gaussian.dtype == np.float32
    chained = make_policy(from_gymnasium(both, head="gaussian"), "autoregressive")
    assert chained == Autoregressive((FactoredCategorical(1, 3), Gaussian(1), Gaussian(1)))
    assert all(isinstance(policy, Policy) and hash(policy) == hash(policy) for policy in (bins, gaussian, chained))


@pytest.mark.parametrize(
    "space",
    [
        gym.Tuple([]),
        gym.Dict({}),
        gym.Box(0, 1, (0,)),
        gym.Tuple([gym.Discrete(2), gym.Dict(inner=gym.Box(0, 1, (2, 0)))]),
    ],
)
def test_empty_spaces_are_refused_with_what_to_do(space):
    with pytest.raises(UnsupportedActionSpace, match=r"empty: there is nothing to choose. Leave"):
        from_gymnasium(space)


@pytest.mark.parametrize("low", [0.0, -np.inf])
def test_an_unbounded_box_is_refused_naming_its_place(low):
    space = gym.Tuple([gym.Discrete(2), gym.Dict(force=gym.Box(low, np.inf, (2,)))])
    with pytest.raises(UnsupportedActionSpace, match=r"space\[1\]\['force'\] is Box.*no finite bounds.*RescaleAction"):
        from_gymnasium(space, head="gaussian")
    with pytest.raises(UnsupportedActionSpace, match="no finite bounds"):
        from_gymnasium(gym.Box(low, np.inf, (2,), np.int64))


def test_a_product_that_is_too_large_to_enumerate_is_refused():
    with pytest.raises(ValueError, match=r"6000 slots a node \(3 parts of 20, 20, 15\).*num_samples"):
        make_policy(
            from_gymnasium(gym.Tuple([gym.Discrete(20), gym.Box(0, 19, (1,), np.int8), gym.Discrete(15)]))
        ).enumerate_words()
