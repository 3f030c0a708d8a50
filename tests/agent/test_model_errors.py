"""What the model gets wrong of stored steps, against its definition step by step."""

import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.agent.model_errors import model_errors

from .test_learner import GAMMA, NETWORK, B, U, make_state, make_windows


@pytest.mark.parametrize("discount", [GAMMA, -GAMMA])
def test_errors_are_what_was_met_less_what_was_imagined(discount):
    params, windows = make_state().target_params, make_windows()
    is_step = windows.is_step.copy()
    is_step[0, 1:] = False
    stored = windows.discount.copy()
    stored[1, 0] = 0.0  # a true end: nothing is worth anything after it
    windows = windows._replace(is_step=is_step, discount=stored)
    errors = model_errors(NETWORK, params, windows, U, discount)

    def value(latent):
        return NETWORK.value_support.decode(NETWORK.predict(params, latent)[1])

    expected = np.zeros((B, U))
    for b in range(B):
        for u in range(U):
            before, met = (NETWORK.represent(params, jnp.asarray(windows.observation[b, u + k])) for k in (0, 1))
            imagined, logits = NETWORK.dynamics(params, before, jnp.asarray(windows.action[b, u]))
            followed = windows.reward[b, u] + GAMMA * stored[b, u] * value(met)
            if is_step[b, u]:
                expected[b, u] = followed - NETWORK.reward_support.decode(logits) - discount * value(imagined)
    np.testing.assert_allclose(errors, expected, rtol=1e-4, atol=1e-5)
    assert errors[0, 0] != 0 and (errors[0, 1:] == 0).all()
    np.testing.assert_array_equal(model_errors(NETWORK, params, windows, 1, discount), errors[:, :1])


def test_more_steps_than_a_window_has_actions_are_refused():
    with pytest.raises(ValueError, match=f"must be 1 to {U}"):
        model_errors(NETWORK, make_state().target_params, make_windows(), U + 1, GAMMA)
