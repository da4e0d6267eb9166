"""What can be chosen, with one line each."""

from __future__ import annotations

import textwrap

from search.config.library import PRESET_GROUPS, first_comment, preset_files, space_files
from search.schedulers import SCHEDULERS
from search.searchers import SEARCHERS
from trainables.data.formats import FORMATS
from trainables.specs import TRAINABLES

_HEADINGS = {
    "space": "Spaces (space=NAME, or space=FILE.yaml)",
    "model": "Models (model=NAME, model=org/name of the hub, or model=FOLDER)",
    "task": "Tasks (task=NAME, task=FILE, or task=org/name of the hub)",
    "task.format": "Forms of data, recognised by their fields (task.format=NAME says one)",
    "capability": "Capabilities (capability=NAME, or capability=FILE.jsonl)",
    "trainable": "Trainables (trainable=NAME)",
    "searcher": "Searchers (searcher=NAME)",
    "scheduler": "Schedulers (scheduler=NAME)",
}


def choices() -> dict[str, dict[str, str]]:
    """Per key of the command line, each name that it takes with its line of description."""
    found = {"space": {name: first_comment(path) for name, path in space_files().items()}}
    for group in PRESET_GROUPS:
        found[group] = {name: first_comment(path) for name, path in preset_files(group).items()}
    found["task.format"] = FORMATS.lines()
    found["trainable"] = TRAINABLES.lines()
    found["searcher"] = SEARCHERS.lines()
    found["scheduler"] = SCHEDULERS.lines()
    return found


def listing_text() -> str:
    """The choices for people."""
    blocks = []
    for key, lines in choices().items():
        width = max(map(len, lines), default=0)
        blocks.append(
            "\n".join([_HEADINGS[key], *(f"  {name:<{width}}  {line}" for name, line in lines.items())])
        )
    for name in TRAINABLES:
        fields = ", ".join(TRAINABLES[name].parameters.model_fields)
        head = f"Parameters of {name} (parameters.NAME={{type: ...}} or fixed.NAME=VALUE)"
        blocks.append(f"{head}\n{textwrap.fill(fields, 98, initial_indent='  ', subsequent_indent='  ')}")
    return "\n\n".join(blocks)
