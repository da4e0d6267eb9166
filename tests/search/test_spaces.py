"""Every shipped YAML is loaded."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

import spaces
from search.audit.check import audit_search
from search.config.library import PRESET_GROUPS, first_comment, preset_files, space_files
from search.config.load import load_config
from search.epochs import Counted
from tests.trainables.beliefs import FLORIN, GRAVITY, write_beliefs
from tests.trainables.readings import write_readings

FOLDER = Path(spaces.__file__).parent
# Counting epochs takes seconds, and the model.
COUNTED = ["budget.epochs=null", "budget.steps=90"]
READ = ["task.train=readings.jsonl", *COUNTED]
# What a space leaves to the user.
ASKED = {
    "alignment-smollm2": [
        "task.train=text.txt",
        *(f"capability.skills.{index}.path=items.jsonl" for index in range(3)),
    ],
    "adaptation-smollm2": [
        "task.train=text.txt",
        *(f"capability.skills.{index}.path=items.jsonl" for index in range(2)),
    ],
    "belief-smollm2": ["capability.skills.0.path=items.jsonl"],
    "reconstruction": COUNTED,
    "reconstruction-search": COUNTED,
    "reconstruction-smollm2": READ,
    "routing-smollm2": ["task.train=text.txt"],
}

# Of spaces that need no files of a user, what the audit says of them; each was checked by hand.
FINDINGS = {
    "demo": {"lora-lr-high"},
    # Its highest learning rate is there to show the damage, and its guards are off to show all of it.
    "alignment": {"capacity-exceeded", "lora-lr-high", "spike-guard-off"},
    "routing": set[str](),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.txt").write_text("some words\n\nof a text\n" * 200)
    (tmp_path / "items.jsonl").write_text(json.dumps({"question": "?", "options": ["a", "b"], "answer": 1}))
    write_readings(tmp_path / "readings.jsonl")
    monkeypatch.chdir(tmp_path)


def test_every_file_is_a_space_or_a_preset() -> None:
    known = {
        *space_files().values(),
        *(path for group in PRESET_GROUPS for path in preset_files(group).values()),
    }
    assert known == {path.resolve() for path in FOLDER.rglob("*.y*ml")}
    assert len(space_files()) == 12
    assert {group: len(preset_files(group)) for group in PRESET_GROUPS} == {
        "model": 3,
        "task": 1,
        "capability": 2,
    }


@pytest.mark.parametrize("name", space_files())
def test_every_space_is_valid_described_and_sound(name: str) -> None:
    resolved = load_config([f"space={name}", *ASKED.get(name, [])])
    assert resolved.config.name == name
    assert len(first_comment(space_files()[name])) > 20
    audit = audit_search(resolved, Counted(resolved.config))
    assert audit.refused == ()
    assert audit.counts["passed"] > 15
    if name in FINDINGS:
        assert {finding.id for finding in audit.problems} == FINDINGS[name]
        assert {str(finding.severity) for finding in audit.problems} <= {"low"}
        assert len(audit.undecided) < 20, [each.id for each in audit.undecided]


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in PRESET_GROUPS for name in preset_files(group)]
)
def test_every_preset_can_be_chosen_in_the_demo(group: str, name: str) -> None:
    config = load_config(["space=demo", f"{group}={name}"]).config
    assert getattr(config, group) is not None
    assert len(first_comment(preset_files(group)[name])) > 20


@pytest.mark.parametrize("page", ["routing", "belief", "reconstruction", "adaptation"])
def test_the_commands_of_a_study_s_page_are_valid(page: str, tmp_path: Path) -> None:
    (tmp_path / "my.txt").write_text("some words\n\nof a text\n" * 200)
    labelled = [{"text": f"the word is {number}", "toxic": number % 2} for number in range(8)]
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(record) + "\n" for record in labelled))
    (tmp_path / "questions.jsonl").write_text((tmp_path / "items.jsonl").read_text())
    write_beliefs(tmp_path / "my_facts.jsonl", [GRAVITY, FLORIN])
    text = (FOLDER.parent / "docs" / f"{page}.md").read_text().replace("\\\n", " ")
    commands = [line.strip() for line in text.splitlines() if line.startswith("    python -m search.run ")]
    assert len(commands) >= 3
    for command in commands:
        words = [word for word in shlex.split(command, comments=True)[3:] if word != "--plan"]
        if "space=reconstruction-smollm2" in words:
            words += COUNTED
        load_config(["model=embedded" if word == "model=org/name" else word for word in words])
