"""Observations of a batch encoded once, for all that targets are made of (`learner.encodes_once`).

The target network's states then stand in for the observations, so that bootstraps, fresh searches and latent
targets need not know.
"""

import dataclasses

import jax
import jax.numpy as jnp

from smuzero.networks.network import Network, Params
from smuzero.types import Windows


def with_latents(network: Network, params: Params, windows: Windows) -> Windows:
    """The windows with the network's states in place of observations, for a network that is `encoded`."""
    observation = jnp.asarray(windows.observation)
    rows = observation.reshape(-1, *observation.shape[2:])
    latents = jax.vmap(network.represent, in_axes=(None, 0))(params, rows)
    return windows._replace(observation=latents.reshape(*observation.shape[:2], *latents.shape[1:]))


def encoded(network: Network) -> Network:
    """The network for windows whose observations are its states already."""
    return dataclasses.replace(network, represent=lambda _, latent: latent)
