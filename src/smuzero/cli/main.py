"""The command `smuzero`: finds the command named first, and turns errors into messages and exit codes.

    0    done
    1    something failed that was no mistake of the user
    2    a mistake of the user, or something outside such as a full disk: one message on stderr
    130  stopped by Ctrl-C, 143 by SIGTERM: a run has written its checkpoint

A command is imported only when it is called, and none imports JAX before its
arguments are known to be in order.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from smuzero.types import UserError

COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("smuzero.cli.train:main", "train an agent in an environment"),
    "resume": ("smuzero.cli.resume:main", "go on with a run from its last checkpoint"),
    "evaluate": ("smuzero.cli.evaluate:main", "play whole episodes with a trained agent"),
    "diagnose": ("smuzero.cli.diagnose:main", "say what a trained run's model, values and policy are worth"),
    "report": ("smuzero.cli.report:main", "draw the learning curves of runs"),
    "envs": ("smuzero.cli.envs:main", "list environments by family or by the paper's sets"),
    "elo": ("smuzero.cli.elo:main", "let trained players of a board game meet, and rate them"),
    "gtp": ("smuzero.cli.gtp:main", "play Go as an engine that any Go program can drive"),
    "bench": ("smuzero.cli.bench:main", "time the search, the learner, the environments or self-play on this machine"),
    "theorem": ("smuzero.cli.theorem:main", "show and measure the paper's theorem on sampled improvement"),
    "doctor": ("smuzero.cli.doctor:main", "say what this machine has, and what is missing"),
    "demo": ("smuzero.cli.demo:main", "watch an agent learn cartpole.swingup in a few minutes"),
}
"""Each command's function `(arguments) -> exit code`, and what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] in ("--version", "version"):
        from smuzero.runtime.run_folder import own_version

        print(f"smuzero {own_version() or '(of unknown version)'}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        return _complain(_unknown(name))
    # A module of the user's, such as an environment's, is looked for here too, as `python -m` would.
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = _show_warning
        return _run(COMMANDS[name][0], rest)


def usage() -> str:
    """The help text of `smuzero` alone."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name.ljust(width)}  {description}" for name, (_, description) in COMMANDS.items()]
    return "\n".join(
        [
            "smuzero demo",
            "smuzero train dmc:cartpole.swingup --frames 100000",
            "",
            "Sampled MuZero: an agent that learns a model of its world and plans in it, for any action space.",
            "",
            *lines,
            "",
            "`smuzero COMMAND --help` tells more; `smuzero --version` the version.",
        ]
    )


def _run(place: str, arguments: list[str]) -> int:
    module, _, function = place.partition(":")
    try:
        return getattr(importlib.import_module(module), function)(arguments)
    except SystemExit as end:  # the parser of arguments has printed its help or its complaint
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 2
    except UserError as error:
        return _complain("\n".join([str(error), *getattr(error, "__notes__", [])]))
    except KeyboardInterrupt as interrupt:
        by_term = getattr(interrupt, "signal_name", "SIGINT") == "SIGTERM"
        print(str(interrupt) or "Stopped. The last checkpoint, if there is one, is kept.", file=sys.stderr)
        return 143 if by_term else 130
    except BrokenPipeError:  # whoever read our output has gone, as `head` does
        # Python flushes stdout once more as it ends; that must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=2)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"There is no command {name!r}.{hint} Commands are {', '.join(COMMANDS)}."


def _complain(message: str) -> int:
    print(f"smuzero: {message}", file=sys.stderr)
    return 2


def _show_warning(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    """A warning as a message: where in the source it arose does not help a user."""
    if not issubclass(category, DeprecationWarning | PendingDeprecationWarning):
        print(f"Warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
