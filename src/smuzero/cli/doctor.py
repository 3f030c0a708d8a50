"""`smuzero doctor`: what this machine has, and how to get what is missing."""

import dataclasses
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from smuzero.cli.arguments import parse

EXTRAS: dict[str, tuple[str, ...]] = {
    "dmc": ("dm_control", "mujoco"),
    "atari": ("ale_py",),
    "boards": ("pgx",),
    "ray": ("ray",),
    "video": ("imageio", "imageio_ffmpeg"),
    "plots": ("matplotlib",),
    "viewer": ("starlette", "uvicorn"),
}
"""The modules that each optional part of the project needs."""

BACKENDS = ("egl", "osmesa", "glfw")

INSTALL_RENDERING = {
    "egl": "apt-get install libegl1 libgl1-mesa-dri (Debian, Ubuntu), then set MUJOCO_GL=egl",
    "osmesa": "apt-get install libosmesa6 (Debian, Ubuntu), then set MUJOCO_GL=osmesa",
    "glfw": "needs a screen; without one use egl",
}
"""What makes a way of drawing work where it does not."""

RENDER = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
with mujoco.Renderer(model, 16, 16) as renderer:
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    renderer.update_scene(data)
    assert renderer.render().shape == (16, 16, 3)
"""
"""Draws one small picture."""


@dataclasses.dataclass(frozen=True)
class Doctor:
    """smuzero doctor

    Says what this machine has: JAX and its devices, optional packages, ways to render MuJoCo without a screen.
    """

    json: bool = False
    """Print one JSON object."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command; exit code 1 where JAX does not work."""
    given = parse(Doctor, "doctor", arguments)
    found = examine()
    print(json.dumps(found) if given.json else describe(found))
    return 0 if found["jax"]["works"] else 1


def examine() -> dict[str, Any]:
    """All that is known of this machine, as JSON values."""
    from smuzero.runtime import compilation_cache, run_folder

    cache = compilation_cache.folder()
    return {
        "smuzero": run_folder.versions()["smuzero"],
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "jax": jax_devices(),
        "products": products(),
        "extras": {name: extra(name) for name in EXTRAS},
        "rendering": {backend: rendering(backend) for backend in BACKENDS},
        "compilation_cache": None if cache is None else str(cache),
    }


def jax_devices() -> dict[str, Any]:
    """JAX's version and what it computes on."""
    try:
        import jax

        devices = [str(device.device_kind) for device in jax.devices()]
        return {"works": True, "version": jax.__version__, "backend": jax.default_backend(), "devices": devices}
    except (ImportError, RuntimeError) as error:
        return {"works": False, "message": str(error)}


def products() -> dict[str, float] | None:
    """What products of matrices reach by `network.matmul_precision`, in 10⁹ operations per second; None without JAX."""
    try:
        from smuzero.experiments.benchmarks.learner import matmul_flops_per_second

        return {name: matmul_flops_per_second(1024, precision=name) / 1e9 for name in ("float32", "bfloat16")}
    except (ImportError, RuntimeError):
        return None


def extra(name: str) -> dict[str, Any]:
    """Whether an optional part can be used, and how to install it."""
    missing = [module for module in EXTRAS[name] if importlib.util.find_spec(module) is None]
    return {"installed": not missing, "missing": missing, "install": f"pip install 'smuzero[{name}]'"}


def rendering(backend: str) -> dict[str, Any]:
    """Whether MuJoCo can draw with this backend; tried in a process of its own, which it may crash."""
    install = INSTALL_RENDERING[backend]
    if importlib.util.find_spec("mujoco") is None:
        return {"works": False, "message": "mujoco is not installed", "install": "pip install 'smuzero[dmc]'"}
    environment = os.environ | {"MUJOCO_GL": backend, "PYOPENGL_PLATFORM": "" if backend == "glfw" else backend}
    try:
        tried = subprocess.run(
            [sys.executable, "-c", RENDER], env=environment, capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        return {"works": False, "message": "no answer within 60 seconds", "install": install}
    last = (tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"])[-1]
    return {"works": tried.returncode == 0, "message": "" if tried.returncode == 0 else last, "install": install}


def describe_products(found: dict[str, float] | None) -> list[str]:
    """One line on how fast matrices are multiplied, and the setting that is worth a try."""
    if found is None:
        return []
    plain, rounded = found["float32"], found["bfloat16"]
    line = f"Products of matrices: {plain:.0f} GFLOP/s in float32, {rounded:.0f} in bfloat16"
    return [line + (" (--network.matmul-precision bfloat16 makes updates faster)" if rounded > 1.5 * plain else "")]


def describe(found: dict[str, Any]) -> str:
    """What was found, for people."""
    jax = found["jax"]
    version = found["smuzero"] or "(not installed)"
    lines = [
        f"smuzero {version}, Python {found['python']}, {found['platform']}, {found['cpu_count']} processors",
        f"JAX {jax['version']} on {jax['backend']}: {', '.join(jax['devices'])}"
        if jax["works"]
        else f"JAX does not work: {jax['message']}",
        *describe_products(found["products"]),
        f"Compiled programs are kept in {found['compilation_cache'] or 'memory only (SMUZERO_CACHE is empty)'}",
        "Optional parts:",
    ]
    for name, state in found["extras"].items():
        lines.append(f"  {name:8}" + ("installed" if state["installed"] else f"missing: {state['install']}"))
    lines.append("MuJoCo rendering:")
    for backend, state in found["rendering"].items():
        lines.append(f"  {backend:8}" + ("works" if state["works"] else f"does not work: {state['message']}"))
    if not any(state["works"] for state in found["rendering"].values()):
        lines.append("  Environments with pictures (dmc-pixels:, cmu: with a camera) need one of them:")
        lines += [f"  {backend:8}{state['install']}" for backend, state in found["rendering"].items()]
    return "\n".join(lines)
