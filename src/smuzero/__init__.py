"""Sampled MuZero: an agent that learns a model of its world and plans in it, for any action space.

```python
import smuzero

agent = smuzero.train("dmc:cartpole.swingup", frames=100_000, seed=0)
agent = smuzero.load("runs/...")
action = agent.act(observation)
result = smuzero.search(key, root, model, ...)
```

The names below are the stable ones. Each is imported when it is first used, so
`import smuzero` is quick and brings in no JAX: tools that only read a run folder,
and worker processes that only step environments, never pay for it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smuzero.envs import make as make_env
    from smuzero.experiments.api import Agent, evaluate, load, resume, train
    from smuzero.search.plan import Model, SearchSettings, search
    from smuzero.types import UserError

    __version__: str

__all__ = ["Agent", "Model", "SearchSettings", "UserError", "evaluate", "load", "make_env", "resume", "search", "train"]

_HOMES = {
    "Agent": ("smuzero.experiments.api", "Agent"),
    "Model": ("smuzero.search.plan", "Model"),
    "SearchSettings": ("smuzero.search.plan", "SearchSettings"),
    "UserError": ("smuzero.types", "UserError"),
    "evaluate": ("smuzero.experiments.api", "evaluate"),
    "load": ("smuzero.experiments.api", "load"),
    "make_env": ("smuzero.envs", "make"),
    "resume": ("smuzero.experiments.api", "resume"),
    "train": ("smuzero.experiments.api", "train"),
}
"""Where each public name lives: its module, and its name there."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name == "search":  # The package itself, which can be called: its docstring says why.
        return importlib.import_module("smuzero.search")
    if name not in _HOMES:
        raise AttributeError(f"smuzero has no public name {name!r}; it has {', '.join(__all__)}.")
    module, attribute = _HOMES[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def _version() -> str:
    from smuzero.runtime.run_folder import own_version

    return own_version() or "0+unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
