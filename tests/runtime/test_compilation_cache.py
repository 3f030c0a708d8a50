"""Where compiled programs are kept."""

from pathlib import Path

import pytest

from smuzero.runtime import compilation_cache


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"JAX_COMPILATION_CACHE_DIR": "/a", "SMUZERO_CACHE": "/b"}, Path("/a")),
        ({"SMUZERO_CACHE": "/b", "XDG_CACHE_HOME": "/c"}, Path("/b/jax")),
        ({"SMUZERO_CACHE": ""}, None),
        ({"XDG_CACHE_HOME": "/c"}, Path("/c/smuzero/jax")),
        ({"HOME": "/home/you"}, Path("/home/you/.cache/smuzero/jax")),
    ],
)
def test_folder_follows_the_environment(monkeypatch, environment, folder):
    for name in ("JAX_COMPILATION_CACHE_DIR", "SMUZERO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert compilation_cache.folder() == folder
