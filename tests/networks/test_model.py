import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import FactoredCategorical
from smuzero.networks.bounds import rescale
from smuzero.networks.model import make_network
from smuzero.networks.settings import NetworkSettings

ACTIVATIONS = {"relu": lambda x: np.maximum(x, 0), "silu": lambda x: x / (1 + np.exp(-x))}
POLICY = FactoredCategorical(num_dims=2, num_choices=3)
SMALL = NetworkSettings(width=16, num_blocks=2)


@pytest.fixture(scope="module", params=["minmax", "layernorm"])
def network(request):
    return make_network(NetworkSettings(width=16, num_blocks=2, latent=request.param), (5,), POLICY)


@pytest.fixture(scope="module")
def params(network):
    return network.init(jax.random.key(0))


def test_shapes_are_those_of_one_example(network, params):
    latent = network.represent(params, jnp.arange(5.0))
    policy_logits, value_logits = network.predict(params, latent)
    next_latent, reward_logits = network.dynamics(params, latent, jnp.array([0, 2]))
    assert latent.shape == next_latent.shape == (16,)
    assert (policy_logits.shape, value_logits.shape, reward_logits.shape) == ((6,), (51,), (51,))


def test_first_policy_is_uniform_and_first_value_and_reward_are_zero(network, params):
    latent = network.represent(params, jnp.arange(5.0))
    policy_logits, value_logits = network.predict(params, latent)
    _, reward_logits = network.dynamics(params, latent, jnp.array([0, 2]))
    np.testing.assert_array_equal(policy_logits, np.zeros(6))
    np.testing.assert_allclose(network.value_support.decode(value_logits), 0.0, atol=1e-4)
    np.testing.assert_allclose(network.reward_support.decode(reward_logits), 0.0, atol=1e-6)


def test_a_batch_gives_what_its_examples_give(network, params):
    observations = jax.random.normal(jax.random.key(1), (4, 5))
    batched = jax.vmap(network.represent, in_axes=(None, 0))(params, observations)
    single = [network.represent(params, observation) for observation in observations]
    np.testing.assert_allclose(batched, single, atol=1e-5)


def test_every_action_leads_elsewhere(network, params):
    latent = network.represent(params, jnp.arange(5.0))
    actions = POLICY.unpack(jnp.asarray(POLICY.enumerate_words()))
    latents, _ = jax.vmap(network.dynamics, in_axes=(None, None, 0))(params, latent, actions)
    distances = jnp.linalg.norm(latents[:, None, :] - latents[None, :, :], axis=-1)
    assert jnp.min(distances + jnp.eye(len(actions))) > 1e-3


def test_keys_decide_parameters(network):
    first, again, other = (network.init(jax.random.key(seed)) for seed in (0, 0, 1))
    kernels = [tree["represent"]["input"]["linear"]["kernel"] for tree in (first, again, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_paper_network_has_ten_blocks_of_two_layers_in_representation_and_dynamics():
    network = make_network(NetworkSettings(), (67,), POLICY)
    params = jax.eval_shape(network.init, jax.random.key(0))
    for part in ("represent", "dynamics"):
        blocks = params[part]["tower"]["blocks"]
        assert len(blocks) == 10
        assert {blocks[i][layer]["kernel"].shape for i in blocks for layer in ("linear_1", "linear_2")} == {(512, 512)}
    assert (network.value_support.low, network.value_support.high, network.value_support.bins) == (-150, 150, 51)
    assert (network.reward_support.low, network.reward_support.high, network.reward_support.bins) == (-1, 1, 51)


def test_observations_of_any_shape_and_dtype_are_flattened():
    network = make_network(SMALL, (2, 3), POLICY)
    params = network.init(jax.random.key(0))
    image = jnp.arange(6, dtype=jnp.uint8).reshape(2, 3)
    assert network.represent(params, image).shape == (16,)


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_representation_is_the_towers_of_the_paper_written_out(activation):
    network = make_network(dataclasses.replace(SMALL, activation=activation), (5,), POLICY)
    activate = ACTIVATIONS[activation]
    params = jax.tree.map(
        lambda x: x + 0.1 * jnp.sin(jnp.arange(x.size)).reshape(x.shape), network.init(KEY := jax.random.key(0))
    )
    observation = jax.random.normal(KEY, (5,))
    part = jax.tree.map(np.asarray, params["represent"])

    def norm(x, p):
        return (x - x.mean()) / np.sqrt(x.var() + 1e-6) * p["scale"] + p["bias"]

    def linear(x, p):
        return x @ p["kernel"] + p["bias"]

    x = np.tanh(norm(linear(np.asarray(observation), part["input"]["linear"]), part["input"]["norm"]))
    for i in range(2):
        block = part["tower"]["blocks"][i]
        hidden = linear(activate(norm(x, block["norm_1"])), block["linear_1"])
        x = x + linear(activate(norm(hidden, block["norm_2"])), block["linear_2"])
    x = (x - x.min()) / (x.max() - x.min())
    np.testing.assert_allclose(network.represent(params, observation), x, atol=1e-5)


def test_rescaled_latents_span_zero_to_one_and_constant_ones_stay_finite():
    np.testing.assert_allclose(rescale(jnp.array([1.0, 3.0, 2.0])), [0, 1, 0.5])
    np.testing.assert_array_equal(rescale(jnp.ones(3)), np.zeros(3))
    assert np.isfinite(jax.jacobian(rescale)(jnp.ones(3))).all()


def test_unknown_latents_and_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        NetworkSettings(width=0)
    with pytest.raises(Exception, match="latent"):
        NetworkSettings(latent="batchnorm")  # pyright: ignore[reportArgumentType]
    with pytest.raises(Exception, match="input_block"):
        NetworkSettings(input_block="norm")  # pyright: ignore[reportArgumentType]
    with pytest.raises(Exception, match="action_input"):
        NetworkSettings(action_input="words")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_coordinates_enter_the_hidden_layer_of_every_block_and_the_reward(activation):
    policy = FactoredCategorical(num_dims=1, num_choices=5, is_ordered=True)
    settings = NetworkSettings(
        width=8, num_blocks=2, latent="layernorm", action_input="coordinates", activation=activation
    )
    activate = ACTIVATIONS[activation]
    network = make_network(settings, (3,), policy)
    params = jax.tree.map(lambda x: x + 0.1, network.init(jax.random.key(0)))
    weights = params["dynamics"]
    latent = jnp.linspace(-1.0, 1.0, 8)
    for choice, value in enumerate([-1.0, -0.5, 0.0, 0.5, 1.0]):
        x = np.asarray(latent)
        for block in weights["blocks"].values():
            hidden = activate(normalised(x) * block["norm"]["scale"] + block["norm"]["bias"])
            hidden = linear(block["linear_1"], hidden) + value * np.asarray(block["action"]["kernel"])[0]
            x = x + linear(block["linear_2"], activate(hidden))
        x = normalised(x)
        head, told = weights["reward"], x + linear(weights["reward_action"], np.array([value]))
        reward = linear(head["linear"], activate(normalised(told) * head["norm"]["scale"] + head["norm"]["bias"]))
        found = network.dynamics(params, latent, jnp.array([choice]))
        np.testing.assert_allclose(found[0], x, atol=2e-5)
        np.testing.assert_allclose(found[1], reward, atol=2e-5)


def test_coordinates_without_a_block_to_enter_are_refused():
    with pytest.raises(ValueError, match="1 is the least"):
        NetworkSettings(num_blocks=0, action_input="coordinates")


def normalised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-6)


def linear(weights: dict, x: np.ndarray) -> np.ndarray:
    return x @ np.asarray(weights["kernel"]) + np.asarray(weights["bias"])


def test_symlog_is_taken_of_what_is_observed_before_anything_else():
    plain, squashed = (
        make_network(NetworkSettings(width=16, num_blocks=1, observation_symlog=on), (5,), POLICY)
        for on in (False, True)
    )
    params = plain.init(jax.random.key(0))
    observation = jnp.array([-300.0, -0.1, 0.0, 2.0, 40.0])
    expected = plain.represent(params, jnp.sign(observation) * jnp.log1p(jnp.abs(observation)))
    np.testing.assert_allclose(squashed.represent(params, observation), expected, atol=1e-5)


def test_a_bare_input_block_is_its_linear_layer():
    settings = NetworkSettings(width=16, num_blocks=0, latent="layernorm", input_block="linear")
    network = make_network(settings, (5,), POLICY)
    params = network.init(jax.random.key(0))
    observation = jnp.array([3.0, -1.0, 0.5, 100.0, 0.0])
    linear = params["represent"]["input"]["linear"]
    assert set(params["represent"]["input"]) == {"linear"}
    embedded = observation @ linear["kernel"] + linear["bias"]
    expected = (embedded - jnp.mean(embedded)) / jnp.sqrt(jnp.var(embedded) + 1e-6)
    np.testing.assert_allclose(network.represent(params, observation), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lstm", [False, True])
def test_observations_are_seen_by_their_distance_from_the_mean_of_what_was_learned_from(lstm):
    plain = NetworkSettings(width=16, num_blocks=1, lstm=lstm)
    settings = dataclasses.replace(plain, observation_norm=True)
    network, unscaled = (make_network(each, (2, 2), POLICY) for each in (settings, plain))
    first = network.init(jax.random.key(0))
    rng = np.random.default_rng(0)
    batches = rng.normal([[0.0, 50.0], [-3.0, 7.0]], [[1.0, 10.0], [0.1, 0.0]], (3, 64, 2, 2)).astype(np.float32)
    assert network.follow is not None
    params = first
    for step, batch in enumerate(batches):
        params = network.follow(params, jnp.asarray(batch), jnp.asarray(step))
    owner, place = ("recall", "embed") if lstm else ("represent", "input")
    statistics = params[owner][place]["statistics"]
    flat = batches.reshape(-1, 4)
    np.testing.assert_allclose(statistics["mean"], flat.mean(axis=0), rtol=1e-4, atol=1e-4)
    # Each batch's squares are about the mean by then, which is off by a part of what is left to average.
    np.testing.assert_allclose(statistics["variance"], flat.var(axis=0), rtol=0.05, atol=1e-6)
    # The last number never moves: it is not divided by nothing; and one far from all that was met counts as ten.
    observation = np.array([[1.0, 1e6], [-2.9, 7.0]], np.float32)
    scaled = (observation.reshape(-1) - statistics["mean"]) / np.maximum(np.sqrt(statistics["variance"]), 1e-3)
    scaled = np.clip(scaled, -10, 10).reshape(2, 2)
    assert scaled[0, 1] == 10.0
    block = {name: value for name, value in params[owner][place].items() if name != "statistics"}
    bare = {**params, owner: {**params[owner], place: block}}

    def seen(network, params, observation):
        observation = jnp.asarray(observation)
        if not lstm:
            return network.represent(params, observation)
        return network.represent(params, network.recall(params, jnp.zeros(32), observation))

    np.testing.assert_allclose(seen(network, params, observation), seen(unscaled, bare, scaled), atol=1e-5)


def test_means_forget_what_is_a_thousand_batches_old():
    network = make_network(NetworkSettings(width=8, num_blocks=0, observation_norm=True), (1,), POLICY)
    params = network.init(jax.random.key(0))
    assert network.follow is not None
    statistics = network.follow(params, jnp.full((4, 1), 5.0), jnp.asarray(10**6))["represent"]["input"]["statistics"]
    np.testing.assert_allclose(statistics["mean"], 5.0 / 1000, rtol=1e-4)
    assert make_network(SMALL, (1,), POLICY).follow is None


def test_heads_with_hidden_layers_start_at_zero_and_are_as_deep_as_asked():
    deep = make_network(NetworkSettings(width=16, num_blocks=1, head_layers=2), (5,), POLICY)
    params = deep.init(jax.random.key(0))
    policy_logits, value_logits = deep.predict(params, deep.represent(params, jnp.arange(5.0)))
    np.testing.assert_array_equal(policy_logits, np.zeros(6))
    np.testing.assert_array_equal(value_logits, np.zeros(51))
    kernels = [leaf.shape for leaf in jax.tree.leaves(params["predict"]) if leaf.ndim == 2]
    assert sorted(kernels) == [(16, 16), (16, 16), (16, 57)]
    with pytest.raises(ValueError, match="head_layers is -1"):
        NetworkSettings(head_layers=-1)
