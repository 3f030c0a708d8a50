"""The public names of `import smuzero`."""

import importlib
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import smuzero


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"no public name 'trian'.*train"):
        smuzero.trian  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018


def test_every_public_name_is_listed():
    assert set(smuzero.__all__) <= set(dir(smuzero))


def test_version_is_that_of_the_project_file():
    """Where this fails after a release, the project wants installing again: `make install`."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert smuzero.__version__ == project["project"]["version"]


def test_search_is_a_package_and_a_function(monkeypatch):
    plan = ModuleType("smuzero.search.plan")
    plan.search = lambda *args, **kwargs: (args, kwargs)  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "smuzero.search.plan", plan)
    assert smuzero.search is importlib.import_module("smuzero.search")
    search: Any = smuzero.search  # The type checker knows the true signature; the stand-in has another.
    assert search(1, 2, model=3) == ((1, 2), {"model": 3})
