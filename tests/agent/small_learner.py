"""A small network, its learner's settings and a batch: what the learner's tests share."""

import jax
import jax.numpy as jnp
import numpy as np

from smuzero.actions.distributions import FactoredCategorical
from smuzero.agent.learner import LearnerSettings, init_learner
from smuzero.networks.model import make_network
from smuzero.networks.settings import NetworkSettings
from smuzero.types import Windows

B, U, N, K, OBSERVATION, WIDTH, GAMMA = 3, 2, 2, 4, 3, 8, 0.9
POLICY = FactoredCategorical(num_dims=2, num_choices=3)
NETWORK = make_network(
    NetworkSettings(width=WIDTH, num_blocks=1, value_bins=5, value_range=(-4.0, 4.0), reward_bins=3),
    (OBSERVATION,),
    POLICY,
    reconstructs=True,
)
SETTINGS = LearnerSettings(
    batch_size=B,
    unroll=U,
    n_step=N,
    discount=GAMMA,
    learning_rate=1e-2,
    total_updates=100,
    weight_decay=0.1,
    policy_weight=1.5,
    value_weight=0.5,
    reward_weight=2.0,
    entropy_weight=0.05,
    consistency_weight=3.0,
    reconstruction_weight=0.2,
    target_period=2,
)


def make_windows(seed=0) -> Windows:
    """Three windows: one inside its sequence, one cut by a termination, one by a time limit."""
    rng = np.random.default_rng(seed)
    lengths = np.array([9, 2, 1])
    is_step = np.arange(U + N + 1) < lengths[:, None]
    discount = np.ones((B, U + N), np.float32)
    discount[1, 1] = 0.0
    visits = rng.integers(0, 5, (B, U + 1, K)) * is_step[:, : U + 1, None]
    actions = rng.integers(0, 3, (B, U + 1, K, 2)).astype(np.int32)
    return Windows(
        observation=rng.normal(size=(B, U + N + 1, OBSERVATION)).astype(np.float32),
        action=rng.integers(0, 3, (B, U, 2)).astype(np.int32),
        reward=(rng.uniform(-1, 1, (B, U + N)) * is_step[:, :-1]).astype(np.float32),
        discount=discount,
        is_step=is_step,
        is_terminal=np.array([False, True, False]),
        words=np.asarray(POLICY.pack(jnp.asarray(actions))),
        visits=visits.astype(np.float32),
        root_value=rng.normal(size=(B, U + 1)).astype(np.float32),
        weight=np.array([1.0, 0.5, 0.25], np.float32),
        index=np.arange(B),
        later_action=rng.integers(0, 3, (B, N, 2)).astype(np.int32),
    )


def make_state(settings=SETTINGS):
    """A learner whose every parameter, of the target network too, is away from its first value."""
    state = init_learner(NETWORK, settings, jax.random.key(0))

    def stir(params, scale):
        return jax.tree.map(lambda x: x + scale * jnp.sin(1.0 + jnp.arange(float(x.size))).reshape(x.shape), params)

    return state._replace(params=stir(state.params, 0.2), target_params=stir(state.target_params, 0.3))
