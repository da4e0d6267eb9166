"""Files and folders that the configuration names: are they there, and do they hold what is asked of them?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from search.config.checks import parts
from search.config.compose import Composed
from search.config.origins import Key, dotted
from search.config.peek import first_record
from trainables.data.sources import local_path, locate
from trainables.errors import UserError

_FIELDS = {"text": ("text_field",), "completion": ("prompt_field", "completion_field")}


def check_files(composed: Composed) -> None:
    """Training data, held-out data, skills, and the model's folder."""
    task = composed.data.get("task")
    if isinstance(task, dict):
        for name in ("train", "heldout"):
            if _exists(composed, ("task", name), task.get(name)):
                _check_fields(composed, task, name)
    capability = composed.data.get("capability")
    skills = capability.get("skills") if isinstance(capability, dict) else None
    for index, skill in parts.mappings_in(skills).items():
        if _exists(composed, ("capability", "skills", index, "path"), skill.get("path"), local=True):
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


def _check_fields(composed: Composed, task: dict[str, Any], name: str) -> None:
    """The first record of a JSONL file has the fields that training reads."""
    record = first_record(task[name])
    shape = parts.text(composed, "task", "format") or "text"
    for field in _FIELDS.get(shape, ()):
        wanted = parts.text(composed, "task", field) or field.removesuffix("_field")
        if record is not None and wanted not in record and not composed.is_broken(("task", field)):
            hint = f"its first record has {', '.join(record)}; give task.{field}=NAME"
            if shape == "text":
                hint += ", or task.format=completion with task.prompt_field and task.completion_field"
            composed.complain(("task", field), f"{task[name]} has no field {wanted!r}", hint)


def _check_items(composed: Composed, index: int, skill: dict[str, Any]) -> None:
    """The first item is a question, and has options where they are to be scored."""
    key: Key = ("capability", "skills", index)
    record = first_record(skill["path"])
    if record is None:
        hint = 'its lines should be such as {"question": "...", "answer": "..."}'
        composed.complain((*key, "path"), f"{skill['path']} is no JSONL file of questions", hint)
        return
    lacking = [name for name in ("question", "answer") if name not in record]
    if lacking:
        hint = f"its first item has {', '.join(record)}"
        composed.complain((*key, "path"), f"its items have no {' and no '.join(lacking)}", hint)
    scoring = skill.get("scoring")
    if isinstance(scoring, list) and "likelihood" in scoring and "options" not in record:
        composed.complain(
            (*key, "scoring"),
            f"items of {skill['path']} have no options, whose likelihood could be scored",
            "give scoring: [generation], or a file with options",
        )


def _check_model(composed: Composed) -> None:
    """A local model has its folder, with a config.json."""
    source = parts.text(composed, "model", "source")
    if not source or source == "embedded" or parts.text(composed, "model", "prepare"):
        return
    if composed.is_broken(("model",)) or composed.is_broken(("model", "source")):
        return
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            composed.complain(
                ("model", "source"),
                f"{source} is no model's folder: it has no config.json",
                "give a folder that save_pretrained wrote",
            )
    elif source.startswith((".", "/", "~")) or source.count("/") > 1:
        composed.complain(
            ("model", "source"),
            f"there is no folder {source!r}",
            f"Looked for {folder.absolute()}; check the path.",
        )
