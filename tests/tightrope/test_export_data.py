"""Configurations for other trainers name the data as they are read; the script for TRL reads them alike."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from search.config.load import load_config
from tests.tightrope.exports import ADAPTER
from tightrope.export.card import _names
from tightrope.export.recipes import RECIPES
from trainables.data.messages import ROLES
from trainables.data.reading import read_units
from trainables.data.units import Conversation, Document, Pair, Unit
from trainables.lora.parameters import LoraOptions, LoraParameters
from trainables.lora.recipe import recipe
from trainables.recipe import Recipe, Run
from trainables.settings import TaskConfig

SQUAD = {"text": ["The keeper.", "He"], "answer_start": [0, 4]}
TURNS = [
    {"role": "assistant", "content": "Hello."},
    {"from": "Human", "value": "Who?", "weight": None},
    {"role": "assistant", "content": [{"type": "text", "text": "I"}, "."]},
    {"role": "user", "content": "And?"},
    {"role": "assistant", "content": "Nobody.", "train": False},
]
ROWS: dict[str, list[dict[str, Any]]] = {
    "template": [
        {"story": "A {b} was.\u2028", "moral": {"said": ["é", 1]}, "a.b": "x", "date": "2020-01-01"},
        {"story": "C", "moral": {"said": ["d", 2.5]}, "a.b": True, "date": "2020-01-02"},
    ],
    "messages": [
        {"messages": TURNS, "system": "Be brief."},
        {"messages": json.dumps(TURNS[1:3]), "system": " "},
        {"messages": TURNS[:2]},
        {"messages": TURNS, "label": False},
        {"messages": [{**turn, "loss": 0.4, "training": "no"} for turn in TURNS], "label": "true"},
    ],
    "conversations": [{"conversation": TURNS}, {"conversations": TURNS[3:]}],
    "alpaca": [
        {"instruction": "Add.", "context": "1 2", "response": "3"},
        {"instruction": "Add.", "input": " ", "output": "0", "system": "Be brief."},
        {"instruction": "Add.", "output": "5", "kto_tag": False},
    ],
    "preference": [
        {"prompt": "Who?", "chosen": "I.", "rejected": "You.", "system": "Be brief."},
        {"prompt": "Hello.", "chosen": TURNS[1:3], "rejected": [TURNS[1], {"from": "gpt", "value": "No."}]},
        {"conversations": TURNS[:2], "chosen": {"from": "gpt", "value": "I."}, "rejected": "You."},
        {"instruction": "Add.", "context": "1 2", "chosen": "3", "rejected": "4"},
        {"question": "Who?", "context": "A light.", "chosen": "I.", "rejected": "You."},
    ],
    "question": [
        {"question": "Who?", "answers": SQUAD, "context": "A light."},
        {"question": "Who?", "answer": "I."},
        {
            "question": "Who?",
            "answers": ["I.", "You."],
            "context": " ",
            "passage": ["A light.", "", "A keeper."],
        },
        {"question": "Who?", "answer": "I.", "answers": [{"text": "You."}], "article": 5},
        {"question": "Who?", "answer": " ", "answers": ["I."]},
        {"question": "Who?", "answer": "No.", "label": False, "system": {"name": "Linux"}},
        {"question": "Who?", "answer": "No.", "kto_tag": "false"},
        *(
            {"question": "Who?", "answer": "I.", "history": history}
            for history in (
                "a man",
                ["hi", "ho"],
                [{"query": "a", "response": "b"}],
            )
        ),
    ],
    "completion": [
        {"prompt": "[1]", "completion": "I."},
        {"prompt": TURNS[1:4], "completion": [{"role": "assistant", "content": "I."}]},
        {"prompt": "Who?", "completion": {"role": "gpt", "content": "I."}},
        {"prompt": json.dumps(TURNS[1:2]), "completion": "I.", "system_prompt": "Be brief.", "label": True},
        {"prompt": "Who?", "completion": "You.", "label": "False"},
        {"prompt": '[{"from": "A", "to": "B"}]', "completion": '{"from": "A", "to": "B"}'},
    ],
    "text": [{"text": "A page.\n\nOf two."}, {"text": "B"}],
}
TEMPLATE = {"prompt": r"{story}\nWhy {{?}}\t{a.b}", "completion": "{moral.said.0} {moral} {date}"}


def make_recipe(**task: Any) -> Recipe:
    config = load_config(["space=demo"]).config
    made = TaskConfig.model_validate({"name": "t", "train": "mine.jsonl"} | task)
    options = LoraOptions.model_validate({**config.options.model_dump(), "task": made.model_dump()})
    return recipe(Run(options, LoraParameters(), 90, ADAPTER, {"format": task.get("format", "text")}))


def examples(made: Recipe) -> list[dict[str, Any]]:
    """What the data part of the script for TRL gives."""
    text = RECIPES["trl"].write(made)
    compile(text, "script", "exec")
    light = [line for line in text.splitlines() if line.startswith(("import ", "from datasets "))]
    scope: dict[str, Any] = {}
    exec("\n".join([*light, text[text.index("\ndef ") : text.index("\nmodel = ")]]), scope)
    return list(scope["data"])


def plain(turns: Any) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in turns]


def check(units: list[Unit], read: list[dict[str, Any]], *, last: bool = False) -> None:
    assert len(units) == len(read)
    for unit, example in zip(units, read, strict=True):
        match unit:
            case Pair():
                assert plain(example["prompt"]) == [("user", unit.prompt)]
                assert plain(example["completion"]) == [("assistant", unit.completion)]
            case Conversation() if last or unit.first:
                begin = unit.turns[-1] if last else unit.first
                end = begin + 1 if last else None
                assert plain(example["prompt"]) == plain(unit.messages[:begin])
                assert plain(example["completion"]) == plain(unit.messages[begin:end])
            case Conversation():
                assert plain(example["messages"]) == plain(unit.messages)
            case Document():
                assert example == {"text": unit.text}


def save(name: str, records: list[dict[str, Any]]) -> None:
    """Writes records as what the name's endings say."""
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    header = list(records[0])
    match Path(name.removesuffix(".gz")).suffix:
        case ".json":
            text = json.dumps({"version": 1, "data": records})
        case ".csv" | ".tsv":
            mark = "\t" if ".tsv" in name else ";"
            with open("table", "w", newline="", encoding="utf-8-sig") as file:
                writer = csv.DictWriter(file, header, delimiter=mark)
                writer.writeheader()
                writer.writerows(records)
            text = Path("table").read_bytes().decode()
        case ".txt":
            text = "\n\n\n\n".join(f"{record['text']}" for record in records)
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(records), name)
            return
        case _:
            text = "\n\n".join(lines)
    content = text.encode()
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", ROWS)
def test_the_script_for_trl_reads_records_as_the_search_did(form: str) -> None:
    save("mine.jsonl", ROWS[form])
    settings = {"format": form} | (TEMPLATE if form == "template" else {})
    task = TaskConfig.model_validate({"name": "t", "train": "mine.jsonl", **settings})
    units = read_units("mine.jsonl", "task.train", task).units
    check(units, examples(make_recipe(**settings)))
    if form in ("messages", "conversations"):
        learned = [unit for unit in units if isinstance(unit, Conversation) and unit.turns]
        check([*learned], examples(make_recipe(**settings, loss="last")), last=True)


def test_the_script_for_trl_knows_labels_that_say_something_else() -> None:
    rows = [{"prompt": "Who?", "completion": "a", "label": label} for label in ("true", "false", "half-true")]
    save("mine.jsonl", rows)
    assert len(examples(make_recipe(format="completion"))) == 3
    save("mine.jsonl", rows[:2])
    assert len(examples(make_recipe(format="completion"))) == 1


@pytest.mark.parametrize("history", [[["Who?", "a"]], TURNS[1:3]])
def test_the_script_for_trl_reads_the_history_of_a_prompt(history: Any) -> None:
    save("mine.jsonl", [{"instruction": "And?", "output": "b", "history": history, "system": "S"}])
    (unit,) = read_units("mine.jsonl", "task.train", TaskConfig(name="t", train="mine.jsonl")).units
    (example,) = examples(make_recipe(format="alpaca"))
    assert isinstance(unit, Conversation)
    assert plain(example["prompt"] + example["completion"]) == plain(unit.messages)


@pytest.mark.parametrize(
    "call",
    [
        {"role": "assistant", "tool_calls": [{"function": {"name": "add", "arguments": "{}"}}]},
        {"role": "assistant", "content": "", "function_call": {"name": "add", "arguments": "{}"}},
    ],
)
def test_the_script_for_trl_stops_at_calls_of_tools(call: dict[str, Any]) -> None:
    save("mine.jsonl", [{"messages": [{"role": "user", "content": "Add."}, call]}])
    with pytest.raises(ValueError, match="Tool calls are not converted"):
        examples(make_recipe(format="messages"))


@pytest.mark.parametrize(
    "name",
    ["a.jsonl", "a.ndjson.gz", "a.json", "a.csv", "a.csv.gz", "a.tsv", "a.parquet", "a.txt", "folder"],
)
def test_the_script_for_trl_reads_files_as_the_search_did(name: str) -> None:
    rows = [
        {"prompt": "007", "completion": 'a "b",\n;c', "text": "x"},
        {"prompt": "", "completion": "d", "text": "y"},
    ]
    form = "text" if name == "a.txt" else "completion"
    if name == "folder":
        Path("folder").mkdir()
        save("folder/1.jsonl", rows)
        save("folder/2.csv", rows)
        save("folder/3.jsonl", rows)
    else:
        save(name, rows)
    task = TaskConfig(name="t", train=name, format=form)
    check(read_units(name, "task.train", task).units, examples(make_recipe(train=name, format=form)))


def test_the_script_for_trl_reads_tables_as_the_search_did() -> None:
    Path("a.tsv").write_text('prompt\tcompletion\n"Hi\tb1\nx"\tb2\n')
    Path("b.tsv").write_text('prompt\tcompletion\n"A ""b"""\tc\n')
    pq.write_table(pa.Table.from_pylist([{"a": {"b": "c"}}, {"a": {"d": [{"e": "f"}, {}]}}]), "c.parquet")
    for settings in (
        {"train": ["a.tsv", "b.tsv"], "format": "completion"},
        {"train": "c.parquet", "prompt": "{a}", "completion": "{a}", "format": "template"},
    ):
        task = TaskConfig.model_validate({"name": "t", **settings})
        check(read_units(task.train, "task.train", task).units, examples(make_recipe(**settings)))


def test_every_trainer_gets_a_name_that_it_can_load() -> None:
    Path("mine.py").write_text("def thanks():\n    yield {'text': 'a'}\n")
    Path("my.data").mkdir()
    save("my.data/a.tsv", ROWS["text"])
    made = make_recipe(train="org/name.v2:config#split", format="text")
    assert "load_dataset('org/name.v2', 'config', split='split')" in RECIPES["trl"].write(made)
    (entry,) = yaml.safe_load(RECIPES["axolotl"].write(made))["datasets"]
    assert (entry["path"], entry["name"], entry["split"]) == ("org/name.v2", "config", "split")
    said = " ".join(RECIPES["llamafactory"].unsaid(made))
    assert '"hf_hub_url": "org/name.v2", "split": "split", "subset": "config"' in said
    made = make_recipe(train=["my.data", "~/gone.jsonl.gz"], format="text")
    assert "not there" in " ".join(made.unsaid)
    assert f"'{Path.home()}/gone.jsonl.gz'" in RECIPES["trl"].write(made)
    made = make_recipe(train="my.data", format="text")
    (entry,) = yaml.safe_load(RECIPES["axolotl"].write(made))["datasets"]
    assert (entry["path"], entry["ds_type"]) == ("my.data/a.tsv", "csv")
    assert "Tabs between the columns" in " ".join(RECIPES["axolotl"].unsaid(made))
    assert "does not read my.data/a.tsv" in " ".join(RECIPES["llamafactory"].unsaid(made))
    made = make_recipe(train="mine.py:thanks", format="text")
    assert "data were not there" in " ".join(made.unsaid)


def test_a_card_names_data_without_the_folders_that_they_lie_in() -> None:
    names = ["org/name.v2:config", "data/mine.jsonl", "/a/b/c.txt", "embedded:a.jsonl", "lm_eval:/a/my.yaml"]
    shown = "org/name.v2:config, mine.jsonl, c.txt, embedded:a.jsonl, lm_eval:my.yaml"
    assert _names([*names, "lm_eval:arc_easy"]) == f"{shown}, lm_eval:arc_easy"


def test_all_roles_are_known_to_the_script() -> None:
    turns = [{"role": name, "content": "a"} for name in ROLES]
    save("mine.jsonl", [{"messages": turns}])
    (example,) = examples(make_recipe(format="messages"))
    assert [turn["role"] for turn in example["messages"]] == list(ROLES.values())
