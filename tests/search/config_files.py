"""A small space of its own, with data, for tests of configuration."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from trainables.specs import TRAINABLES

SPACE = """\
# A space for tests
model: {name: small, source: embedded}
task:
  name: letters
  train: train.jsonl
capability:
  skills:
    - name: facts
      path: facts.jsonl
      scoring: [generation, likelihood]
    - name: sums
      path: sums.jsonl
trials: 6
budget:
  steps: 9
parameters:
  lr: {type: log-float, low: 1e-4, high: 1e-2, points: 2}
  rank:
    type: categorical
    choices: [2, 4]
fixed:
  batch_size: 4
"""


def write_space(folder: Path, text: str = SPACE) -> Path:
    """Writes `space.yaml` and the data it names into `folder`; paths in it are relative to `folder`."""
    rows = {
        "train.jsonl": [{"text": f"letter {letter}"} for letter in "abcdef"],
        "facts.jsonl": [{"question": "Which?", "options": ["this", "that"], "answer": 0}],
        "sums.jsonl": [{"question": "1+1?", "answer": "2"}],
    }
    for name, records in rows.items():
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def line_of(text: str, part: str) -> int:
    """Number, from 1, of the only line that holds `part`."""
    (number,) = (number for number, line in enumerate(text.splitlines(), 1) if part in line)
    return number


def alone(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    """Has trials of `lora` run one at a time, as those of another trainable may have to."""
    respecified(monkeypatch, unpacked=reason)


def respecified(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Changes the specification of `lora`."""
    spec = dataclasses.replace(TRAINABLES["lora"], **changes)
    monkeypatch.setitem(TRAINABLES._entries, "lora", spec)
