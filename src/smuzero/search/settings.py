"""How one search is run; the defaults are those of Appendices A and D."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """Settings of one search; every one is a compile-time constant."""

    num_samples: int = 20
    """Actions drawn from the proposal at every node (K in the paper)."""
    num_simulations: int = 50
    """Simulations, each of which adds one node (Appendix A)."""
    enumerate_actions: bool = False
    """Hold every action at every node, with prior π: MuZero's own search. `num_samples` is not used then."""
    temperature: float = 1.0
    """τ of the proposal β = π^(1/τ) (Section 5.5)."""
    evaluate_root: bool = True
    """Evaluate all sampled root actions before the first simulation (Appendix A)."""
    noise_fraction: float = 0.25
    """ε, the share of noise in the root's π and β (Section 5.5); 0 for evaluation."""
    noise_concentration: float = 0.3
    """α of the root's Dirichlet noise."""
    c1: float = 1.25
    """Exploration constant of PUCT (Appendix D)."""
    c2: float = 19652.0
    """Visits at which exploration has grown by log 2 (Appendix D)."""
    min_value_range: float = 1e-2
    """Least difference of largest and smallest Q that counts as full scale, in units of value."""

    def __post_init__(self):
        at_least = (("num_samples", 1), ("num_simulations", 1))
        for name, least in at_least:
            given = getattr(self, name)
            if given < least:
                raise ValueError(
                    f"{name} is {given}, but a search needs at least {least}. "
                    "The paper uses 20 samples and 50 simulations for control."
                )
        for name in ("temperature", "c1", "c2", "noise_concentration", "min_value_range"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be above 0.")
        if not 0 <= self.noise_fraction <= 1:
            raise ValueError(f"noise_fraction is {self.noise_fraction}, but must lie in [0, 1]. MuZero uses 0.25.")
