"""One update of the network from one batch of windows (Appendix A).

AdamW with a cosine schedule, a target network for the bootstraps, importance
weights from prioritised replay and new priorities for it. State goes in and
comes out; the whole update is one compiled function that reuses the memory of
the state it is given.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, ArrayLike, Float, Int, PRNGKeyArray

from smuzero.actions.distributions import Policy
from smuzero.agent.compilation import compiler_options
from smuzero.agent.encoded import encoded, with_latents
from smuzero.agent.losses import Losses, Predictions, total_loss, unroll, window_losses
from smuzero.agent.memories import with_memories
from smuzero.agent.reanalyse import Reanalyse, with_fresh_policy, with_fresh_value
from smuzero.agent.shifted import with_shifted_pictures
from smuzero.agent.sketches import sketches, whitened
from smuzero.agent.targets import Targets, averaged_targets, bootstrap_values, latent_targets, make_targets
from smuzero.networks.model import Network, Params
from smuzero.types import Windows, check_at_least


@dataclasses.dataclass(frozen=True)
class LearnerSettings:
    """How the network learns; the defaults are those of Appendix A, and MuZero's where it is silent."""

    batch_size: int = 1024
    """Windows per update."""
    unroll: int = 5
    """Steps the model is unrolled for (U)."""
    n_step: int = 5
    """Rewards in a value target before it is bootstrapped (n)."""
    num_bootstraps: int = 1
    """Consecutive states, from index n on, whose values' mean a return is bootstrapped from; 4 in Go (Appendix B)."""
    recall_steps: int = 8
    """Steps that an LSTM is backpropagated through, up to a window's first; without one they mean nothing."""
    discount: float = 0.99
    """γ per environment step."""
    learning_rate: float = 1e-4
    """Before the first update."""
    schedule: Literal["cosine", "exponential"] = "cosine"
    """Half a cosine (Appendix A), or a tenth for every `decay_updates` (MuZero's for Atari)."""
    total_updates: int = 1_000_000
    """Updates after which the learning rate is 0, with the cosine."""
    decay_updates: int = 350_000
    """Updates in which an exponential schedule falls to a tenth."""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    """Adam with decoupled weight decay (Appendix A), or gradient descent with a momentum of 0.9 (MuZero's)."""
    weight_decay: float = 2e-5
    """Decay of the weight matrices, times the learning rate; with `sgd` it enters the momentum, as a loss would."""
    max_grad_norm: float | None = None
    """Longer gradients are shortened to this norm; None never does."""
    # Paper: silent on the weights of the terms. Here: 1 each, as MuZero has them without Reanalyse.
    policy_weight: float = 1.0
    value_weight: float = 1.0
    reward_weight: float = 1.0
    entropy_weight: float = 0.0
    """Bonus for the policy's entropy; A.1 uses 5e-3 with a Gaussian policy, 0 otherwise."""
    consistency_weight: float = 0.0
    """Pull of unrolled states towards the target network's states of the observations met there; 0 is the paper's."""
    reconstruction_weight: float = 0.0
    """Of having the states say what was observed (`smuzero.networks.reconstruction`); 0 is the paper's."""
    reconstruction_unit: Literal["brightness", "variance"] = "brightness"
    """What an error of that is measured in: as it is, or in each number's own variance over the batch, so that what is
    small and moves counts as what is large; the loss is then the share of the variance that states do not explain."""
    picture_shift: int = 0
    """Points by which pictures are moved at random before they are learned from; 0, the paper's, moves none."""
    shifts_targets: bool = True
    """Targets are of moved pictures as well; else of pictures as they are, which is a seventh of the work."""
    encodes_once: bool = False
    """The target network encodes every observation of a window once, for all that targets are made of: less work where
    most of them are needed by several, as with consistency and fresh searches. For latents that are one array."""
    # Paper: silent on how often the target network is refreshed. Here: as often as MuZero's.
    target_period: int = 1000
    """Updates between two refreshments of the target network (MuZero's checkpoint interval)."""
    target_rate: float = 1.0
    """Share of the way the target goes to the network at a refreshment: 1 copies it. A moving average is
    a period of 1 with a small rate, such as 0.05."""
    acts_by_target: bool = False
    """Act and be evaluated by the target network: as a moving average it lacks the noise of the last updates."""

    def __post_init__(self):
        check_at_least(self, batch_size=1, unroll=1, n_step=1, num_bootstraps=1, recall_steps=1, picture_shift=0)
        check_at_least(self, total_updates=1, decay_updates=1, target_period=1)
        choices = (
            ("schedule", ("cosine", "exponential")),
            ("optimiser", ("adamw", "sgd")),
            ("reconstruction_unit", ("brightness", "variance")),
        )
        for name, known in choices:
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, but can be {' or '.join(map(repr, known))}.")
        for name in ("discount", "target_rate"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be above 0 and at most 1.")
        if self.max_grad_norm is not None and self.max_grad_norm <= 0:
            raise ValueError(f"max_grad_norm is {self.max_grad_norm}, but must be above 0; None turns it off.")

    @property
    def reach(self) -> int:
        """Rows behind a step that its target looks at: n, and one for every further bootstrap."""
        return self.n_step + self.num_bootstraps - 1

    @property
    def loss_weights(self) -> Losses:
        weights = (
            self.policy_weight,
            self.value_weight,
            self.reward_weight,
            self.entropy_weight,
            self.consistency_weight,
            self.reconstruction_weight,
        )
        return Losses(*weights)  # pyright: ignore[reportArgumentType]  (plain numbers, one per term)


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
    sketch_weight: Float[Array, ""] | None = None,
) -> tuple[Float[Array, ""], tuple[Losses, Predictions]]:
    """The loss of a batch, its terms per window, and the predictions they judge."""

    def one(window: Windows, target: Targets) -> tuple[Losses, Predictions]:
        predictions = unroll(network, params, window.observation[0], jnp.asarray(window.action))
        words = jnp.asarray(window.words)
        return window_losses(network, policy, predictions, target, words, sketch_weight), predictions

    windows = with_memories(network, params, windows, num_rows=1)
    losses, predictions = jax.vmap(one)(windows, targets)
    return total_loss(losses, settings.loss_weights, jnp.asarray(windows.weight)), (losses, predictions)


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
    judge = encoded(network) if settings.encodes_once else network

    def update(state: LearnerState, windows: Windows) -> tuple[LearnerState, dict[str, Array], Array]:
        check_windows(windows, settings)
        observed = windows.observation
        search_key, key = jax.random.split(state.key)
        unmoved = windows
        if settings.picture_shift:
            shift_key, key = jax.random.split(key)
            windows = with_shifted_pictures(shift_key, windows, settings.picture_shift, whole=settings.shifts_targets)
        seen = with_memories(network, state.target_params, windows if settings.shifts_targets else unmoved)
        if settings.encodes_once:
            seen = with_latents(network, state.target_params, seen)
        fresh = None if reanalyse is None else reanalyse(state.target_params, search_key, seen)
        seen = seen if fresh is None else with_fresh_policy(seen, fresh)
        targets = batch_targets(judge, settings, state.target_params, seen)
        if settings.reconstruction_weight:
            targets = targets._replace(sketch=sketches(network, jnp.asarray(observed)[:, : settings.unroll + 1]))
        sketch_weight = None
        if targets.sketch is not None and settings.reconstruction_unit == "variance":
            sketch, sketch_weight = whitened(targets.sketch)
            targets = targets._replace(sketch=sketch)
        windows = windows._replace(words=seen.words, visits=seen.visits)
        if fresh is not None:
            value = with_fresh_value(targets.value, jnp.asarray(windows.is_step), fresh, fresh_value_weight)
            targets = targets._replace(value=value)

        def loss(params: Params) -> tuple[Array, tuple[Losses, Predictions]]:
            return batch_loss(network, policy, settings, params, windows, targets, sketch_weight)

        (total, (losses, predictions)), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
        # Optax mixes integers and floats; where promotion is strict, it is meant for our own code.
        with jax.numpy_dtype_promotion("standard"):
            change, opt_state = optimiser.update(gradient, state.opt_state, state.params)
        params: Any = optax.apply_updates(state.params, change)
        step = state.step + 1
        target_params = refresh_target(settings, state.target_params, params, step)
        metrics = {
            "loss/total": total,
            **summarise(network, policy, losses, predictions, targets),
            "learner/gradient_norm": length(gradient),
            "learner/learning_rate": schedule(state.step),
        }
        root_value = jnp.asarray(windows.root_value)[:, 0]
        if fresh is not None:
            num_fresh = fresh.value.shape[0]
            root_value = root_value.at[:num_fresh].set(root_values(network, predictions)[:num_fresh])
        priorities = jnp.abs(root_value - targets.value[:, 0])
        return LearnerState(params, target_params, opt_state, step, key), metrics, priorities

    return jax.jit(update, donate_argnums=0, compiler_options=compiler_options())


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
