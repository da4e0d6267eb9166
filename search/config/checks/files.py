"""Files that the configuration names: do they exist, and do they hold what they should?"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from pydantic import ValidationError

from search.config.checks import parts
from search.config.composed import Composed
from search.config.origins import Key, dotted
from trainables.data.general import FIELD, OTHER, SAME
from trainables.data.lengths import LEAST
from trainables.data.reading import form_of, make_units, read_records, refuse_silent
from trainables.data.sources import (
    HubDataset,
    LocalFiles,
    Source,
    local_path,
    locate,
    same_source,
    user_path,
)
from trainables.data.units import Conversation, Document, Unit
from trainables.embedded import embedded_folder
from trainables.errors import UserError
from trainables.evaluation.beliefs.check import load_beliefs
from trainables.evaluation.harness.library import check_task
from trainables.evaluation.questions.items import OpenItem, read_items
from trainables.models.folder.check import check_folder, has_weights, takes_checkpointing, takes_sdpa
from trainables.models.preparers import cache_dir
from trainables.models.quantisation import require_bitsandbytes
from trainables.models.resolve import cached_folder
from trainables.settings import HARNESS, CapabilityConfig, FactsConfig, ModelConfig, TaskConfig

_FORM = ("format", "prompt", "completion", "text_field", "prompt_field", "completion_field")

_RECORDS = 10_000
_ROUNDS = 3
_LONG = 1000


def check_files(composed: Composed) -> None:
    """Training data, held-out data, skills, and the model's folder."""
    task = parts.section(composed, "task", TaskConfig)
    for name in ("train", "heldout"):
        if _exists(composed, ("task", name), task.get(name)):
            _check_task_file(composed, task, name)
    _check_apart(composed, task)
    _check_subset(composed, task)
    capability = parts.section(composed, "capability", CapabilityConfig)
    _check_general(composed, capability.get("general_text"), task)
    for index, skill in parts.mappings_in(capability.get("skills")).items():
        path: Key = ("capability", "skills", index, "path")
        if isinstance(named := skill.get("path"), str) and named.startswith(HARNESS):
            _check_harness(composed, path, named.removeprefix(HARNESS))
        elif _exists(composed, path, skill.get("path"), local=True):
            _check_items(composed, index, skill)
    _check_beliefs(composed, capability.get("facts"))
    if parts.has(composed, "model", ModelConfig):
        _check_model(composed)


def _check_apart(composed: Composed, task: dict[str, Any]) -> None:
    """Refuses held-out data that are also trained on."""
    train, heldout = (_try_locate(task.get(name), *_part(task)) for name in ("train", "heldout"))
    same = task.get("train") is not None and task.get("train") == task.get("heldout")
    if same or (train is not None and heldout is not None and same_source(train, heldout)):
        composed.complain(
            ("task", "heldout"),
            "is the same as task.train" if same else "shares a file with task.train",
            "remove task.heldout to split off a part, or give other data",
        )


def _part(task: dict[str, Any]) -> tuple[str, str | None]:
    """Split and subset of the task's hub data sets whose names give none."""
    subset = task.get("subset")
    return str(task.get("split", "train")), subset if isinstance(subset, str) else None


def _check_subset(composed: Composed, task: dict[str, Any]) -> None:
    """Refuses a subset of a file: only hub data sets have subsets."""
    if task.get("subset") is not None and isinstance(_try_locate(task.get("train"), "train"), LocalFiles):
        composed.complain(
            ("task", "subset"), "is for hub data sets, but task.train is a file", "leave it out"
        )


def _names(source: object) -> TypeGuard[str | list[str]]:
    """Whether it is a name, or several of them."""
    several = isinstance(source, list) and bool(source) and all(isinstance(name, str) for name in source)
    return isinstance(source, str) or several


def _exists(composed: Composed, key: Key, source: object, *, local: bool = False) -> bool:
    """Whether `source` is a file or a hub name; says so where it is neither."""
    if not _names(source) or composed.is_broken(key):
        return False
    try:
        if local:
            local_path(str(source), dotted(key))
        else:
            locate(source, dotted(key), "train")
    except UserError as error:
        composed.complain(key, error.message.removeprefix(f"{dotted(key)}: ").rstrip("."), error.hint)
        return False
    return True


def _try_locate(source: object, split: str, subset: str | None = None) -> Source | None:
    """Where training data lie, or None; another check reports data that cannot be located."""
    try:
        return locate(source, "task.train", split, subset) if _names(source) else None
    except UserError:
        return None


def _check_task_file(composed: Composed, task: dict[str, Any], name: str) -> None:
    """Local files must have records that can be trained on."""
    key = ("task", name)
    place = locate(task[name], dotted(key), "train")
    # Without a valid word on the form of the records nothing can be said of them.
    unknown = any(composed.is_broken(("task", field)) for field in _FORM)
    if isinstance(place, HubDataset) or unknown:
        return
    split = name == "train" and task.get("heldout") is None
    _check_form(composed, key, place, valid_task(task), split=split)


def _check_form(composed: Composed, key: Key, place: LocalFiles, task: TaskConfig, *, split: bool) -> None:
    try:
        check_form(place, dotted(key), task, split=split)
    except (UserError, OSError) as error:
        message, hint = _said(error)
        composed.complain(
            _meant(key, task, message), message.removeprefix(f"{dotted(key)}: ").rstrip("."), hint
        )


def _meant(key: Key, task: TaskConfig, message: str) -> Key:
    """The setting that names a missing field, where such a setting is the cause."""
    for name in ("text_field", "prompt_field", "completion_field") if key[0] == "task" else ():
        if name in task.model_fields_set and f"lacks the field {getattr(task, name)!r}" in message:
            return ("task", name)
    return key


def _said(error: UserError | OSError) -> tuple[str, str | None]:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}", None
    return error.message, error.hint


def _check_general(composed: Composed, source: object, task: object) -> None:
    """General text must differ from the training text, and be plain text in the field `text`."""
    key = ("capability", "general_text")
    if not isinstance(source, str) or not _exists(composed, key, source):
        return
    task = task if isinstance(task, dict) else {}
    split, subset = _part(task)
    place = locate(source, dotted(key), split)
    trained_on = _try_locate(task.get("train"), split, subset)
    if trained_on is not None and same_source(place, trained_on):
        composed.complain(key, f"is {SAME}", OTHER)
    if isinstance(place, HubDataset):
        return
    plain = TaskConfig(name="general", train=source, format="text", text_field=FIELD)
    _check_form(composed, key, place, plain, split=False)


def _check_items(composed: Composed, index: int, skill: dict[str, Any]) -> None:
    """Every item must be a question, with options where options are scored."""
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
            f"items of {skill['path']} have no options to score by likelihood",
            "give scoring: [generation], or a file with options",
        )


def _check_beliefs(composed: Composed, facts: object) -> None:
    """Beliefs must be readable, and no prompt may contain the answer that is expected."""
    key: Key = ("capability", "facts", "path")
    if not isinstance(facts, dict) or not _exists(composed, key, facts.get("path"), local=True):
        return
    targets = facts.get("targets")
    try:
        config = FactsConfig(path=facts["path"], targets=targets if isinstance(targets, list) else None)
        load_beliefs(CapabilityConfig(facts=config))
    except ValidationError:
        return  # the schema says what is wrong with the names
    except (UserError, OSError) as error:
        message, hint = _said(error)
        where, _, what = message.partition(": ")
        named = where == "capability.facts.targets"
        composed.complain(("capability", "facts", "targets") if named else key, what.rstrip("."), hint)


def _check_harness(composed: Composed, key: Key, task: str) -> None:
    """The library must be installed, and a task file exist; checking a task's name would take too long."""
    try:
        check_task(task, dotted(key))
    except UserError as error:
        composed.complain(key, error.message.removeprefix(f"{dotted(key)}: ").rstrip("."), error.hint)


def _check_model(composed: Composed) -> None:
    """A model on this machine must be complete and of a kind that can be trained."""
    if parts.text(composed, "model", "quantization") and not composed.is_broken(("model", "quantization")):
        _check_quantisation(composed)
    _check_flash(composed)
    source = parts.text(composed, "model", "source")
    prepare = parts.text(composed, "model", "prepare")
    if composed.is_broken(("model",)) or composed.is_broken(("model", "source")) or not source:
        return
    folder = user_path(source)
    if prepare:
        _check_folder(composed, cache_dir() / "models" / prepare)
    elif embedded_folder(source) is not None:
        return
    elif "://" in source:
        composed.complain(("model", "source"), "is a URL", "give a folder, or a hub id: org/name")
    elif os.path.isdir(folder):
        _check_folder(composed, folder)
        if parts.text(composed, "model", "attention") == "sdpa" and takes_sdpa(folder) is False:
            composed.complain(
                ("model", "attention"),
                "is not possible: the model does not support sdpa",
                "remove it, or use eager",
            )
        _check_checkpointing(composed, folder)
    elif source.startswith((".", "/", "~")) or source.count("/") > 1:
        composed.complain(
            ("model", "source"),
            f"there is no folder {source!r}",
            f"Looked for {folder.absolute()}; check the path.",
        )
    else:
        _check_cached(composed, source)


def _check_quantisation(composed: Composed) -> None:
    """What quantises must be installed."""
    key: Key = ("model", "quantization")
    try:
        require_bitsandbytes()
    except UserError as error:
        composed.complain(key, error.message.removeprefix(f"{dotted(key)}: ").rstrip("."), error.hint)


def _check_checkpointing(composed: Composed, folder: Path) -> None:
    """A few architectures cannot compute their blocks again."""
    workers = composed.data.get("workers")
    asked = isinstance(workers, dict) and workers.get("gradient_checkpointing") is True
    if asked and takes_checkpointing(folder) is False:
        composed.complain(
            ("workers", "gradient_checkpointing"),
            "is not possible: the model does not support it",
            "remove it; workers.micro_batch=1 and a smaller task.max_length also save memory",
        )


def _check_flash(composed: Composed) -> None:
    """FlashAttention computes in half precision on a GPU alone."""
    if parts.text(composed, "model", "attention") != "flash_attention_2":
        return
    workers = composed.data.get("workers")
    gpus = workers.get("gpus") if isinstance(workers, dict) else None
    wrong = [
        *(["model.dtype is float32"] if parts.text(composed, "model", "dtype") == "float32" else []),
        *(["workers.gpus is 0"] if gpus == 0 and not isinstance(gpus, bool) else []),
    ]
    if wrong and not composed.is_broken(("model", "attention")):
        message = f"flash_attention_2 computes in bfloat16 on a GPU, and {' and '.join(wrong)}"
        composed.complain(("model", "attention"), message, "use auto, which chooses sdpa or eager")


def _check_folder(composed: Composed, folder: Path, *, weights: bool = True, hub_id: str = "") -> None:
    model = composed.data.get("model")
    code = isinstance(model, dict) and model.get("trust_remote_code") is True
    quantise = isinstance(model, dict) and model.get("quantization") is not None
    try:
        if folder.is_dir():
            check_folder(folder, code=code, weights=weights, hub_id=hub_id, quantise=quantise)
    except UserError as error:
        composed.complain(("model", "source"), error.message.rstrip("."), error.hint)


def _check_cached(composed: Composed, source: str) -> None:
    """Checks a hub model whose snapshot is on this machine; one not yet downloaded is fine."""
    try:
        folder = cached_folder(source, parts.text(composed, "model", "revision") or None)
    except OSError:
        return  # A name that no file of this machine can have.
    if folder is not None and all((folder / name).is_file() for name in ("config.json", "tokenizer.json")):
        _check_folder(composed, folder, weights=has_weights(folder), hub_id=source)


def check_form(files: LocalFiles, key: str, task: TaskConfig, *, split: bool) -> None:
    """Looks at up to 10,000 records.

    Args:
        files: The files.
        key: Configuration key, for messages.
        task: Says the form of the records, or the fields by which it is known.
        split: A held-out part is to be split off, which takes two documents.

    Raises:
        UserError: The files are empty or too small, not of the kind that their endings say, of no known form,
            or a record cannot be trained on.
    """
    shown = files.files[0].shown
    records = read_records(files, key, _RECORDS)
    form = form_of(records, task, files.text, key)
    units, _ = make_units(records, form, task, key)
    silent = sum(isinstance(unit, Conversation) and not unit.turns for unit in units)
    refuse_silent(silent, len(units), key)
    if not split or not records.whole or form.heldout is not None:
        return
    if files.text:
        # A token is a byte at least, so that a shorter text cannot give two examples.
        if sum(len(str(record["text"]).encode()) for record in records.rows) <= (task.max_length or LEAST):
            raise UserError(
                f"{key}: {shown} is too short to hold out a part of it.",
                hint="Give more text, or task.heldout.",
            )
    elif len({repr(unit) for unit in units[:1000]}) < 2 and not _divisible(units):
        count = f"{len(units)} record{'' if len(units) == 1 else 's'}"
        raise UserError(
            f"{key}: {shown} has {count}, and all of them are equal.",
            hint="Give at least two different documents, so that one can be held out, or task.heldout.",
        )


def _divisible(units: list[Unit]) -> bool:
    """Whether the only document may be long enough to be divided."""
    return isinstance(units[0], Document) and len(units[0].text) > _LONG


def valid_task(section: Mapping[str, Any]) -> TaskConfig:
    """A task's valid settings, with defaults for the others."""
    data = {"name": "task", "train": "unknown", **section}
    for _ in range(_ROUNDS):
        try:
            return TaskConfig.model_validate_json(json.dumps(data), strict=True)
        except ValidationError as error:
            wrong = {str(details["loc"][0]) for details in error.errors() if details["loc"]}
            wrong = wrong or {"prompt", "completion", "format"}
            data = {key: value for key, value in data.items() if key not in wrong}
            data = {"name": "task", "train": "unknown", **data}
    return TaskConfig(name="task", train="unknown")
