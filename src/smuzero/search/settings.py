"""How one search is run; the defaults are those of Appendices A and D.

The defaults are the proposed modification of Section 5.1. The other values are
the paper's ablations and baselines, and what it names without trying it.
"""

import dataclasses
import typing
from typing import Literal


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """Settings of one search; every one is a compile-time constant, and an option that is off costs nothing."""

    num_samples: int = 20
    """Actions drawn from the proposal at every node (K in the paper)."""
    num_simulations: int = 50
    """Simulations, each of which adds one node (Appendix A); 0 leaves the evaluation of the root's actions alone."""
    enumerate_actions: bool = False
    """Hold every action at every node, with prior π: MuZero's own search. `num_samples` is not used then."""
    proposal: Literal["policy", "uniform"] = "policy"
    """What β is made from: "policy" is π^(1/τ), "uniform" gives all legal actions the same (Section 5.5)."""
    temperature: float = 1.0
    """τ of the proposal β = π^(1/τ) (Section 5.5)."""
    mixed_fraction: float = 0.0
    """m, the share of a second proposal: β = (1 - m)·β₁ + m·π^(1/τ₂), β₁ as above; 0 is β₁ alone (Section 5.5)."""
    mixed_temperature: float = 2.0
    """τ₂ of that second proposal; above 1 it is flatter than the policy."""
    prior: Literal["sampled", "policy", "policy_normalised"] = "sampled"
    """In the place of π in PUCT: "sampled" is π̂_β; "policy" is π itself (the naive modification of Section 5.1), and
    "policy_normalised" is π made to sum to 1 over a node's actions, as a density needs to be."""
    correct_backup: bool = False
    """Weigh a node's actions by (β̂/β)·N in place of N where its value is carried up: the rest of the naive
    modification (Section 5.1, inner policy evaluation). Meant for the priors that are not "sampled"."""
    evaluate_root: bool = True
    """Evaluate all sampled root actions before the first simulation (Appendix A); false is "no Q" of Figure 13."""
    root_lookahead: int = 1
    """Steps of the model by which each of them is evaluated: 1 is r + γv (Appendix A), further ones follow actions
    drawn from the policy, with the same random numbers for all actions of a root."""
    unvisited: Literal["minimum", "parent"] = "minimum"
    """Q of an action without an estimate: the tree's smallest, or its parent's value, the mean of the model's own
    and of all returns so far."""
    widening_start: int = 0
    """k₀ of progressive widening (Section 5.4): after N visits a node offers the first k₀·(N + 1)^α of its K draws,
    rounded up; 0 offers all of them from the start."""
    widening_exponent: float = 0.5
    """α of progressive widening, in [0, 1]."""
    two_player: bool = False
    """The model's discount is negative where the turn passes to the opponent. Values are the mover's (Section 6.1)."""
    noise_fraction: float = 0.25
    """ε, the share of noise in the root's π and β (Section 5.5); 0 for evaluation."""
    noise_scope: Literal["dimension", "action"] = "dimension"
    """What ε is a share of: "dimension" mixes it into every dimension by itself (the paper's words); "action" mixes in
    less, so that a share ε of all actions has noise in any of the A dimensions, 1 - (1 - ε)^(1/A) in each."""
    noise_concentration: float = 0.3
    """α of the root's Dirichlet noise."""
    c1: float = 1.25
    """Exploration constant of PUCT (Appendix D)."""
    c2: float = 19652.0
    """Visits at which exploration has grown by log 2 (Appendix D)."""
    min_value_range: float = 1e-2
    """Least difference of largest and smallest Q that counts as full scale, in units of value."""

    def __post_init__(self):
        for name, least in (("num_samples", 1), ("num_simulations", 0 if self.evaluate_root else 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, but a search needs at least {least}. "
                    "The paper uses 20 samples and 50 simulations for control."
                )
        if self.root_lookahead < 1:
            raise ValueError(f"root_lookahead is {self.root_lookahead}, but must be at least 1, which is the paper's.")
        for name in ("temperature", "mixed_temperature", "c1", "c2", "noise_concentration", "min_value_range"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be above 0.")
        for name, usual in (
            ("noise_fraction", "MuZero uses 0.25."),
            ("mixed_fraction", "0 draws from one proposal alone, as the paper does."),
            ("widening_exponent", "0.5 grows with the square root of the visits."),
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [0, 1]. {usual}")
        for name in ("proposal", "prior", "unvisited", "noise_scope"):
            known = typing.get_args(typing.get_type_hints(SearchSettings)[name])
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(known)}.")
        self._check_widening()

    def _check_widening(self):
        if self.widening_start < 0:
            raise ValueError(f"widening_start is {self.widening_start}, but must be 0 (no widening) or above.")
        if self.widening_start and (self.enumerate_actions or self.correct_backup):
            other = "enumerate_actions" if self.enumerate_actions else "correct_backup"
            raise ValueError(
                f"widening_start is {self.widening_start} and {other} is on, but widening needs draws that PUCT alone "
                "weighs. Set one of the two back."
            )

    def noise_in_each(self, num_dims: int) -> float:
        """The share of noise in each of so many dimensions."""
        if self.noise_scope == "dimension":
            return self.noise_fraction
        return 1 - (1 - self.noise_fraction) ** (1 / num_dims)

    @property
    def draws_weigh_alike(self) -> bool:
        """β = π cancels from (β̂/β)·π: π̂_β is the frequency of the draws."""
        is_policy = self.proposal == "policy" and self.temperature == 1
        is_policy = is_policy and (self.mixed_fraction == 0 or self.mixed_temperature == 1)
        return is_policy and self.prior == "sampled"

    @property
    def is_widening(self) -> bool:
        """Nodes offer fewer than all of their draws at first."""
        return 0 < self.widening_start < self.num_samples
