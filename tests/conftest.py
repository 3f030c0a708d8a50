"""How every test runs: shapes checked, silent conversions refused, compiled code kept between runs."""

import importlib.metadata
import os
from pathlib import Path

import jaxtyping

# Annotated shapes and dtypes are checked at every call. This must precede the first import of the package.
jaxtyping.install_import_hook("smuzero", "beartype.beartype")

# Environment variables rather than jax.config where a test's own subprocesses should agree.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
_CACHE_HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE_HOME / "smuzero" / "jax-tests"))
# Tests run a program once or twice: it should be quick to compile, not to run.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
_QUICK_TO_COMPILE = ["--xla_cpu_parallel_codegen_split_count=1", "--xla_llvm_disable_expensive_passes=true"]
# XLA ends the process over a flag that it does not know; newer ones have no choice of emitters.
if tuple(map(int, importlib.metadata.version("jaxlib").split(".")[:2])) < (0, 11):
    _QUICK_TO_COMPILE.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(_QUICK_TO_COMPILE))

import jax  # noqa: E402
import pytest  # noqa: E402

# The default keeps what took a second to compile; a suite is made of many programs that take less.
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a preset small enough to train with in a test; `quick` is made the same."""
    from smuzero.experiments import presets

    changes = {
        "network.width": 16,
        "network.num_blocks": 0,
        "learner.batch_size": 8,
        "search.num_samples": 4,
        "search.num_simulations": 4,
        "acting.num_envs": 4,
        "replay.max_sequences": 100,
        "replay.max_length": 50,
        "run.frames": 600,
        "run.learn_after": 100,
        "run.log_every": 100,
        "run.checkpoint_every": 200,
        "run.evaluate_every": 300,
        "run.evaluation_episodes": 2,
    }
    tiny = presets.Preset("For tests.", changes)
    monkeypatch.setitem(presets.PRESETS, "tiny", tiny)
    monkeypatch.setitem(presets.PRESETS, "quick", tiny)
    return "tiny"
