"""What files and folders say: tables with and without quoting, values of Parquet, and splits by name."""

from __future__ import annotations

import datetime
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from trainables.data.reading import ReadUnits, read_units
from trainables.data.sources import LocalFiles, locate
from trainables.data.units import Conversation, Pair
from trainables.errors import UserError
from trainables.settings import TaskConfig

ASKED = {"role": "user", "content": "Who?"}


def read(path: Path, **settings: str) -> ReadUnits:
    task = TaskConfig.model_validate({"name": "task", "train": "unused", **settings})
    return read_units(str(path), "task.train", task)


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (["a.jsonl", "b.jsonl"], False),
        (["train-1.jsonl", "train-2.csv", "more.jsonl"], False),
        (["test-1.jsonl", "test-2.jsonl"], False),
        (["contest.jsonl", "latest.jsonl", "trains.jsonl", "devices.jsonl"], False),
        (["testing.md", "usage.md"], False),
        (["math.jsonl", "code_eval.jsonl"], False),
        (["dev_ops.jsonl", "linux.jsonl"], False),
        (["a.jsonl", "unit-test-writing.jsonl"], False),
        (["train.jsonl", "dev_ops.jsonl", "unit-test-writing.jsonl"], False),
        (["train/math.jsonl", "train/code_eval.jsonl"], False),
        (["train.jsonl", "test.jsonl"], True),
        (["data.jsonl", "data_val2.jsonl"], True),
        (["train/0.parquet", "validation/0.parquet"], True),
        (["wiki.train.txt", "wiki.test.txt"], True),
        (["math_train.jsonl", "code_eval.jsonl"], True),
        (["train_data.jsonl", "test_more.jsonl"], True),
        (["data.train.v1.jsonl", "data.dev.v1.jsonl"], True),
        (["a.jsonl", "test-00000-of-00001-0123456789abcdef.parquet"], True),
        (["questions.jsonl", "test_questions.jsonl"], True),
        (["a/dev/0.jsonl.gz", "a/test/0.jsonl"], True),
    ],
)
def test_a_folder_with_several_splits_is_refused(tmp_path: Path, names: list[str], split: bool) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    if not split:
        files = locate(str(tmp_path), "key", "train")
        assert isinstance(files, LocalFiles)
        assert len(files.files) == len(names)
        return
    with pytest.raises(UserError, match="has files of several splits") as error:
        locate(str(tmp_path), "key", "train")
    assert f"such as key={tmp_path / names[0]}" in str(error.value.hint)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('"Hi\tb1\nx"\tb2\n', [('"Hi', "b1"), ('x"', "b2")]),
        ('"Hi" he said\tb\n\n"A"\tc\n', [('"Hi" he said', "b"), ('"A"', "c")]),
        ('"A ""b"""\tc\n', [('A "b"', "c")]),
        ('"A\nb"\tc\n"d\te"\tf\n', [("A\nb", "c"), ("d\te", "f")]),
    ],
)
def test_quotes_between_tabs_are_text_unless_they_enclose_values(
    tmp_path: Path, content: str, rows: list[tuple[str, str]]
) -> None:
    for name in ("a.tsv", "a.csv", "a.tsv.gz"):
        text = f"\nprompt\tcompletion\n{content}".encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        units = [Pair(prompt, completion, prompt) for prompt, completion in rows]
        assert read(tmp_path / name).units == units, name


def test_what_objects_of_tables_are_filled_up_with_is_not_there(tmp_path: Path) -> None:
    def talk(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        call = {"type": "function", "function": {"name": name, "arguments": arguments}}
        properties = {field: {"type": "string"} for field in arguments}
        tool = {"type": "function", "function": {"name": name, "parameters": {"properties": properties}}}
        return {
            "messages": [ASKED, {"role": "assistant", "content": "", "tool_calls": [call]}],
            "tools": [tool],
        }

    rows = [talk("weather", {"city": "Paris"}), talk("add", {"a": 1, "b": [{"c": 2}, {"d": None}]})]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    first, second = read(tmp_path / "a.parquet").units
    assert isinstance(first, Conversation)
    assert isinstance(second, Conversation)
    assert list(first.messages[1]["tool_calls"]) == rows[0]["messages"][1]["tool_calls"]
    assert list(first.tools or ()) == rows[0]["tools"]
    assert second.messages[1]["tool_calls"][0]["function"]["arguments"] == {"a": 1, "b": [{"c": 2}, {}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(talk("add", {"a": None})))
    (written,) = read(tmp_path / "a.jsonl").units
    assert isinstance(written, Conversation)
    assert written.messages[1]["tool_calls"][0]["function"]["arguments"] == {"a": None}  # as it was written


@pytest.mark.parametrize(
    "content",
    [
        ",question,answer\n0,Who?,I.\n1,Who?,I.\n",  # as pandas writes it, with its index
        "\nquestion,answer\nWho?,I.\nWho?,I.\n",
        'question;answer;"more, or less"\nWho?;I.;\nWho?;I.;\n',
        'question\tanswer\t"a ""b"", c; d"\nWho?\tI.\t\nWho?\tI.\t\n',
    ],
)
def test_tables_as_programs_write_them(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    assert read(tmp_path / "a.csv").units == [Pair("Who?", "I.", "Who?\n")] * 2


def test_values_that_no_text_stands_for_are_written_by_templates_as_they_are(tmp_path: Path) -> None:
    rows = [{"question": "When?", "answer": {"day": datetime.date(2024, 7, 26)}}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet", prompt="{question}", completion="{answer.day} {answer}")
    assert found.units == [Pair("When?", '"2024-07-26" {"day": "2024-07-26"}', "When?")]


def test_a_table_whose_values_cannot_be_made_is_refused(tmp_path: Path) -> None:
    times = pyarrow.array([datetime.datetime(2024, 7, 26)], pyarrow.timestamp("us", tz="Nowhere/There"))
    pyarrow.parquet.write_table(pyarrow.table({"text": times}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"cannot be read as Parquet: .*Nowhere/There"):
        read(tmp_path / "a.parquet")
