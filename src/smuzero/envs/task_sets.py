"""Which of the control suite's tasks make up the paper's sets (Section 6.3, Appendix A).

What each assignment rests on:

`dreamer20`
    Table 2 of the paper, which names all 20 tasks.
`manipulator`
    Section 6.3 speaks of "the manipulator tasks"; taken to be all tasks of the suite's manipulator domain.
`easy`, `medium`, `hard`
    Figure 7 groups its tasks "as proposed by (Hoffman et al., 2020)", but the paper's text does not name them.
    Hoffman et al. (Acme) draw the suite's benchmarking tasks in groups called trivial, easy and medium,
    which `easy` (the first two together) and `medium` follow as their figures are described elsewhere; `hard` is what
    those groups leave of `dm_control.suite.BENCHMARKING`, without the manipulator. Section 6.3 confirms one of them:
    humanoid.run is in "the most difficult hard and manipulator categories". The paper's own sets may differ in a task
    or two (tasks outside the benchmarking set, such as those of quadruped and dog, are in none of the three).
"""

EASY = (
    "ball_in_cup.catch",
    "cartpole.balance",
    "cartpole.balance_sparse",
    "cartpole.swingup",
    "cartpole.swingup_sparse",
    "finger.turn_easy",
    "hopper.stand",
    "pendulum.swingup",
    "point_mass.easy",
    "reacher.easy",
    "reacher.hard",
    "swimmer.swimmer6",
    "walker.stand",
    "walker.walk",
)
MEDIUM = (
    "cheetah.run",
    "finger.spin",
    "finger.turn_hard",
    "fish.swim",
    "fish.upright",
    "swimmer.swimmer15",
    "walker.run",
)
HARD = (
    "acrobot.swingup",
    "acrobot.swingup_sparse",
    "hopper.hop",
    "humanoid.run",
    "humanoid.stand",
    "humanoid.walk",
)
MANIPULATOR = (
    "manipulator.bring_ball",
    "manipulator.bring_peg",
    "manipulator.insert_ball",
    "manipulator.insert_peg",
)
DREAMER20 = (
    "acrobot.swingup",
    "ball_in_cup.catch",
    "cartpole.balance",
    "cartpole.balance_sparse",
    "cartpole.swingup",
    "cartpole.swingup_sparse",
    "cheetah.run",
    "finger.spin",
    "finger.turn_easy",
    "finger.turn_hard",
    "hopper.hop",
    "hopper.stand",
    "pendulum.swingup",
    "quadruped.run",
    "quadruped.walk",
    "reacher.easy",
    "reacher.hard",
    "walker.run",
    "walker.stand",
    "walker.walk",
)

# Paper: silent on the tasks of Figure 7's easy, medium and hard. Here: Acme's groups; see above.
TASK_SETS: dict[str, tuple[str, ...]] = {
    "easy": EASY,
    "medium": MEDIUM,
    "hard": HARD,
    "manipulator": MANIPULATOR,
    "dreamer20": DREAMER20,
}
"""`domain.task` names by the name of their set."""


def tags(task: str) -> tuple[str, ...]:
    """The sets that `domain.task` belongs to."""
    return tuple(name for name, tasks in TASK_SETS.items() if task in tasks)
