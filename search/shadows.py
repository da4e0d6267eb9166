"""Files of the working directory that hide a package from `python -m`, which looks there first.

Only the standard library is imported, for anything else may be what is hidden.
"""

from __future__ import annotations

import os
import sys
import sysconfig

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""Where our own packages lie."""
_OURS = ("search", "trainables", "analysis", "spaces", "tightrope")
_OTHERS = (
    *("accelerate", "datasets", "deepspeed", "filelock", "grpc", "jinja2", "matplotlib", "mlflow"),
    *("moocore", "numpy", "omegaconf", "optuna", "peft", "PIL", "plotly", "psutil", "pyarrow", "pydantic"),
    *("ray", "rich", "safetensors", "scipy", "tokenizers", "torch", "transformers", "yaml"),
)


def in_the_way(folder: str) -> list[str]:
    """The files and packages in a folder that `python -m` would import in place of what a search needs."""
    packages = _OTHERS if _is_home(folder) else (*_OURS, *_OTHERS)
    return [
        name
        for package in packages
        for name, file in ((f"{package}.py",) * 2, (package, os.path.join(package, "__init__.py")))
        if os.path.isfile(os.path.join(folder, file))
    ]


def leave_working_directory() -> None:
    """Takes the working directory off the path that `python -m` has put it on, unless our code lies there.

    While `python -m` looks for its module, `sys.argv` begins with "-m": whoever imports this package in a
    program of their own keeps their path.
    """
    if sys.argv[:1] != ["-m"] or sys.flags.safe_path:
        return
    here = os.getcwd()
    if sys.path[:1] not in ([""], [here]):
        return
    if not _is_home(here):
        del sys.path[0]
    elif files := in_the_way(here):
        sys.exit(f"error: {', '.join(files)} in {here} hides a package\n  hint: rename it or move it away")


def module_command(module: str) -> list[str]:
    """The command that runs a module in a process of its own, whatever lies in the working directory."""
    return [sys.executable, *([] if _is_home(os.getcwd()) else ["-P"]), "-m", module]


def worker_path() -> list[str] | None:
    """Where workers on this machine import from; None leaves the working directory in it, as Ray does."""
    if _is_home(os.getcwd()) or os.getcwd() in map(os.path.abspath, sys.path):
        return None
    installed = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    return [] if _HOME in installed else [_HOME]


def _is_home(folder: str) -> bool:
    return os.path.realpath(folder) == os.path.realpath(_HOME)
