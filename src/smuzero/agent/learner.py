"""One update of the network from one batch of windows (Appendix A).

AdamW with a cosine schedule, a target network for the bootstraps, importance
weights from prioritised replay and new priorities for it. State goes in and
comes out; the whole update is one compiled function that reuses the memory of
the state it is given.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, ArrayLike, Float, Int, PRNGKeyArray

from smuzero.actions.distributions import Policy
from smuzero.agent.batches import with_targets
from smuzero.agent.compilation import compiler_options
from smuzero.agent.learner_settings import LearnerSettings
from smuzero.agent.losses import Losses, Predictions, shortfall, total_loss, unroll, window_losses
from smuzero.agent.memories import with_memories
from smuzero.agent.reanalyse import Reanalyse
from smuzero.agent.targets import Targets
from smuzero.networks.network import Network, Params
from smuzero.types import Windows


class LearnerState(NamedTuple):
    """All that the next update depends on, besides its batch."""

    params: Params
    target_params: Params
    opt_state: optax.OptState
    step: Int[Array, ""]
    """Updates made so far."""
    key: PRNGKeyArray
    """For the fresh searches of reanalysis; without them an update draws nothing."""


def acting_params(settings: LearnerSettings, state: LearnerState) -> Params:
    """What the agent acts by: the network, or the target network."""
    return state.target_params if settings.acts_by_target else state.params


Update = Callable[[LearnerState, Windows], tuple[LearnerState, dict[str, Array], Float[Array, " B"]]]


def learning_rate_schedule(settings: LearnerSettings) -> Callable[[ArrayLike], Array]:
    """lr = lr_init · ½(1 + cos(π · step / total_updates)), and 0 from there on (Appendix A).

    Or lr_init · 0.1^(step / decay_updates), as MuZero's for Atari.
    """
    if settings.schedule == "exponential":
        return lambda step: settings.learning_rate * 0.1 ** (jnp.asarray(step, jnp.float32) / settings.decay_updates)

    def schedule(step: ArrayLike) -> Array:
        share = jnp.minimum(jnp.asarray(step, jnp.float32) / settings.total_updates, 1.0)
        return settings.learning_rate * 0.5 * (1.0 + jnp.cos(jnp.pi * share))

    return schedule


def make_optimiser(settings: LearnerSettings) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Appendix A), or gradient descent with momentum and an L2 loss (MuZero)."""
    # Paper: silent on Adam's moments and epsilon. Here: 0.9, 0.999 and 1e-8, as Kingma & Ba.
    # Paper: silent on which parameters decay. Here: matrices only; scales and biases are not pulled to 0.
    # Paper: silent on whether the decay is multiplied by the initial learning rate. Here: as in optax, it is.
    schedule, decay = learning_rate_schedule(settings), settings.weight_decay
    if settings.optimiser == "adamw":
        steps: list[Any] = [optax.adamw(schedule, weight_decay=decay, mask=are_matrices)]
    else:
        steps = [optax.add_decayed_weights(decay, are_matrices), optax.sgd(schedule, momentum=0.9)]
    if settings.max_grad_norm is not None:
        steps.insert(0, optax.clip_by_global_norm(settings.max_grad_norm))
    return steps[0] if len(steps) == 1 else optax.chain(*steps)


def are_matrices(params: Params) -> Any:
    """For each array, whether it is one of weights rather than of scales or biases."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def init_learner(network: Network, settings: LearnerSettings, key: PRNGKeyArray) -> LearnerState:
    """A learner before its first update; the target network starts equal to the network."""
    params_key, key = jax.random.split(key)
    return _start(network.init(params_key), settings, key)


def learner_shapes(network: Network, settings: LearnerSettings) -> LearnerState:
    """A learner's state as shapes and dtypes, with nothing computed."""
    key = jax.random.key(0)
    params = jax.eval_shape(network.init, key) if network.shapes is None else network.shapes
    return jax.eval_shape(lambda params: _start(params, settings, key), params)


def _start(params: Params, settings: LearnerSettings, key: PRNGKeyArray) -> LearnerState:
    # Copies, since an update reuses its state's memory and must not be given one buffer twice.
    target_params = jax.tree.map(jnp.copy, params)
    return LearnerState(params, target_params, make_optimiser(settings).init(params), jnp.zeros((), jnp.int32), key)


def refresh_target(settings: LearnerSettings, target: Params, params: Params, step: Int[Array, ""]) -> Params:
    """The target network after update number `step`, counted from 1."""
    is_due = step % settings.target_period == 0
    rate = settings.target_rate

    def refresh(old: Array, new: Array) -> Array:
        moved = new if rate == 1.0 else old + rate * (new - old)
        return jnp.where(is_due, moved, old)

    return jax.tree.map(refresh, target, params)


def batch_loss(
    network: Network,
    policy: Policy,
    settings: LearnerSettings,
    params: Params,
    windows: Windows,
    targets: Targets,
) -> tuple[Float[Array, ""], tuple[Losses, Predictions]]:
    """The loss of a batch, its terms per window, and the predictions they judge."""

    def one(window: Windows, target: Targets) -> tuple[Losses, Predictions]:
        predictions = unroll(network, params, window.observation[0], jnp.asarray(window.action))
        return window_losses(network, policy, predictions, target, jnp.asarray(window.words)), predictions

    windows = with_memories(network, params, windows, num_rows=1)
    losses, predictions = jax.vmap(one)(windows, targets)
    weights = settings.loss_weights
    if settings.entropy_floor is not None:
        logits = predictions.policy_logits[:, 0]
        uniform = policy.entropy(jnp.zeros_like(logits[0]))
        missing = shortfall(jax.vmap(policy.entropy)(logits), settings.entropy_floor * uniform)
        weights = weights._replace(entropy=weights.entropy * missing)
    return total_loss(losses, weights, jnp.asarray(windows.weight)), (losses, predictions)


def make_update(
    network: Network,
    policy: Policy,
    settings: LearnerSettings,
    reanalyse: Reanalyse | None = None,
    fresh_value_weight: float = 0.0,
) -> Update:
    """The compiled update: (state, windows) -> (state, metrics, priorities).

    The given state's memory is reused: keep the returned one. Priorities are
    |ν − z| of each window's first step (MuZero), with ν the value that the search
    found when the step was played; where it was searched anew by `reanalyse`, ν
    is the network's. Windows must be cut for the settings' `unroll` and `reach`.
    """
    optimiser, schedule = make_optimiser(settings), learning_rate_schedule(settings)

    def update(state: LearnerState, windows: Windows) -> tuple[LearnerState, dict[str, Array], Array]:
        check_windows(windows, settings)
        target_key, key = jax.random.split(state.key)
        windows, targets, num_fresh = with_targets(
            network, settings, reanalyse, fresh_value_weight, state.target_params, target_key, windows
        )

        params = state.params
        if network.follow is not None:
            params = network.follow(params, jnp.asarray(windows.observation)[:, 0], state.step)

        def loss(params: Params) -> tuple[Array, tuple[Losses, Predictions]]:
            return batch_loss(network, policy, settings, params, windows, targets)

        (total, (losses, predictions)), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        # Optax mixes integers and floats; where promotion is strict, it is meant for our own code.
        with jax.numpy_dtype_promotion("standard"):
            change, opt_state = optimiser.update(gradient, state.opt_state, params)
        params = optax.apply_updates(params, change)
        step = state.step + 1
        target_params = refresh_target(settings, state.target_params, params, step)
        metrics = {
            "loss/total": total,
            **summarise(network, policy, losses, predictions, targets),
            "learner/gradient_norm": length(gradient),
            "learner/learning_rate": schedule(state.step),
        }
        root_value = jnp.asarray(windows.root_value)[:, 0]
        root_value = root_value.at[:num_fresh].set(root_values(network, predictions)[:num_fresh])
        priorities = jnp.abs(root_value - targets.value[:, 0])
        return LearnerState(params, target_params, opt_state, step, key), metrics, priorities

    return jax.jit(update, donate_argnums=0, compiler_options=compiler_options(network.matmul_precision))


def length(tree: Params) -> Float[Array, ""]:
    """The Euclidean norm of all numbers of a tree."""
    return jnp.sqrt(jnp.sum(jnp.stack([jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(tree)])))


def summarise(
    network: Network, policy: Policy, losses: Losses, predictions: Predictions, targets: Targets
) -> dict[str, Array]:
    """What to log of a batch: unweighted losses, and the root's policy and value."""
    return {
        "loss/policy": jnp.mean(losses.policy),
        "loss/value": jnp.mean(losses.value),
        "loss/reward": jnp.mean(losses.reward),
        "loss/consistency": jnp.mean(losses.consistency),
        "loss/reconstruction": jnp.mean(losses.reconstruction),
        "policy/entropy": jnp.mean(jax.vmap(policy.entropy)(predictions.policy_logits[:, 0])),
        "value/mean": jnp.mean(root_values(network, predictions)),
        "value/target_mean": jnp.mean(targets.value[:, 0]),
    }


def root_values(network: Network, predictions: Predictions) -> Float[Array, " B"]:
    """The network's values of the windows' first steps, in environment units."""
    return jax.vmap(network.value_support.decode)(predictions.value_logits[:, 0])


def check_windows(windows: Windows, settings: LearnerSettings) -> None:
    """Raise where a batch was cut for another unroll or n."""
    given = windows.action.shape[1], windows.reward.shape[1]
    needed = settings.unroll, settings.unroll + settings.reach
    if given != needed:
        raise ValueError(
            f"The windows hold {given[0]} actions and {given[1]} rewards, but unroll {settings.unroll} and "
            f"n_step {settings.n_step} need {needed[0]} and {needed[1]} (with {settings.num_bootstraps} bootstraps). "
            "Sample them with the learner's settings, `reach` steps behind the unroll."
        )
