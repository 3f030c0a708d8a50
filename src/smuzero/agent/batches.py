"""A batch of stored windows with all that its update compares the network with, made by the target network."""

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from smuzero.agent.encoded import encoded, with_latents
from smuzero.agent.learner_settings import LearnerSettings
from smuzero.agent.memories import with_memories
from smuzero.agent.reanalyse import Reanalyse, with_fresh_policy, with_fresh_value
from smuzero.agent.shifted import with_shifted_pictures
from smuzero.agent.sketches import with_sketches
from smuzero.agent.targets import Targets, averaged_targets, bootstrap_values, latent_targets, make_targets
from smuzero.networks.network import Network, Params
from smuzero.types import Windows


def batch_targets(network: Network, settings: LearnerSettings, target_params: Params, windows: Windows) -> Targets:
    """The targets of every window of a batch."""

    def one(window: Windows) -> Targets:
        if settings.num_bootstraps > 1:
            targets = averaged_targets(network, target_params, window, settings.discount, settings.num_bootstraps)
        else:
            targets = make_targets(window, bootstrap_values(network, target_params, window), settings.discount)
        if settings.consistency_weight == 0:
            return targets
        return targets._replace(latent=latent_targets(network, target_params, window))

    return jax.vmap(one)(windows)


def with_targets(
    network: Network,
    settings: LearnerSettings,
    reanalyse: Reanalyse | None,
    fresh_value_weight: float,
    target_params: Params,
    key: PRNGKeyArray,
    windows: Windows,
) -> tuple[Windows, Targets, int]:
    """The windows as the loss is to see them, what they are compared with, and how many of the first are searched anew.

    Pictures of the windows are moved, and drawn actions are those of the fresh searches where there are some.
    """
    stored, judge = windows, network
    if settings.picture_shift:
        shift_key, key = jax.random.split(key)
        windows = with_shifted_pictures(shift_key, windows, settings.picture_shift, whole=settings.shifts_targets)
    seen = with_memories(network, target_params, windows if settings.shifts_targets else stored)
    if settings.encodes_once:
        seen, judge = with_latents(network, target_params, seen), encoded(network)
    fresh = None if reanalyse is None else reanalyse(target_params, key, seen)
    seen = seen if fresh is None else with_fresh_policy(seen, fresh)
    targets = batch_targets(judge, settings, target_params, seen)
    if fresh is not None:
        value = with_fresh_value(targets.value, jnp.asarray(windows.is_step), fresh, fresh_value_weight)
        targets = targets._replace(value=value)
    if settings.reconstruction_weight:
        observation = jnp.asarray(stored.observation)[:, : settings.unroll + 1]
        targets = with_sketches(network, targets, observation, settings.reconstruction_unit)
    num_fresh = 0 if fresh is None else fresh.value.shape[0]
    return windows._replace(words=seen.words, visits=seen.visits), targets, num_fresh
