"""The rewards and observations of ten suite domains, computed from MuJoCo's own arrays.

dm_control spends most of a step of a small model outside the physics: named
indexing, ordered dictionaries, NumPy on single numbers. A kernel here reads views
of the same arrays, found once when the environment is made, and writes the same
formulas in plain floats. The physics itself is untouched, so states are equal bit
for bit; rewards are equal to rounding (the tests hold 1e-9 over whole episodes).

Each function below is one domain: it takes dm_control's physics and task, and says
how to observe and how to reward. A domain without one is stepped by dm_control.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

Observe = Callable[[], Float32[np.ndarray, " D"]]
Reward = Callable[[], float]

_FLOAT32 = np.dtype(np.float32)
# Columns of a body's rotation matrix as MuJoCo stores it; [ZZ::-6] is the pair zz, xz, as a view.
_XX, _XZ, _ZX, _ZZ = 0, 2, 6, 8


class Kernel(NamedTuple):
    """What to show and what to pay for the state that the physics is in."""

    observe: Observe
    reward: Reward


def kernel_for(domain: str, physics: Any, task: Any) -> Kernel | None:
    """The kernel of one task of the suite; None where there is none."""
    build = KERNELS.get(domain)
    return build(physics, task) if build else None


def cartpole(physics: Any, task: Any) -> Kernel:
    """Upright, centred, slow poles with little control; or all of it within narrow bounds."""
    data = physics.data
    poles, cart = data.xmat[2:, _ZZ::-6], data.qpos[_joint(physics, "slider") :][:1]
    cosines, velocities, control = data.xmat[2:, _ZZ], data.qvel[1:], data.ctrl
    in_range, upright = tolerance(*task._CART_RANGE), tolerance(*task._ANGLE_COSINE_RANGE)
    centred, slow = tolerance(margin=2), tolerance(margin=5)
    effortless = tolerance(margin=1, sigmoid="quadratic", value_at_margin=0)

    def sparse() -> float:
        return in_range(cart.item()) * math.prod(map(upright, cosines.tolist()))

    def smooth() -> float:
        upright = (sum(cosines.tolist()) / len(cosines) + 1) / 2
        control_cost = (4 + effortless(control.item(0))) / 5
        velocity_cost = (1 + min(map(slow, velocities.tolist()))) / 2
        return upright * control_cost * velocity_cost * (1 + centred(cart.item())) / 2

    return Kernel(concatenated(cart, poles, data.qvel), sparse if task._sparse else smooth)


def cheetah(physics: Any, task: Any) -> Kernel:
    """Speed, up to 10 m/s."""
    data, speed = physics.data, _sensor(physics, "torso_subtreelinvel")[:1]
    fast = tolerance(10, math.inf, margin=10, sigmoid="linear", value_at_margin=0)
    return Kernel(concatenated(data.qpos[1:], data.qvel), lambda: fast(speed.item()))


def walker(physics: Any, task: Any) -> Kernel:
    """Standing, times speed where the task asks for any."""
    data, torso, target = physics.data, _body(physics, "torso"), task._move_speed
    height, vertical = data.xpos[torso, 2:], data.xmat[torso, _ZZ:]
    speed = _sensor(physics, "torso_subtreelinvel")
    tall = tolerance(1.2, math.inf, margin=0.6)
    fast = tolerance(target, math.inf, margin=target / 2, sigmoid="linear", value_at_margin=0.5)

    def stand() -> float:
        return (3 * tall(height.item()) + (1 + vertical.item()) / 2) / 4

    def move() -> float:
        return stand() * (5 * fast(speed.item(0)) + 1) / 6

    orientations = data.xmat[1:, _XX : _XZ + 1 : 2]
    return Kernel(concatenated(orientations, height, data.qvel), move if target else stand)


def humanoid(physics: Any, task: Any) -> Kernel:
    """Standing with little control, times speed in any horizontal direction, or times keeping still."""
    data, torso, target = physics.data, _body(physics, "torso"), task._move_speed
    places, frame = data.xpos, data.xmat[torso].reshape(3, 3)
    head, place = places[_body(physics, "head"), 2:], places[torso]
    velocity, control, vertical = _sensor(physics, "torso_subtreelinvel"), data.ctrl, data.xmat[torso, _ZZ:]
    tall = tolerance(1.4, math.inf, margin=0.35)
    upright = tolerance(0.9, math.inf, margin=1.9, sigmoid="linear", value_at_margin=0)
    still = tolerance(margin=2)
    fast = tolerance(target, math.inf, margin=target, sigmoid="linear", value_at_margin=0)

    def stand() -> float:
        squares = np.minimum(control * control, 1.0)  # 1 − u², and 0 outside [−1, 1]
        control_cost = (4 + 1 - squares.mean().item()) / 5
        return control_cost * tall(head.item()) * upright(vertical.item())

    def keep_still() -> float:
        return stand() * (still(velocity.item(0)) + still(velocity.item(1))) / 2

    def move() -> float:
        return stand() * (5 * fast(math.hypot(velocity.item(0), velocity.item(1))) + 1) / 6

    limbs = [_body(physics, side + limb) for side in ("left_", "right_") for limb in ("hand", "foot")]
    before, after = (data.qpos[7:], head), (data.xmat[torso, _ZX:], velocity, data.qvel)

    def observe() -> Float32[np.ndarray, " D"]:
        extremities = (places[limbs] - place) @ frame
        return _concatenate((*before, extremities, *after), None, dtype=_FLOAT32)

    pure = concatenated(data.qpos, data.qvel)
    return Kernel(pure if task._pure_state else observe, move if target else keep_still)


def hopper(physics: Any, task: Any) -> Kernel:
    """Standing, times speed or times little control."""
    data, torso, foot = physics.data, _body(physics, "torso"), _body(physics, "foot")
    top, bottom, control = data.xipos[torso, 2:], data.xipos[foot, 2:], data.ctrl
    speed, touch = _sensor(physics, "torso_subtreelinvel"), _sensors(physics, "touch_toe", "touch_heel")
    tall, fast = tolerance(0.6, 2), tolerance(2, math.inf, margin=1, sigmoid="linear", value_at_margin=0.5)
    effortless = tolerance(margin=1, sigmoid="quadratic", value_at_margin=0)
    position, velocity = data.qpos[1:], data.qvel

    def hop() -> float:
        return tall(top.item() - bottom.item()) * fast(speed.item(0))

    def stand() -> float:
        control_cost = (4 + sum(map(effortless, control.tolist())) / len(control)) / 5
        return tall(top.item() - bottom.item()) * control_cost

    def observe() -> Float32[np.ndarray, " D"]:
        return _concatenate((position, velocity, np.log1p(touch())), None, dtype=_FLOAT32)

    return Kernel(observe, hop if task._hopping else stand)


def pendulum(physics: Any, task: Any) -> Kernel:
    """Within 8 degrees of upright."""
    pole = physics.data.xmat[_body(physics, "pole")]
    upright = tolerance(math.cos(math.radians(8)), 1)
    return Kernel(concatenated(pole[_ZZ::-6], physics.data.qvel), lambda: upright(pole.item(_ZZ)))


def reacher(physics: Any, task: Any) -> Kernel:
    """The finger touches the target."""
    data, sizes = physics.data, physics.model.geom_size
    target, finger = _geom(physics, "target"), _geom(physics, "finger")
    goal, tip = data.geom_xpos[target, :2], data.geom_xpos[finger, :2]
    position, velocity = data.qpos, data.qvel

    def reward() -> float:
        distance = math.hypot(goal.item(0) - tip.item(0), goal.item(1) - tip.item(1))
        return float(distance <= sizes.item(target, 0) + sizes.item(finger, 0))

    def observe() -> Float32[np.ndarray, " D"]:
        return _concatenate((position, goal - tip, velocity), None, dtype=_FLOAT32)

    return Kernel(observe, reward)


def finger(physics: Any, task: Any) -> Kernel:
    """The spinner turns fast; or its tip is at the target."""
    hinge, tip, spinner, goal = (_sensor(physics, name) for name in ("hinge_velocity", "tip", "spinner", "target"))
    joints = _sensors(physics, "proximal", "distal")
    velocities = _sensors(physics, "proximal_velocity", "distal_velocity", "hinge_velocity")
    touch, radius = _sensors(physics, "touchtop", "touchbottom"), physics.model.site_size[_site(physics, "target"), :1]

    def spin() -> float:
        return float(hinge.item() <= -15)

    def distance() -> float:
        return math.hypot(goal.item(0) - tip.item(0), goal.item(2) - tip.item(2)) - radius.item()

    def spinning() -> Float32[np.ndarray, " D"]:
        parts = (joints(), (tip - spinner)[::2], velocities(), np.log1p(touch()))
        return _concatenate(parts, None, dtype=_FLOAT32)

    def turning() -> Float32[np.ndarray, " D"]:
        return _concatenate((spinning(), (goal - spinner)[::2], (distance(),)), None, dtype=_FLOAT32)

    turns = hasattr(task, "_target_radius")
    return Kernel(turning, lambda: float(distance() <= 0)) if turns else Kernel(spinning, spin)


def ball_in_cup(physics: Any, task: Any) -> Kernel:
    """The ball is in the cup."""
    data, target = physics.data, _site(physics, "target")
    cup, ball, room = data.site_xpos[target], data.xpos[_body(physics, "ball")], physics.model.site_size[target]
    radius = physics.model.geom_size[_geom(physics, "ball"), :1]

    def reward() -> float:
        size = radius.item()
        return float(all(abs(cup.item(axis) - ball.item(axis)) < room.item(axis) - size for axis in (0, 2)))

    return Kernel(concatenated(data.qpos, data.qvel), reward)


def acrobot(physics: Any, task: Any) -> Kernel:
    """The tip is near the target."""
    data, target = physics.data, _site(physics, "target")
    goal, tip = data.site_xpos[target], data.site_xpos[_site(physics, "tip")]
    near = tolerance(0, physics.model.site_size.item(target, 0), margin=0 if task._sparse else 1)
    arms = [data.xmat[_body(physics, name)] for name in ("upper_arm", "lower_arm")]
    orientations = [arm[axis : axis + 1] for axis in (_XZ, _ZZ) for arm in arms]
    return Kernel(
        concatenated(*orientations, data.qvel),
        lambda: near(math.sqrt(sum((g - t) ** 2 for g, t in zip(goal.tolist(), tip.tolist(), strict=True)))),
    )


KERNELS: dict[str, Callable[[Any, Any], Kernel]] = {
    build.__name__: build
    for build in (acrobot, ball_in_cup, cartpole, cheetah, finger, hopper, humanoid, pendulum, reacher, walker)
}
"""By the suite's name of the domain."""


def tolerance(
    lower: float | int = 0,
    upper: float | int = 0,
    *,
    margin: float | int = 0,
    sigmoid: str = "gaussian",
    value_at_margin: float | int = 0.1,
) -> Callable[[float], float]:
    """dm_control's `rewards.tolerance` for one number: 1 within the bounds, falling outside over `margin`."""
    fall = _SIGMOIDS[sigmoid](value_at_margin)

    def value(x: float) -> float:
        if lower <= x <= upper:
            return 1.0
        if margin == 0:
            return 0.0
        return fall((lower - x if x < lower else x - upper) / margin)

    return value


def _gaussian(value_at_1: float | int) -> Callable[[float], float]:
    scale = math.sqrt(-2 * math.log(value_at_1))
    return lambda distance: math.exp(-0.5 * (distance * scale) ** 2)


def _linear(value_at_1: float | int) -> Callable[[float], float]:
    scale = 1 - value_at_1
    return lambda distance: 1 - distance * scale if distance * scale < 1 else 0.0


def _quadratic(value_at_1: float | int) -> Callable[[float], float]:
    scale = 1 - value_at_1
    return lambda distance: max(0.0, 1 - distance * distance * scale)


_SIGMOIDS = {"gaussian": _gaussian, "linear": _linear, "quadratic": _quadratic}

_concatenate = np.concatenate


def concatenated(*views: np.ndarray) -> Observe:
    """An observation that is nothing but parts of MuJoCo's arrays, in this order.

    All of them lie in one block of memory, from which one indexing takes all their numbers.
    """
    first = min(views, key=_address)
    places = np.concatenate([_offsets(view) + _address(view) - _address(first) for view in views]) // first.itemsize
    block = np.lib.stride_tricks.as_strided(first, (places.max() + 1,), (first.itemsize,), writeable=False)
    return lambda: block[places].astype(_FLOAT32)


def _address(view: np.ndarray) -> int:
    return view.__array_interface__["data"][0]


def _offsets(view: np.ndarray) -> np.ndarray:
    """Bytes from a view's first element to each of its elements, in their order."""
    along = [np.arange(size) * stride for size, stride in zip(view.shape, view.strides, strict=True)]
    return sum(np.ix_(*along), np.zeros((), int)).ravel()


def _sensor(physics: Any, name: str) -> np.ndarray:
    sensor = physics.model.name2id(name, "sensor")
    start = physics.model.sensor_adr[sensor]
    return physics.data.sensordata[start : start + physics.model.sensor_dim[sensor]]


def _sensors(physics: Any, *names: str) -> Callable[[], np.ndarray]:
    """Reads several sensors of one number each: a view where they lie side by side, else a copy."""
    data = physics.data.sensordata
    places = [int(physics.model.sensor_adr[physics.model.name2id(name, "sensor")]) for name in names]
    if places == list(range(places[0], places[0] + len(places))):
        view = data[places[0] : places[0] + len(places)]
        return lambda: view
    return lambda: data[places]


def _joint(physics: Any, name: str) -> int:
    return int(physics.model.jnt_qposadr[physics.model.name2id(name, "joint")])


def _body(physics: Any, name: str) -> int:
    return physics.model.name2id(name, "body")


def _geom(physics: Any, name: str) -> int:
    return physics.model.name2id(name, "geom")


def _site(physics: Any, name: str) -> int:
    return physics.model.name2id(name, "site")
