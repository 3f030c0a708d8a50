"""MuZero's loss over an unrolled model, with Sampled MuZero's policy term (Section 5.3, Appendix A).

From the first observation of a window the model is unrolled along the stored
actions. Policy, value and reward are compared with their targets by cross
entropy at every step. As in MuZero, the loss of each unrolled step counts 1/U
and the gradient is halved where a latent enters the dynamics, so that the total
gradient neither grows with U nor with depth.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num, UInt32

from smuzero.actions.distributions import Policy
from smuzero.agent.targets import Targets
from smuzero.networks.network import Network, Params


class Predictions(NamedTuple):
    """What the model says at the root and after each of U actions of one window."""

    policy_logits: Float[Array, "U+1 P"]
    value_logits: Float[Array, "U+1 M"]
    reward_logits: Float[Array, "U M"]
    latents: Any
    """Pytree of `[U+1, ...]`: the unrolled states."""
    sketch: Float[Array, "U+1 size"] | None = None
    """What they say was observed; None from a network that does not say."""


class Losses(NamedTuple):
    """The terms of the loss, each unweighted."""

    policy: Float[Array, "*batch"]
    value: Float[Array, "*batch"]
    reward: Float[Array, "*batch"]
    entropy: Float[Array, "*batch"]
    """The policy's negative entropy: to be added, as every loss is."""
    consistency: Float[Array, "*batch"]
    """Squared distance of an unrolled state from what the target network makes of the observation met there."""
    reconstruction: Float[Array, "*batch"]
    """Squared distance of what the states say was observed from what was."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def scale_gradient(x: Float[Array, "*shape"], scale: float) -> Float[Array, "*shape"]:
    """x, unchanged; its gradient is multiplied by `scale` on the way back."""
    return x


def _scale_gradient_forward(x: Array, scale: float) -> tuple[Array, None]:
    return x, None


def _scale_gradient_backward(scale: float, _: None, gradient: Array) -> tuple[Array]:
    return (scale * gradient,)


scale_gradient.defvjp(_scale_gradient_forward, _scale_gradient_backward)


def unroll(network: Network, params: Params, observation: Num[Array, "..."], actions: Num[Array, "U A"]) -> Predictions:
    """The model's predictions along U actions taken from one observation."""
    latents, reward_logits = [network.represent(params, observation)], []
    # A Python loop, since U is small: a scan was measured, and is quicker neither to run nor to compile.
    for action in actions:
        latent, reward = network.dynamics(params, scale_gradient(latents[-1], 0.5), action)
        latents.append(latent)
        reward_logits.append(reward)
    # All steps at once: one large product in place of U + 1 small ones.
    latents = jax.tree.map(lambda *steps: jnp.stack(steps), *latents)
    policy_logits, value_logits = jax.vmap(network.predict, in_axes=(None, 0))(params, latents)
    sketch = None if network.reconstruct is None else jax.vmap(network.reconstruct, in_axes=(None, 0))(params, latents)
    return Predictions(policy_logits, value_logits, jnp.stack(reward_logits), latents, sketch)


def cross_entropy(probs: Float[Array, " M"], logits: Float[Array, " M"]) -> Float[Array, ""]:
    """−Σ p log q, with q the softmax of the logits."""
    return -jnp.dot(probs, jax.nn.log_softmax(logits))


def policy_loss(
    policy: Policy, logits: Float[Array, " P"], words: UInt32[Array, "K W"], target: Float[Array, " K"]
) -> Float[Array, ""]:
    """−Σ_k p_k log π(a_k): cross entropy of the root's visits with π at the sampled actions (Section 5.3)."""
    log_probs = policy.log_prob_words(logits, words)
    # An empty slot's action may have probability 0, and 0 · −inf is not 0.
    return -jnp.sum(target * jnp.where(target > 0, log_probs, 0.0))


def consistency_loss(latents: Any, target: Any, mask: Float[Array, " U"]) -> Float[Array, ""]:
    """Mean squared distance of the U unrolled states from their targets, a mean over entries and steps.

    Not the paper's: it names what the model is to predict by what was observed,
    which tells actions apart long before values do.
    """

    def distance(unrolled: Array, wanted: Array) -> Array:
        square = jnp.square(unrolled[1:] - wanted)
        return jnp.mean(square.reshape(square.shape[0], -1), axis=-1)

    return jnp.mean(mask * functools.reduce(jnp.add, jax.tree.leaves(jax.tree.map(distance, latents, target))))


def reconstruction_losses(
    said: Float[Array, "S size"], seen: Float[Array, "S size"], weight: Float[Array, ""] | None = None
) -> Float[Array, " S"]:
    """w · ½ Σ_i (x̂_i − x_i)² of each step, with w = 1 where none is given. Not the paper's.

    That is −log of a Gaussian of variance 1 / w, up to a constant.
    """
    half = 0.5 * jnp.sum(jnp.square(said - seen), axis=-1)
    return half if weight is None else weight * half


def shortfall(entropies: Float[Array, " B"], floor: float | Float[Array, ""]) -> Float[Array, ""]:
    """max(0, 1 − H / H_min): how far the mean entropy is below a floor, as a share of it; without a gradient.

    Not the paper's. As the weight of a bonus it holds a whole batch, and not each of its states, at the floor.
    """
    return jax.lax.stop_gradient(jnp.maximum(0.0, 1.0 - jnp.mean(entropies) / floor))


def window_losses(
    network: Network,
    policy: Policy,
    predictions: Predictions,
    targets: Targets,
    words: UInt32[Array, "S K W"],
) -> Losses:
    """The terms of one window of S = U + 1 steps: the root's loss plus the mean over U, masked steps as 0."""
    num_unroll = targets.reward.shape[0]
    scale = jnp.full(num_unroll + 1, 1.0 / num_unroll).at[0].set(1.0)
    value_probs = jax.vmap(network.value_support.encode)(targets.value)
    reward_probs = jax.vmap(network.reward_support.encode)(targets.reward)
    policy_losses = jax.vmap(functools.partial(policy_loss, policy))(predictions.policy_logits, words, targets.policy)
    value_losses = jax.vmap(cross_entropy)(value_probs, predictions.value_logits)
    reward_losses = jax.vmap(cross_entropy)(reward_probs, predictions.reward_logits)
    entropies = jax.vmap(policy.entropy)(predictions.policy_logits)
    return Losses(
        policy=jnp.dot(scale * targets.policy_mask, policy_losses),
        value=jnp.dot(scale * targets.value_mask, value_losses),
        reward=jnp.dot(scale[1:] * targets.reward_mask, reward_losses),
        entropy=-jnp.dot(scale * targets.policy_mask, entropies),
        consistency=(
            jnp.zeros(())
            if targets.latent is None
            else consistency_loss(predictions.latents, targets.latent, targets.latent_mask)
        ),
        reconstruction=(
            jnp.zeros(())
            if targets.sketch is None or predictions.sketch is None
            else jnp.dot(
                scale * jnp.concatenate([jnp.ones(1), targets.latent_mask]),
                reconstruction_losses(predictions.sketch, targets.sketch, targets.sketch_weight),
            )
        ),
    )


def total_loss(losses: Losses, weights: Losses, importance: Float[Array, " B"]) -> Float[Array, ""]:
    """The one number that is minimised: terms weighted, then windows by their importance in prioritised replay."""
    weighted = [weight * term for weight, term in zip(weights, losses, strict=True)]
    return jnp.mean(importance * functools.reduce(jnp.add, weighted))
