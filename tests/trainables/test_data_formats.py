"""Reading files of every kind, and recognising what their records are."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.data.fields import filled
from trainables.data.formats import FORMATS, also_fitting, recognise
from trainables.data.reading import ReadUnits, read_records, read_units
from trainables.data.sources import HubDataset, LocalFile, LocalFiles, locate
from trainables.data.units import Conversation, Document, Pair, Unit
from trainables.errors import UserError
from trainables.settings import TaskConfig

ASKED = {"role": "user", "content": "Who?"}
REPLIED = {"role": "assistant", "content": "I."}
PARTS = [{"type": "text", "text": "I."}]
TALK = Conversation((ASKED, REPLIED))
SYSTEM = {"role": "system", "content": "S"}
BEFORE = ({"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Here."})
WRONG = {"role": "assistant", "content": "You."}
TOOL = {"name": "lamp", "parameters": {"type": "object"}}
BESIDE: list[dict[str, Any]] = [
    *({"history": said} for said in ("55-year-old man", ["hi", "hello"], [{"query": "a", "response": "b"}])),
    *({"history": said} for said in ([["a", None]], [{"role": "pirate", "content": "a"}], {"taken": "x"})),
    *({"tools": said} for said in ("calculator", ["hammer"], [{"name": "hammer"}], {"saw": 2})),
    *({"system": said} for said in (["Linux"], {"name": "Linux"})),
]
"""What stands beside a prompt, but is neither a conversation nor tools nor a system text."""
EXAMPLES: dict[str, list[tuple[dict[str, Any], Unit]]] = {
    "template": [({"story": "A.", "moral": "B."}, Pair("Moral of A.\n", "B.", "Moral of A.\n"))],
    "messages": [
        ({"messages": [ASKED, REPLIED]}, TALK),
        ({"messages": json.dumps([ASKED, REPLIED]), "source": "cell"}, TALK),
        ({"messages": [{**ASKED, "name": None}, {**REPLIED, "content": PARTS}]}, TALK),
    ],
    "conversations": [
        ({"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "I."}]}, TALK),
        (
            {"system": "S", "conversation": [{"from": "user", "value": "Who?"}, REPLIED]},
            Conversation(({"role": "system", "content": "S"}, ASKED, REPLIED)),
        ),
    ],
    "alpaca": [
        (
            {"instruction": "Add.", "input": "1 2", "output": "3"},
            Pair("Add.\n\n1 2", "3", "### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n"),
        ),
        (
            {"instruction": "Hi.", "input": "", "output": "Ho."},
            Pair("Hi.", "Ho.", "### Instruction:\nHi.\n\n### Response:\n"),
        ),
        (
            {"instruction": "Who?", "output": "I.", "system": "S", "history": [["Where?", "Here."]]},
            Conversation(
                (SYSTEM, *BEFORE, ASKED, REPLIED),
                plain="S\n\nWhere?\nHere.\n### Instruction:\nWho?\n\n### Response:\n",
            ),
        ),
    ],
    "preference": [
        ({"prompt": "Who?", "chosen": "I.", "rejected": "You."}, Pair("Who?", "I.", "Who?")),
        (
            {"question": "Who?", "chosen": "I.", "rejected": "You.", "system": "S"},
            Conversation((SYSTEM, ASKED, REPLIED), first=2, plain="S\n\nWho?\n"),
        ),
        (
            {"instruction": "Hi.", "input": "", "chosen": "Ho.", "rejected": "No."},
            Pair("Hi.", "Ho.", "### Instruction:\nHi.\n\n### Response:\n"),
        ),
        (
            {"conversations": [*BEFORE, ASKED], "chosen": {"from": "gpt", "value": "I."}, "rejected": WRONG},
            Conversation((*BEFORE, ASKED, REPLIED), first=3),
        ),
        (
            {"prompt": "Where?", "chosen": [*BEFORE, ASKED, REPLIED], "rejected": [*BEFORE, ASKED, WRONG]},
            Conversation((*BEFORE, ASKED, REPLIED), first=3),
        ),
    ],
    "completion": [
        ({"prompt": "Who?", "completion": "I."}, Pair("Who?", "I.", "Who?")),
        ({"prompt": [ASKED], "completion": [REPLIED]}, Conversation((ASKED, REPLIED), first=1)),
        (
            {"prompt": json.dumps([ASKED]), "completion": json.dumps([REPLIED]), "system": "S"},
            Conversation((SYSTEM, ASKED, REPLIED), first=2),
        ),
        (
            {"prompt": "Who?", "completion": "I.", "history": [*BEFORE], "system_prompt": " "},
            Conversation((*BEFORE, ASKED, REPLIED), plain="Where?\nHere.\nWho?"),
        ),
        ({"prompt": "[1]", "completion": "[2]", "label": True}, Pair("[1]", "[2]", "[1]")),
        *(
            ({"prompt": text, "completion": text}, Pair(text, text, text))
            for text in (
                '{"from": "Berlin", "to": "Paris"}',
                '[{"from": "A", "to": "B"}]',
                '[{"from": "user", "to": "B"}]',
                '{"role": "engineer", "content": "x"}',
                '{"role": "assistant", "content": "x"}',
                "[{'value': 5}]",
                "[{'from': 'A', 'value': 5}]",
            )
        ),
    ],
    "question": [
        ({"question": "Who?", "answer": "I."}, Pair("Who?", "I.", "Who?\n")),
        ({"question": "Who?", "answers": ["I.", "Me."]}, Pair("Who?", "I.", "Who?\n")),
        (
            {"context": "C.", "question": "Who?", "answers": {"text": ["I."], "answer_start": [0]}},
            Pair("C.\n\nWho?", "I.", "C.\n\nWho?\n"),
        ),
        (
            {"question": "Who?", "answer": "I.", "options": [], "system": "S"},
            Conversation((SYSTEM, ASKED, REPLIED), first=2, plain="S\n\nWho?\n"),
        ),
        (
            {"question": "Who?", "answer": "I.", "tools": json.dumps([TOOL]), "label": False},
            Conversation((ASKED, REPLIED), (TOOL,), first=1, plain="Who?\n"),
        ),
        *(
            ({"question": "Who?", "answer": "I.", **beside}, Pair("Who?", "I.", "Who?\n"))
            for beside in BESIDE
        ),
    ],
    "text": [({"text": "2024-01-02T03:04:05"}, Document("2024-01-02T03:04:05"))],
}  # fmt: skip
SETTINGS = {"template": {"prompt": r"Moral of {story}\n", "completion": "{moral}"}}


def task(**settings: Any) -> TaskConfig:
    return TaskConfig.model_validate({"name": "task", "train": "unused", **settings})


def read(path: Path | list[Path], **settings: Any) -> ReadUnits:
    source = [str(one) for one in path] if isinstance(path, list) else str(path)
    return read_units(source, "task.train", task(**settings))


def test_every_form_has_examples() -> None:
    assert set(EXAMPLES) <= set(FORMATS)
    assert all(FORMATS.lines().values())


@pytest.mark.parametrize("name", list(FORMATS))
def test_the_example_of_a_form_is_recognised_and_no_other_form_takes_it(name: str) -> None:
    form, settings = FORMATS[name], task(**SETTINGS.get(name, {}))
    assert recognise([form.example], settings) is form
    assert also_fitting(form.example, settings, form) == []
    made = form.make(form.example, settings)
    assert all(unit.text for unit in (made if isinstance(made, Sequence) else [made]))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_form_is_recognised_by_its_fields_and_none_other_takes_its_records(
    tmp_path: Path, name: str
) -> None:
    records, units = zip(*EXAMPLES[name], strict=True)
    for record, unit in EXAMPLES[name]:
        (tmp_path / "one.jsonl").write_text(json.dumps(record))
        found = read(tmp_path / "one.jsonl", **SETTINGS.get(name, {}))
        assert (found.format.name, found.units) == (name, [unit])
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    said = read(tmp_path / "all.jsonl", format=name, **SETTINGS.get(name, {}))
    assert said.units == list(units)
    assert all(
        FORMATS[name].make(record, task(**SETTINGS.get(name, {}))) == unit for record, unit in EXAMPLES[name]
    )
    assert units[0].text


def _json_list(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text(json.dumps(rows, indent=1))


def _json_field(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text(json.dumps({"version": "1", "data": rows}))


def _jsonl(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(row).encode() for row in rows))


def _table(delimiter: str) -> Callable[[Path, list[dict[str, str]]], None]:
    def write(path: Path, rows: list[dict[str, str]]) -> None:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)

    return write


def _parquet(path: Path, rows: list[dict[str, str]]) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


WRITERS: dict[str, Callable[[Path, list[dict[str, str]]], None]] = {
    "data.jsonl": _jsonl,
    "data.ndjson": _jsonl,
    "list.json": _json_list,
    "field.json": _json_field,
    "data.csv": _table(","),
    "semicolons.csv": _table(";"),
    "data.tsv": _table("\t"),
    "data.parquet": _parquet,
}
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=5))
def test_every_kind_of_file_says_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("kinds")
    rows = [{"prompt": prompt, "completion": completion} for prompt, completion in pairs]
    for name, write in WRITERS.items():
        if ".tsv" in name and any({"\t", "\n"} <= {*text} for pair in pairs for text in pair):
            continue  # may be what a table without quoting says
        write(folder / name, rows)
        assert read_records(locate(str(folder / name), "key", "train"), "key").rows == rows, name
        if name != "data.parquet":
            (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
            assert read_records(locate(str(folder / f"{name}.gz"), "key", "train"), "key").rows == rows, name


@settings(deadline=None, max_examples=12)
@given(st.lists(st.sampled_from(["a", "\n", "\r\n", "\r", "é", " ", "\ufeff"]), max_size=14))
def test_plain_text_is_cut_into_the_paragraphs_of_the_library(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("text") / "data.txt"
    path.write_bytes(("x" + "".join(parts) + "y").encode())
    known = datasets.Dataset.from_text(
        str(path), sample_by="paragraph", keep_in_memory=True, cache_dir=str(path.parent)
    )
    assert read_records(locate(str(path), "key", "train"), "key").rows == list(known)


@pytest.mark.parametrize("name", sorted(name for name in FORMATS if name != "template"))
def test_the_only_line_of_a_file_is_a_record_whatever_lists_it_holds(tmp_path: Path, name: str) -> None:
    (tmp_path / "data.jsonl").write_text(json.dumps(FORMATS[name].example) + "\n")
    records = read_records(locate(str(tmp_path / "data.jsonl"), "key", "train"), "key")
    assert records.rows == [FORMATS[name].example]
    single = {"train": [{"prompt": "a"}], "note": "b"}
    (tmp_path / "single.ndjson").write_text(json.dumps(single))
    assert read_records(locate(str(tmp_path / "single.ndjson"), "key", "train"), "key").rows == [single]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_bytes(b"\xef\xbb\xbfOne.\r\n\r\nTwo.")
    found = read(tmp_path / "data.txt")
    assert (found.stream, found.units) == (True, [Document("One."), Document("Two.")])


def test_folders_and_lists_of_files(tmp_path: Path) -> None:
    for name in "ba":
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": name}))
    (tmp_path / "README.md").write_text("About the data.")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "c.jsonl").write_text(json.dumps({"text": "c"}))
    assert read(tmp_path).units == [Document("a"), Document("b")]
    assert read([tmp_path / "b.jsonl", tmp_path / "a.jsonl"]).units == [Document("b"), Document("a")]
    with pytest.raises(UserError, match="is plain text and"):
        read([tmp_path / "b.jsonl", tmp_path / "README.md"])
    (tmp_path / "b.jsonl.zst").write_bytes(b"x")
    with pytest.raises(UserError, match=r"b\.jsonl\.zst' is compressed in a way that is not read"):
        read(tmp_path)
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(UserError, match="save_to_disk"):
        read(tmp_path)


def test_names_of_hub_data_sets_and_of_their_configurations() -> None:
    assert locate("org/name", "key", "train", "small") == HubDataset("org/name", "small", "train")
    assert locate("org/name:small#test", "key", "train", "small") == HubDataset("org/name", "small", "test")
    with pytest.raises(UserError, match=r"'small', and task\.subset 'large'"):
        locate("org/name:small", "key", "train", "large")
    file = locate("embedded:domain_train.jsonl", "key", "train")
    assert isinstance(file, LocalFiles)
    assert isinstance(file.files[0], LocalFile)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"story": "x", "moral": "y"}', r"record 1 has fields that match no known form: story,"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "\\ud800"}', r":2 holds half of a character \(\\ud800\)"),
        ("a.jsonl", b'{"text": "x"}\n{"text": 3}', r":2 has a number instead of text in the field 'text'"),
        ("a.jsonl", b'{"text": "x"}\n\n{"text": null}', r":3 lacks the field 'text'"),
        ("a.jsonl", b'{"text": "x"}\n[1]', r":2 is not a JSON object"),
        ("a.jsonl", b'{"text": "x"}\n{"text": 1' + b"0" * 5000 + b"}", r":2 .* number is too long"),
        ("a.json", b"[1, 2]", r"record 1 is not a JSON object"),
        ("a.json", b'[{"text": "x"}', r"is not JSON"),
        ("a.json", b"3", r"contains no JSON objects"),
        ("a.jsonl", b'{"text": "x"}\n\xff', r":2 is not text in UTF-8"),
        ("a.txt", b"One.\n\nTwo\xff", r"a\.txt, after line 1, is not text in UTF-8"),
        ("a.txt", b"One.\n\0", r"a\.txt:2 contains NUL bytes"),
        ("a.csv", b"text\nx\0\n", r"a\.csv:2 contains NUL bytes"),
        ("a.csv", b"text\nx\n\xff", r"a\.csv, after line 1, is not text in UTF-8"),
        ("a.csv", b"text,text\nx,y\n", r"a\.csv:1 is not a header"),
        ("a.csv", b"text,more\nx\n", r"a\.csv:2 has 1 values, but the header names 2"),
        ("a.csv", b'text\n"x', r"is not CSV"),
        ("a.csv.gz", b"text\nx\n", r"cannot be unpacked"),
        ("a.parquet", b"PAR1 and no more", r"cannot be read as Parquet"),
        ("a.jsonl", b'{"messages": 3}', r"has no list of messages in the field 'messages'"),
        ("a.jsonl", b'{"messages": []}', r"has no messages"),
        ("a.jsonl", b'{"messages": [{"role": "pirate", "content": "x"}]}', r"role 'pirate' in messages\.0"),
        ("a.jsonl", b'{"messages": [{"role": "user"}]}', r"a message without content in messages\.0"),
        ("a.jsonl", b'{"messages": [{"role": "user", "content": [{"type": "image"}]}]}', r"that is not text"),
        ("a.jsonl", b'{"question": "", "answer": null}\n{"question": "", "answer": ""}', ":1 lacks"),
        ("a.jsonl", b'{"messages": "Hello."}', r"has text that is not a JSON list of messages"),
        ("a.csv", b'messages\n"[{\'role\': \'user\'}]"\n', r":2 has text that .* json\.dumps"),
        ("a.csv", b'prompt,completion\n"[{\'role\': \'user\'}]",x\n', r":2 has messages that are not JSON"),
        *(
            ("a.jsonl", b'{"messages": [{"role": "user", "content": "", %s}]}' % said, rf"has the {shown} in")
            for said, shown in (
                (b'"weight": 0.2', r"weight '0\.2'"),
                (b'"weight": "0"', "weight '0'"),
            )
        ),
        ("a.jsonl", b'{"messages": [], "completion": "y"}', r"has no messages"),
        ("a.jsonl", b'{"prompt": "x", "completion": "y", "label": false}', r"every reply is labelled as"),
        ("a.jsonl", b'{"chosen": "x", "rejected": "y"}', r"no prompt.*task\.text_field=chosen"),
        (
            "a.jsonl",
            b'{"article": "A.", "question": "x", "options": ["a", "b"], "answer": "B"}',
            r"has a question with choices in the field 'options'.*'task\.prompt=\{article\}\\n\\n\{question\}"
            r"\\nA\. \{options\.0\}\\nB\. \{options\.1\}' 'task\.completion=\{answer\}'",
        ),
        (
            "a.jsonl",
            b'{"question": "x", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answer": 1}',
            r"with choices.*0\. \{choices\.text\.0\}\\n1\. \{choices\.text\.1\}'",
        ),
        ("a.csv", b'text\nx\n"y" z\n', r"a\.csv:3 is not CSV"),
        ("a.csv", b"\n\ntext,more\nx\n", r"a\.csv:4 has 1 values, but the header names 2"),
        ("a.jsonl", b'{"question": "x", "answers": []}', r"has no answer in the field 'answers'"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_named_in_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        read(tmp_path / name)
    assert re.match(rf"task\.train: .*{message}", " ".join(str(error.value).split("\n")))
    assert "\n" not in error.value.message


def test_no_tools_may_be_written_as_an_empty_cell(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": [ASKED, REPLIED], "tools": ""}))
    assert read(tmp_path / "a.jsonl").units == [TALK]


def test_replies_that_are_labelled_as_bad_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Who?", "completion": reply, "label": label}
        for reply, label in (("A.", False), ("B.", True), ("C.", "False"), ("D.", None))
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    made = read(tmp_path / "a.jsonl")
    assert [unit.completion for unit in made.units if isinstance(unit, Pair)] == ["B.", "D."]
    assert (made.rejected, [made.place(unit)[-2:] for unit in range(2)]) == (2, [":2", ":4"])
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "A document.", "label": False}))
    assert read(tmp_path / "a.jsonl").units == [Document("A document.")]


@pytest.mark.parametrize(
    ("fields", "labels", "rejected"),
    [
        (("prompt", "completion"), ("true", "false", "half-true"), 0),
        (("prompt", "completion"), (True, False, 2), 0),
        (("prompt", "completion"), ("TRUE", "false", ""), 1),
        (("question", "answer"), (True, False, False), 0),
    ],
)
def test_labels_that_say_something_else_leave_nothing_out(
    tmp_path: Path, fields: tuple[str, str], labels: tuple[Any, ...], rejected: int
) -> None:
    rows = [dict.fromkeys(fields, str(label)) | {"label": label} for label in labels]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    made = read(tmp_path / "a.jsonl")
    assert (made.rejected, len(made.units)) == (rejected, 3 - rejected)
    assert ("label" in made.unused) == (rejected == 0 and isinstance(labels[0], str))
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row | {"kto_tag": False}) for row in rows[:2]))
    with pytest.raises(UserError, match="every reply is labelled as a bad one"):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("record", "settings", "unused"),
    [
        ({"prompt": "a", "completion": "b", "id": "7", "user_id": "8", "n": 3, "system": " "}, {}, ()),
        ({"prompt": "a", "completion": "b", "passage": "c", "tags": ["d"]}, {}, ("passage", "tags")),
        ({"instruction": "a", "output": "b", "input": "c", "context": "d"}, {}, ("context",)),
        ({"messages": [ASKED, REPLIED], "tools": "", "source": "e"}, {}, ("source",)),
        ({"a": "b", "c": {"d": "e"}, "f": "g"}, {"prompt": "{a}", "completion": "{c.d}"}, ("f",)),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, {}, ("rejected",)),
        ({"prompt": "a", "completion": "b", "label": "True"}, {}, ()),
        *(({"question": "a", "answer": "b", **beside}, {}, tuple(beside)) for beside in BESIDE),
        ({"question": "a", "answer": "b", "history": [["c", "d"]], "tools": [TOOL], "system": "e"}, {}, ()),
    ],
)
def test_fields_that_are_not_trained_on_are_known(
    tmp_path: Path, record: dict[str, Any], settings: dict[str, str], unused: tuple[str, ...]
) -> None:
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(record)}\n" * 2)
    assert read(tmp_path / "a.jsonl", **settings).unused == unused


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ({"id": "x", "dialog": [ASKED, REPLIED]}, "rename the field 'dialog' to 'messages'"),
        ({"route": {"from": "A"}, "ask": "B?", "say": "C."}, "'task.prompt={ask}' 'task.completion={say}'"),
        ({"a_id": "x", "a": "Who?", "b": [REPLIED]}, "task.prompt_field=a task.completion_field=b"),
        (
            {"q_id": "x", "q": "A?", "chosen": "B.", "rejected_reply": "C."},
            "'task.prompt={q}' 'task.completion={chosen}'",
        ),
    ],
)  # fmt: skip
def test_the_line_to_type_knows_messages_and_leaves_out_identifiers(
    tmp_path: Path, record: dict[str, Any], line: str
) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    with pytest.raises(UserError) as error:
        read(tmp_path / "a.jsonl")
    assert f"Say what to train on: {line}." in str(error.value.hint)


def test_a_form_that_is_not_known_is_answered_with_the_line_to_type(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"id": 1, "story so far": "A.", "\x1b[31m": "x", "moral": "B."})
    )
    with pytest.raises(UserError) as error:
        read(tmp_path / "a.jsonl")
    assert "'task.prompt={story so far}' 'task.completion={moral}'" in str(error.value)
    assert "\x1b" not in str(error.value)
    found = read(tmp_path / "a.jsonl", prompt="{story so far}", completion="{moral}")
    assert found.units == [Pair("A.", "B.", "A.")]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{a}", "x"),
        (r"{a}\n{b}\\n", "x\n3\\n"),
        ("{{a}} {a}", "{a} x"),
        ("{c.d.1}", "two"),
        ("{c}", '{"d": ["one", "two"]}'),
        ("{e.f}", "dotted"),
        ("{g}", "true"),
    ],
)
def test_templates_take_what_the_record_says(template: str, text: str) -> None:
    record = {"a": "x", "b": 3, "c": {"d": ["one", "two"]}, "e.f": "dotted", "g": True}
    assert filled(template, record) == text


@pytest.mark.parametrize(
    "given_settings",
    [
        {"prompt": "{a"},
        {"prompt": "{a}"},
        {"prompt": "{}", "completion": "{b}"},
        {"prompt": "a}", "completion": "{b}"},
        {"format": "template"},
        {"format": "alpaca", "prompt": "{a}", "completion": "{b}"},
    ],
)
def test_templates_without_sense_are_refused(given_settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"write \{name\}|go together|give both|uses no templates"):
        task(**given_settings)
