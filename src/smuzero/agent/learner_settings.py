"""How the network learns: the learner's settings and what they allow."""

import dataclasses
from typing import Literal

from smuzero.agent.losses import Losses
from smuzero.types import check_at_least


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
    entropy_floor: float | None = None
    """f, a share of the uniform policy's entropy H_u: the bonus then counts max(0, 1 - H / (f·H_u)), with H the mean of
    a batch's first steps, so that it holds the policy at f and says nothing above. None, A.1's, always counts it."""
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
        if self.entropy_floor is not None and not 0.0 < self.entropy_floor <= 1.0:
            raise ValueError(
                f"entropy_floor is {self.entropy_floor}, but must be above 0 and at most 1, the uniform policy's; None "
                "has a bonus without a floor."
            )
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
