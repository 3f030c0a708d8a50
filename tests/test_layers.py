"""The layers of the design, read off the source: every import points downwards.

All imports count, those inside functions and under `TYPE_CHECKING` too: a cycle
hidden in a function is still a cycle for whoever reads the code.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "smuzero"

LAYERS = (
    ("cli",),
    ("report",),
    ("experiments",),
    ("runtime",),
    ("evaluation",),
    ("agent",),
    ("search", "networks", "replay", "envs"),
    ("actions", "operators"),
    ("types",),
)
"""Top to bottom. A part imports itself and the lines below its own; parts on one line never meet."""

FACE = "smuzero"
"""The lazy `smuzero/__init__.py` stands above all layers: it may name any part, and no part imports it."""

DEPTH = {FACE: -1} | {part: depth for depth, layer in enumerate(LAYERS) for part in layer}

WITHOUT_JAX = ("types", "replay", "envs", "actions.spaces")


class Import(NamedTuple):
    line: int
    target: str
    """The part of the package that is imported, or `FACE`."""


def part_of(module: str) -> str | None:
    """The part a dotted module name belongs to; None for another package."""
    head, *rest = module.split(".")
    if head != "smuzero":
        return None
    return rest[0] if rest else FACE


def from_import(node: ast.ImportFrom, package: str) -> list[str]:
    """Dotted names of the modules that `from ... import ...` reaches, relative ones resolved."""
    base = node.module or ""
    if node.level:
        parents = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parents, base] if base else parents)
    if base != "smuzero":
        return [base]
    # `from smuzero import replay` imports a part; `from smuzero import train` the face.
    return [f"smuzero.{name.name}" if name.name in DEPTH else "smuzero" for name in node.names]


def imports_in(source: str, package: str) -> Iterator[Import]:
    """Every import of the package itself in one file's text, whose package has that dotted name."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                modules = [name.name for name in node.names]
            case ast.ImportFrom():
                modules = from_import(node, package)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                modules = [module]
            case _:
                continue
        for module in modules:
            target = part_of(module)
            if target is not None:
                yield Import(node.lineno, target)


def fault(part: str, target: str) -> str | None:
    """What is wrong with `part` importing `target`; None if nothing is."""
    if part in (target, FACE):
        return None
    if target not in DEPTH:
        return f"imports {target}, which is in no layer: give it a line in LAYERS"
    if DEPTH[target] < DEPTH[part]:
        return f"imports {target}, which is above it"
    if DEPTH[target] == DEPTH[part]:
        return f"imports {target}, which is beside it"
    return None


def test_every_part_has_a_layer():
    found = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert found - {"__init__"} <= set(DEPTH), "a new part needs a line in LAYERS"


def test_every_import_points_downwards():
    faults = []
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(SOURCE)
        package = ".".join(["smuzero", *where.parts[:-1]])
        part = FACE if where == Path("__init__.py") else where.with_suffix("").parts[0]
        for line, target in imports_in(path.read_text(encoding="utf-8"), package):
            if what := fault(part, target):
                faults.append(f"{path}:{line} {what}")
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize(
    ("source", "targets"),
    [
        ("import smuzero.agent.learner", ["agent"]),
        ("from smuzero.envs import make", ["envs"]),
        ("from smuzero import replay, train", ["replay", "smuzero"]),
        ("from . import plan", ["search"]),
        ("from ..networks.heads import Head", ["networks"]),
        ("from .. import agent", ["agent"]),
        ("def f():\n    import smuzero.cli", ["cli"]),
        ("import importlib\nimportlib.import_module('smuzero.report.curves')", ["report"]),
        ("import numpy\nfrom smuzeros import agent", []),
    ],
)
def test_imports_are_found_however_they_are_written(source, targets):
    assert [target for _, target in imports_in(source, "smuzero.search")] == targets


@pytest.mark.parametrize(
    ("part", "target", "allowed"),
    [
        ("agent", "search", True),
        ("agent", "types", True),
        ("agent", "agent", True),
        ("smuzero", "cli", True),
        ("search", "agent", False),
        ("search", "networks", False),
        ("types", "smuzero", False),
        ("agent", "utils", False),
    ],
)
def test_only_downward_imports_are_allowed(part, target, allowed):
    assert (fault(part, target) is None) == allowed


BLOCK_JAX = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jax", "jaxlib", "flax", "optax"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
module = importlib.import_module(sys.argv[1])
for info in pkgutil.walk_packages(getattr(module, "__path__", ()), module.__name__ + "."):
    importlib.import_module(info.name)
"""


@pytest.mark.parametrize("name", WITHOUT_JAX)
def test_part_imports_without_jax(name):
    run = subprocess.run([sys.executable, "-c", BLOCK_JAX, f"smuzero.{name}"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_importing_the_package_brings_in_no_jax():
    code = "import smuzero, smuzero.search, sys; assert callable(smuzero.search); sys.exit('jax' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
