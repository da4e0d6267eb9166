"""The page on data shows what the code does. `python -m tests.trainables.test_data_page` writes it anew."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from trainables import embedded
from trainables.data.formats import FORMATS, recognise
from trainables.data.tokenise import Tokeniser
from trainables.lora.plan.data import marked
from trainables.lora.plan.data_view import example_lines
from trainables.settings import TaskConfig

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
TEMPLATES = {"prompt": r"{story}\nWhat do we learn?", "completion": "{moral}"}
_SECTION = re.compile(r"### `(\w+)`.*?```json\n(.*?)\n```\n\n```text\n(.*?)```", re.DOTALL)


def shown(tokenizer: Any, name: str, record: dict[str, Any]) -> str:
    """An example as a plan shows it."""
    task = TaskConfig.model_validate(
        {"name": "page", "train": "page.jsonl"} | (TEMPLATES if name == "template" else {})
    )
    form = recognise([record], task)
    assert form.name == name
    made = form.make(record, task)
    tokenised = Tokeniser(tokenizer, task)(made if isinstance(made, Sequence) else [made], str)
    (example,) = tokenised.cut(256).groups[0]
    lines = example_lines(marked(tokenizer, example))
    return "".join("".join(text for text, _ in line) + "\n" for line in lines)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(embedded.model_dir())


def test_the_page_shows_what_the_model_sees(tokenizer: Any) -> None:
    sections = _SECTION.findall(PAGE.read_text(encoding="utf-8"))
    assert sections
    assert {name for name, _, _ in sections} <= set(FORMATS)
    for name, record, text in sections:
        assert text == shown(tokenizer, name, json.loads(record))


def _write() -> None:
    made = AutoTokenizer.from_pretrained(embedded.model_dir())
    page = PAGE.read_text(encoding="utf-8")
    for match in reversed(list(_SECTION.finditer(page))):
        text = shown(made, match[1], json.loads(match[2]))
        page = page[: match.start(3)] + text + page[match.end(3) :]
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    _write()
