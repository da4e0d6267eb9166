"""Files and folders that the configuration names: are they there, and do they hold what is asked of them?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from search.config.checks import parts
from search.config.checks.task_files import check_form
from search.config.compose import Composed
from search.config.origins import Key, dotted
from search.config.peek import first_record
from trainables.data.general import FIELD, OTHER, SAME
from trainables.data.sources import HubDataset, local_path, locate, same_source, user_path
from trainables.errors import UserError
from trainables.evaluation.harness.library import check_task
from trainables.evaluation.items import OpenItem, read_items
from trainables.models.cache import cache_dir
from trainables.models.folder.check import check_folder, has_weights, takes_sdpa
from trainables.models.resolve import EMBEDDED, cached_folder
from trainables.settings import HARNESS, TaskConfig

_FIELDS = {"text": ("text_field",), "completion": ("prompt_field", "completion_field")}


def check_files(composed: Composed) -> None:
    """Training data, held-out data, skills, and the model's folder."""
    task = composed.data.get("task")
    if isinstance(task, dict):
        for name in ("train", "heldout"):
            if _exists(composed, ("task", name), task.get(name)) and _check_fields(composed, task, name):
                _check_task_file(composed, task, name)
        if task.get("train") is not None and task.get("train") == task.get("heldout"):
            composed.complain(
                ("task", "heldout"),
                "is the same as task.train, so nothing is held out",
                "leave task.heldout out to split a part off, or give other data",
            )
    capability = composed.data.get("capability")
    if isinstance(capability, dict):
        _check_general(composed, capability.get("general_text"), task)
    skills = capability.get("skills") if isinstance(capability, dict) else None
    for index, skill in parts.mappings_in(skills).items():
        path: Key = ("capability", "skills", index, "path")
        if isinstance(task := skill.get("path"), str) and task.startswith(HARNESS):
            _check_harness(composed, path, task.removeprefix(HARNESS))
        elif _exists(composed, path, skill.get("path"), local=True):
            _check_items(composed, index, skill)
    _check_model(composed)


def _exists(composed: Composed, key: Key, source: object, *, local: bool = False) -> bool:
    """Whether `source` is a file or a hub name; says so where it is neither."""
    if not isinstance(source, str) or composed.is_broken(key):
        return False
    try:
        if local:
            local_path(source, dotted(key))
        else:
            locate(source, dotted(key), "train")
    except UserError as error:
        composed.complain(key, error.message.removeprefix(f"{dotted(key)}: ").rstrip("."), error.hint)
        return False
    return True


def _is_source(source: str) -> bool:
    """Whether it can be located; elsewhere it is said where it cannot."""
    try:
        locate(source, "task.train", "train")
    except UserError:
        return False
    return True


def _check_task_file(composed: Composed, task: dict[str, Any], name: str) -> None:
    """A local file has the form that training reads."""
    key = ("task", name)
    place = locate(task[name], dotted(key), "train")
    if isinstance(place, HubDataset):
        return
    length = task.get("max_length", TaskConfig.model_fields["max_length"].default)
    fields = [wanted for _, wanted in _fields(composed)]
    split = name == "train" and task.get("heldout") is None
    try:
        if place.format == "text" and len(fields) > 1:
            raise UserError(f"{task[name]} is plain text, without the fields {' and '.join(fields)}")
        check_form(place, task[name], fields, split=split, max_length=length if type(length) is int else 0)
    except (UserError, OSError) as error:
        message, hint = _said(error)
        composed.complain(key, message, hint)


def _said(error: UserError | OSError) -> tuple[str, str | None]:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}", None
    return error.message, error.hint


def _fields(composed: Composed) -> list[tuple[str, str]]:
    """The settings of fields that training reads, and the fields they name."""
    shape = parts.text(composed, "task", "format") or "text"
    return [
        (field, parts.text(composed, "task", field) or field.removesuffix("_field"))
        for field in _FIELDS.get(shape, ())
    ]


def _check_fields(composed: Composed, task: dict[str, Any], name: str) -> bool:
    """Whether the first record of a JSONL file has the fields that training reads."""
    record = first_record(task[name])
    shape = parts.text(composed, "task", "format") or "text"
    complete = True
    for field, wanted in _fields(composed):
        if record is None or wanted in record:
            continue
        complete = False
        if not composed.is_broken(("task", field)):
            hint = f"its first record has {', '.join(record)}; give task.{field}=NAME"
            if shape == "text":
                hint += ", or task.format=completion with task.prompt_field and task.completion_field"
            composed.complain(("task", field), f"{task[name]} has no field {wanted!r}", hint)
    return complete


def _check_general(composed: Composed, source: object, task: object) -> None:
    """General text is other than the training text, of its form, in a field that is always the same."""
    key = ("capability", "general_text")
    if not isinstance(source, str) or not _exists(composed, key, source):
        return
    train, split = (task.get("train"), task.get("split", "train")) if isinstance(task, dict) else (None, "")
    place = locate(source, dotted(key), str(split))
    if (
        isinstance(train, str)
        and _is_source(train)
        and same_source(place, locate(train, "task.train", str(split)))
    ):
        composed.complain(key, f"is {SAME}", OTHER)
    if isinstance(place, HubDataset):
        return
    try:
        check_form(place, source, [FIELD], split=False, max_length=0)
    except (UserError, OSError) as error:
        message, hint = _said(error)
        composed.complain(key, message, hint)


def _check_items(composed: Composed, index: int, skill: dict[str, Any]) -> None:
    """Every item is a question, and has options where they are to be scored."""
    key: Key = ("capability", "skills", index)
    path = (*key, "path")
    try:
        items = read_items(skill["path"], dotted(path))
    except (UserError, OSError) as error:
        message, hint = _said(error)
        composed.complain(path, message.removeprefix(f"{dotted(path)}: ").rstrip("."), hint)
        return
    scoring = skill.get("scoring")
    by_likelihood = isinstance(scoring, list) and {"likelihood", "likelihood_norm"}.intersection(scoring)
    if by_likelihood and isinstance(items[0], OpenItem):
        composed.complain(
            (*key, "scoring"),
            f"items of {skill['path']} have no options, whose likelihood could be scored",
            "give scoring: [generation], or a file with options",
        )


def _check_harness(composed: Composed, key: Key, task: str) -> None:
    """The library is installed, and a task file is there; whether a name is known takes too long to ask."""
    try:
        check_task(task, dotted(key))
    except UserError as error:
        composed.complain(key, error.message.removeprefix(f"{dotted(key)}: ").rstrip("."), error.hint)


def _check_model(composed: Composed) -> None:
    """A model that lies on this machine is whole, and of a kind that can be trained."""
    source = parts.text(composed, "model", "source")
    prepare = parts.text(composed, "model", "prepare")
    if composed.is_broken(("model",)) or composed.is_broken(("model", "source")) or not source:
        return
    folder = user_path(source)
    if prepare:
        _check_folder(composed, cache_dir() / "models" / prepare)
    elif source == EMBEDDED:
        return
    elif "://" in source:
        composed.complain(("model", "source"), "is a URL", "give a folder, or a hub id: org/name")
    elif os.path.isdir(folder):
        _check_folder(composed, folder)
        if parts.text(composed, "model", "attention") == "sdpa" and takes_sdpa(folder) is False:
            composed.complain(
                ("model", "attention"),
                "is not possible: the model does not take sdpa",
                "leave it out, or eager",
            )
    elif source.startswith((".", "/", "~")) or source.count("/") > 1:
        composed.complain(
            ("model", "source"),
            f"there is no folder {source!r}",
            f"Looked for {folder.absolute()}; check the path.",
        )
    else:
        _check_cached(composed, source)


def _check_folder(composed: Composed, folder: Path, *, weights: bool = True, hub_id: str = "") -> None:
    model = composed.data.get("model")
    code = isinstance(model, dict) and model.get("trust_remote_code") is True
    try:
        if folder.is_dir():
            check_folder(folder, code=code, weights=weights, hub_id=hub_id)
    except UserError as error:
        composed.complain(("model", "source"), error.message.rstrip("."), error.hint)


def _check_cached(composed: Composed, source: str) -> None:
    """A hub model, where its snapshot lies on this machine; what is not there yet is no fault."""
    try:
        folder = cached_folder(source, parts.text(composed, "model", "revision") or None)
    except OSError:
        return  # A name that no file of this machine can have.
    if folder is not None and all((folder / name).is_file() for name in ("config.json", "tokenizer.json")):
        _check_folder(composed, folder, weights=has_weights(folder), hub_id=source)
