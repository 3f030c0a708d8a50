"""Compiled programs kept on disk, so that the second start of a run takes seconds instead of a minute.

The folder is `SMUZERO_CACHE` (empty: keep nothing) or, without it, `smuzero` in
the user's cache folder. A cache that JAX has been given already
(`JAX_COMPILATION_CACHE_DIR`) is left alone.
"""

import os
from pathlib import Path


def folder() -> Path | None:
    """Where compiled programs are kept; None where they are not."""
    if given := os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return Path(given)
    if (home := os.environ.get("SMUZERO_CACHE")) is not None:
        return Path(home).expanduser() / "jax" if home else None
    cache_home = os.environ.get("XDG_CACHE_HOME")
    try:
        base = Path(cache_home) if cache_home else Path.home() / ".cache"
    except RuntimeError:  # A user without a home folder, as in some containers.
        return None
    return base / "smuzero" / "jax"


def enable() -> None:
    """Makes JAX keep its compiled programs, unless it has been told where to, or not to."""
    import jax

    place = folder()
    if place is None or jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        return
    jax.config.update("jax_compilation_cache_dir", str(place))
