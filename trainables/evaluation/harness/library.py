"""Finds and loads a task of lm-evaluation-harness."""

from __future__ import annotations

import importlib.util
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.sources import user_path
from trainables.errors import UserError, first_line
from trainables.nearest import nearest

FILES = (".yaml", ".yml")
"""How the name of a task's file ends."""

_LOCAL = ("json", "csv", "parquet", "text", "arrow")


def is_installed() -> bool:
    """Whether lm-evaluation-harness can be imported; nothing is."""
    return importlib.util.find_spec("lm_eval") is not None


def check_task(name: str, key: str) -> None:
    """Checks that the library is installed and that it or the disk has such a task; imports nothing.

    Raises:
        UserError: It is not there.
    """
    if not name.strip():
        raise UserError(f"{key}: names no task of lm-evaluation-harness.", hint="Write lm_eval:<task>.")
    if not is_installed():
        raise UserError(
            f"{key}: the task {name!r} needs lm-evaluation-harness, which is not installed.",
            hint="pip install 'tightrope[lm-eval]'",
        )
    path = user_path(name)
    if path.suffix in FILES:
        if not path.is_file():
            raise UserError(f"{key}: there is no task file {name!r}.", hint="Check the path.")
    elif not _is_named(name):
        raise UserError(_unknown(name, key, _names()), hint="`lm_eval ls tasks` lists them.")


def _is_named(name: str) -> bool:
    """Whether any file of the library's tasks has the name as a word of its own."""
    word = re.compile(rb"(?<![\w.-])%s(?![\w.-])" % re.escape(name.encode()))
    return any(word.search(content) for content in _contents())


def _names() -> set[str]:
    """The tasks that the library's files name on a line of their own."""
    line = re.compile(rb"""^["']?task["']?:\s*["']?([\w.-]+)""", re.MULTILINE)
    return {name.decode() for content in _contents() for name in line.findall(content)}


def _contents() -> Iterator[bytes]:
    """What stands in the files of the library's tasks."""
    spec = importlib.util.find_spec("lm_eval")
    for folder in (spec and spec.submodule_search_locations) or ():
        for path in Path(folder, "tasks").rglob("*"):
            if path.suffix in (*FILES, ".py"):
                yield path.read_bytes()


def load_task(name: str, key: str, seed: int) -> Any:
    """The `lm_eval` task of a name or of a YAML file, with its documents.

    A file's relative `data_files` may also be relative to the file itself. Functions that it names with
    `!function` are run: it is code as much as it is data.

    Args:
        name: Name of a task that the library knows, or path of a task's YAML file.
        key: Configuration key, for messages.
        seed: Of the few-shot examples, and of whatever the task shuffles.

    Raises:
        UserError: The library is not installed; there is no such task, or it is several; its documents
            cannot be read; or it needs images, sound, or a run of generated code.
    """
    check_task(name, key)
    with seeded(seed), redirect_stderr(StringIO()):
        task = _single(name, key)
    for refused, why in (("MULTIMODAL", "images or sound"), ("UNSAFE_CODE", "running generated code")):
        if getattr(task, refused, False):
            raise UserError(f"{key}: the task {name!r} needs {why}.", hint="Choose a text-only task.")
    if task.get_config("num_fewshot") is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=seed)
    return task


def _single(name: str, key: str) -> Any:
    from lm_eval.tasks import TaskManager

    path = user_path(name)
    local = path.suffix in FILES
    try:
        known = None if local else _task_file(name)
        manager = TaskManager(include_defaults=not (local or known))
        if not local and known is None and name not in manager.all_tasks:
            raise UserError(_unknown(name, key, manager.all_tasks), hint="`lm_eval ls tasks` lists them.")
        tasks = manager.load(_resolved(path) if local else str(known or name))["tasks"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise UserError(
            f"{key}: the task {name!r} cannot be loaded: {first_line(error)}",
            hint="Its data come from a hub, which needs the network once, or from local files "
            "(dataset_path: json, dataset_kwargs.data_files) of a task file of your own.",
        ) from error
    if len(tasks) != 1:
        raise UserError(
            f"{key}: {name!r} is a group of {len(tasks)} tasks.",
            hint=f"Name its tasks one by one, such as {', '.join(list(tasks)[:3])}.",
        )
    return next(iter(tasks.values()))


def _task_file(name: str) -> Path | None:
    """The library's file of a task; reading all of them as YAML takes it many times as long."""
    import lm_eval.tasks

    line = re.compile(rb"""^["']?task["']?:\s*["']?%s["']?\s*$""" % re.escape(name.encode()), re.MULTILINE)
    folder = Path(str(lm_eval.tasks.__file__)).parent
    paths = [path for path in folder.rglob("*.yaml") if line.search(path.read_bytes())]
    return paths[0] if len(paths) == 1 else None


def _resolved(path: Path) -> dict[str, Any]:
    """A task file's content, its data files made absolute where they lie beside it."""
    from lm_eval.tasks._yaml_loader import load_yaml

    config: dict[str, Any] = load_yaml(path)
    options = config.get("dataset_kwargs") or {}
    if config.get("dataset_path") in _LOCAL and "data_files" in options:
        files = _beside(path.parent, options["data_files"])
        config = {**config, "dataset_kwargs": {**options, "data_files": files}}
    return {"task": path.stem, **config}


def _beside(folder: Path, files: Any) -> Any:
    if isinstance(files, Mapping):
        return {split: _beside(folder, part) for split, part in files.items()}
    if isinstance(files, list):
        return [_beside(folder, part) for part in files]
    path = folder / str(files)
    return str(path.resolve()) if path.is_file() else files


def _unknown(name: str, key: str, names: Iterable[str]) -> str:
    near = nearest(name, names)
    return f"{key}: lm-evaluation-harness has no task {name!r}" + (
        f"; did you mean {near[0]!r}?" if near else "."
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds Python's and NumPy's global generators, which tasks shuffle with, and puts them back after."""
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
