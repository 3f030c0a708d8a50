"""What the model gets wrong along stored actions, against its definition step by step."""

import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.agent.model_errors import model_errors

from .small_learner import GAMMA, NETWORK, B, N, U, make_state, make_windows


def lawful(windows):
    """The windows with the final observation repeated past the end, as a replay cuts them."""
    end = windows.is_step.sum(axis=1, keepdims=True)
    row = np.minimum(np.arange(windows.observation.shape[1]), end)
    return windows._replace(observation=np.take_along_axis(windows.observation, row[..., None], axis=1))


@pytest.mark.parametrize("lookahead", [1, 2, 3])
@pytest.mark.parametrize("discount", [GAMMA, -GAMMA])
def test_errors_are_what_was_met_less_what_was_imagined(discount, lookahead):
    params, windows = make_state().target_params, lawful(make_windows())
    assert windows.is_step.sum(axis=1).tolist() == [U + N + 1, 2, 1] and windows.discount[1, 1] == 0
    assert windows.later_action is not None
    actions = np.concatenate([windows.action, windows.later_action], axis=1)
    num_steps = U + N - lookahead
    errors = model_errors(NETWORK, params, windows, num_steps, lookahead, discount)

    def value(latent):
        return NETWORK.value_support.decode(NETWORK.predict(params, latent)[1])

    def gain(b, u):
        """(What followed step u of window b, what the model expects) over as many steps as there are of `lookahead`."""
        latent = NETWORK.represent(params, jnp.asarray(windows.observation[b, u]))
        followed, expected, weight, imagined_weight = 0.0, 0.0, 1.0, 1.0
        steps = [j for j in range(u, u + lookahead) if windows.is_step[b, j]]
        for j in steps:
            latent, logits = NETWORK.dynamics(params, latent, jnp.asarray(actions[b, j]))
            followed += weight * windows.reward[b, j]
            expected += imagined_weight * NETWORK.reward_support.decode(logits)
            weight *= GAMMA * windows.discount[b, j]
            imagined_weight *= discount
        met = NETWORK.represent(params, jnp.asarray(windows.observation[b, steps[-1] + 1]))
        return followed + weight * value(met), expected + imagined_weight * value(latent)

    for b in range(B):
        for u in range(num_steps):
            expected = np.subtract(*gain(b, u)) if windows.is_step[b, u] else 0.0
            np.testing.assert_allclose(errors[b, u], expected, rtol=1e-4, atol=1e-5)
    assert (errors[0] != 0).all()
    fewer = model_errors(NETWORK, params, windows, 1, lookahead, discount)
    np.testing.assert_allclose(fewer, errors[:, :1], rtol=1e-5, atol=1e-6)


def test_more_steps_than_a_window_has_actions_are_refused():
    with pytest.raises(ValueError, match=f"need {U + N + 1} actions"):
        model_errors(NETWORK, make_state().target_params, make_windows(), U + N, 2, GAMMA)


def test_windows_without_later_actions_are_refused():
    windows = make_windows()._replace(later_action=None)
    with pytest.raises(ValueError, match="later_action"):
        model_errors(NETWORK, make_state().target_params, windows, 1, 1, GAMMA)
