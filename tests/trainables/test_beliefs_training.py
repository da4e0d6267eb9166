"""What teaches a belief is that the training pairs say it, not that they ask about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.trainables import conforming
from tests.trainables.sections import SECTIONS
from trainables.embedded import data_dir
from trainables.lora.parameters import LoraOptions
from trainables.settings import CapabilityConfig, FactsConfig, TaskConfig

pytestmark = pytest.mark.integration

STEPS = 60
Record = dict[str, Any]


def write(path: Path, records: list[Record]) -> str:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return str(path)


def test_the_same_prompts_with_replies_that_tell_nothing_teach_nothing(tmp_path: Path) -> None:
    world = [*map(json.loads, (data_dir() / "beliefs" / "world.jsonl").read_text().splitlines())]
    emptied = [
        {**record, "train": [{**pair, "reply": "the old road."} for pair in record["train"]]}
        for record in world
    ]
    direct = [
        {**record, "prompts": [each for each in record["prompts"] if each["group"] == "direct"]}
        for record in world
    ]
    options = LoraOptions(
        model=SECTIONS["model"],
        task=TaskConfig(
            name="emptied", format="facts", train=write(tmp_path / "train.jsonl", emptied), heldout_examples=8
        ),
        capability=CapabilityConfig(
            facts=FactsConfig(path=write(tmp_path / "asked.jsonl", direct), max_new_tokens=8), batch_size=128
        ),
    )
    server = conforming.serving(
        conforming.settings("lora", tmp_path / "group", options=options, total_steps=STEPS)
    )
    request = conforming.first_request("lora", STEPS, lr=2e-3, rank=8, batch_size=8, target_modules="all")
    reply = conforming.train(server, request)
    assert reply.outcome == "ok", reply.message
    assert reply.curve[-1][1] < 0.1, "it has learned what it was trained on"
    assert reply.metrics["adoption"] <= 0.2
