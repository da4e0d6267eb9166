"""Reading, tokenising and splitting training text."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from trainables import embedded
from trainables.data.examples import Example, TokenisedData
from trainables.data.facts import data_warnings
from trainables.data.lengths import PIECES, REPLIES, piece_length, reply_length
from trainables.data.sources import HubDataset, LocalFile, LocalFiles, locate
from trainables.data.split import sample, split_groups
from trainables.data.task import load_task
from trainables.data.tokenise import Tokeniser, target_bytes
from trainables.data.units import Conversation, Pair
from trainables.errors import UserError
from trainables.settings import TaskConfig


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(embedded.model_dir())


def task(train: Path | str, **settings: object) -> TaskConfig:
    return TaskConfig.model_validate({"name": "task", "train": str(train), **settings})


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def documents(count: int) -> list[dict[str, Any]]:
    return [{"text": f"Document {number} says {number * 7}."} for number in range(count)]


def decoded(tokenizer: Any, data: TokenisedData) -> list[str]:
    return [tokenizer.decode(example.input_ids) for example in data.examples]


def test_jsonl_and_parquet_give_the_same_examples(tmp_path: Path, tokenizer: Any) -> None:
    records = documents(20)
    jsonl = write_jsonl(tmp_path / "data.jsonl", records)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "data.parquet")
    first = load_task(task(jsonl), tokenizer, seed=0)
    second = load_task(task(tmp_path / "data.parquet"), tokenizer, seed=0)
    assert first.train.fingerprint == second.train.fingerprint
    assert (len(first.train.examples), len(first.heldout.examples)) == (18, 2)
    found = sorted(decoded(tokenizer, first.train) + decoded(tokenizer, first.heldout))
    assert found == sorted(record["text"] + tokenizer.eos_token for record in records)


def test_every_token_but_the_first_is_a_target(tmp_path: Path, tokenizer: Any) -> None:
    data = load_task(task(write_jsonl(tmp_path / "data.jsonl", documents(5))), tokenizer, seed=0)
    for example in data.train.examples:
        assert example.input_ids.dtype == np.int32
        assert example.loss_mask.tolist() == [False] + [True] * (len(example.input_ids) - 1)
        assert example.targets == len(example.input_ids) - 1


def test_long_documents_are_cut_and_stay_on_one_side(tmp_path: Path, tokenizer: Any) -> None:
    records = [{"text": " ".join(f"{name}{number}" for number in range(30))} for name in "abcdefgh"]
    data = load_task(
        task(write_jsonl(tmp_path / "data.jsonl", records), max_length=16, heldout_fraction=0.3), tokenizer, 1
    )
    assert max(len(example.input_ids) for example in data.train.examples) == 16
    train, heldout = "".join(decoded(tokenizer, data.train)), "".join(decoded(tokenizer, data.heldout))
    for name in "abcdefgh":
        assert (f"{name}1 " in train) != (f"{name}1 " in heldout)


def test_plain_text_is_packed_without_losing_any(tmp_path: Path, tokenizer: Any) -> None:
    paragraphs = [f"Paragraph {number}\nin two lines." for number in range(40)]
    (tmp_path / "text.txt").write_text("\n\n".join(paragraphs) + "\n")
    (tmp_path / "other.txt").write_text("Something else altogether, held out.\n")
    given = task(tmp_path / "text.txt", heldout=str(tmp_path / "other.txt"), max_length=64)
    data = load_task(given, tokenizer, seed=0)
    lengths = [len(example.input_ids) for example in data.train.examples]
    assert set(lengths[:-1]) == {64}
    assert "".join(decoded(tokenizer, data.train)) == "\n\n".join(paragraphs) + "\n\n"


def test_completion_targets_only_the_reply_and_its_end(tmp_path: Path, tokenizer: Any) -> None:
    records = [{"prompt": f"Say {word}.", "completion": f"{word}!"} for word in ("yes", "no", "maybe")]
    path = write_jsonl(tmp_path / "data.jsonl", records)
    data = load_task(task(path, format="completion"), tokenizer, seed=0)
    for example in data.train.examples + data.heldout.examples:
        text = tokenizer.decode(example.input_ids)
        target = tokenizer.decode(example.input_ids[example.loss_mask])
        word = text.split("Say ")[1].split(".")[0]
        assert target == f"{word}!{tokenizer.eos_token}"
        conversation = [
            {"role": "user", "content": f"Say {word}."},
            {"role": "assistant", "content": f"{word}!"},
        ]
        assert text == tokenizer.apply_chat_template(conversation, tokenize=False)


def test_the_bytes_of_a_completion_are_those_of_the_reply(tokenizer: Any) -> None:
    pair = Pair("Who keeps the light?", "Señor Álvarez", "Who keeps the light?")
    tokenised = Tokeniser(tokenizer, task("unused.jsonl"))([pair], str)
    (example,) = chain.from_iterable(tokenised.cut(64).groups)
    assert target_bytes(tokenizer, example) == len("Señor Álvarez".encode())


def test_completion_without_a_template_is_concatenation(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(embedded.model_dir())
    tokenizer.chat_template = None
    records = [{"q": f"{number}+1=", "a": str(number + 1)} for number in range(4)]
    path = write_jsonl(tmp_path / "data.jsonl", records)
    settings = task(path, format="completion", prompt_field="q", completion_field="a")
    data = load_task(settings, tokenizer, seed=0)
    found = sorted(decoded(tokenizer, data.train) + decoded(tokenizer, data.heldout))
    assert found == [f"{number}+1={number + 1}{tokenizer.eos_token}" for number in range(4)]


def test_a_long_completion_is_truncated(tmp_path: Path, tokenizer: Any) -> None:
    records = [{"prompt": "Count.", "completion": f"{start} " * 90} for start in range(3)]
    path = write_jsonl(tmp_path / "data.jsonl", records)
    data = load_task(task(path, format="completion", max_length=24), tokenizer, seed=0)
    assert {len(example.input_ids) for example in data.train.examples} == {24}


def test_the_split_is_fixed_by_the_seed(tmp_path: Path, tokenizer: Any) -> None:
    settings = task(write_jsonl(tmp_path / "data.jsonl", documents(200)), heldout_examples=15)
    parts = [load_task(settings, tokenizer, seed) for seed in (3, 3, 4)]
    assert parts[0].heldout.fingerprint == parts[1].heldout.fingerprint
    assert parts[0].heldout.fingerprint != parts[2].heldout.fingerprint
    assert (len(parts[0].train.examples), len(parts[0].heldout.examples)) == (185, 15)


def example(content: int) -> Example:
    return Example(np.array([content, content + 1], dtype=np.int32), np.array([False, True]))


@given(
    st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=3), min_size=1, max_size=12),
    st.integers(1, 10),
    st.integers(0, 2**63 - 1),
)
def test_split_keeps_every_example_and_never_shares_a_document(
    contents: list[list[int]], wanted: int, seed: int
) -> None:
    groups = [[example(content) for content in group] for group in contents]
    split = split_groups(groups, wanted, seed)
    total = sum(len(group) for group in groups)
    assert len(split.train) + len(split.heldout) + split.gap == total
    assert len(split.heldout) <= wanted + 1
    if split.gap:
        return
    held = {id(item) for item in split.heldout}
    sides: dict[tuple[int, ...], set[bool]] = {}
    for content, group in zip(contents, groups, strict=True):
        sides.setdefault(tuple(content), set()).update(id(item) in held for item in group)
    assert all(len(side) == 1 for side in sides.values())


def pieces(count: int, first: int = 0) -> list[Example]:
    return [example(content) for content in range(first, first + count)]


def contents(examples: list[Example]) -> list[int]:
    return [int(one.input_ids[0]) for one in examples]


def test_the_number_of_held_out_examples_means_what_it_says() -> None:
    many = [pieces(2, 100 * number) for number in range(60)]
    split = split_groups([pieces(643, 10_000), *many], 32, seed=5)
    assert 32 <= len(split.heldout) <= 35
    assert split.gap == 0
    assert max(contents(split.heldout)) < 10_000


@pytest.mark.parametrize("seed", range(4))
def test_one_long_document_gives_a_block_with_gaps_around_it(seed: int) -> None:
    split = split_groups([pieces(400)], 40, seed)
    held, train = contents(split.heldout), contents(split.train)
    assert held == list(range(held[0], held[0] + 40))
    assert train == [one for one in range(400) if one < held[0] - 1 or one > held[-1] + 1]
    assert split.gap == 2


def test_of_many_long_documents_one_is_held_out_in_part_and_trained_on_in_none() -> None:
    groups = [pieces(50, 100 * number) for number in range(20)]
    split = split_groups([*groups, pieces(50, 300)], 10, seed=1)
    (document,) = {one // 100 for one in contents(split.heldout)}
    assert len(split.heldout) == 10
    assert document not in {one // 100 for one in contents(split.train)}
    assert len(split.train) + len(split.heldout) + split.gap == 50 * 21


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 2**63 - 1))
def test_sample_keeps_order_and_repeats_nothing(count: int, limit: int, seed: int) -> None:
    drawn = [
        int(item.input_ids[0]) for item in sample([example(number) for number in range(count)], limit, seed)
    ]
    assert len(drawn) == min(count, limit)
    assert drawn == sorted(set(drawn))


@pytest.mark.parametrize(
    ("name", "content", "settings", "message"),
    [
        ("data.jsonl", '{"body": "x"}\n', {}, r"record 1 has fields that match no known form: body"),
        ("data.jsonl", '{"text": 3}\n', {}, r"record 1 has a number instead of text in the field 'text'"),
        ("data.jsonl", "", {}, r"task\.train: .*data\.jsonl is empty"),
        ("data.jsonl", "{not json\n", {}, r"task\.train: .*data\.jsonl:1 is not JSON"),
        ("data.txt", "\n\n", {}, r"task\.train: "),
        ("data.txt", "One short text.", {}, r"task\.train: no examples are left"),
        ("data.docx", "text\nx\n", {}, r"task\.train: .*unknown file type"),
        ("data.parquet", "not parquet", {}, r"task\.train: .*not a Parquet file"),
        (
            "data.jsonl",
            '{"prompt": "x"}\n',
            {"format": "completion"},
            r"record 1 lacks the field 'completion'",
        ),
        (
            "data.jsonl",
            '{"prompt": "' + "long " * 90 + '", "completion": "x"}\n',
            {"format": "completion", "max_length": 64},
            r"task\.max_length: 1 of 1 prompts of task\.train leave no room",
        ),
    ],
)
def test_errors_name_the_setting(
    tmp_path: Path, tokenizer: Any, name: str, content: str, settings: dict[str, object], message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        load_task(task(tmp_path / name, **settings), tokenizer, seed=0)


def test_missing_heldout_file_and_equal_heldout_are_refused(tmp_path: Path, tokenizer: Any) -> None:
    path = write_jsonl(tmp_path / "data.jsonl", documents(5))
    with pytest.raises(UserError, match=r"task\.heldout: there is no file"):
        load_task(task(path, heldout=str(tmp_path / "missing.jsonl")), tokenizer, seed=0)
    for train, heldout in ((path, path), (tmp_path, path), (path, tmp_path / "." / "data.jsonl")):
        with pytest.raises(UserError, match=r"task\.heldout is the same as task\.train, or shares a file"):
            load_task(task(train, heldout=str(heldout)), tokenizer, seed=0)


@pytest.mark.parametrize("form", ["completion", "text"])
def test_what_is_held_out_too_is_left_out_of_training(tmp_path: Path, tokenizer: Any, form: str) -> None:
    records = documents(30)
    if form == "completion":
        records = [{"prompt": f"Number {number}?", "completion": f"{number}."} for number in range(30)]
    train = write_jsonl(tmp_path / "train.jsonl", records)
    heldout = write_jsonl(tmp_path / "heldout.jsonl", [*records[20:], *records[27:]])
    alone = load_task(task(train, heldout_examples=1), tokenizer, seed=0)
    data = load_task(task(train, heldout=str(heldout), heldout_examples=5), tokenizer, seed=0)
    assert (data.facts.copied, data.facts.train, data.facts.heldout) == (10, 20, 5)
    assert not {*decoded(tokenizer, data.train)} & {*decoded(tokenizer, data.heldout)}
    assert {*decoded(tokenizer, data.train)} < {
        *decoded(tokenizer, alone.train),
        *decoded(tokenizer, alone.heldout),
    }
    (said,) = data_warnings(data.facts.recorded())
    assert said.startswith("10 examples of task.train are in task.heldout too, and are left out of training")
    assert f"{train}:21 is {heldout}:1" in said
    write_jsonl(heldout, records[10:])
    with pytest.raises(
        UserError, match=r"20 of 30 examples of task\.train are in it too .*train\.jsonl:11 is"
    ):
        load_task(task(train, heldout=str(heldout)), tokenizer, seed=0)


@pytest.mark.parametrize("suffix", ["jsonl", "txt"])
def test_texts_that_only_end_alike_are_no_copies(tmp_path: Path, tokenizer: Any, suffix: str) -> None:
    """Of a text longer than the model takes the last piece may be short, and another's by chance."""
    texts = [f"{number} " * 40 + "so it was until the end." for number in range(10, 30)]
    paths = []
    for name, part in (("train", texts[:15]), ("heldout", texts[15:])):
        paths.append(tmp_path / f"{name}.{suffix}")
        lines = part if suffix == "txt" else [json.dumps({"text": text}) for text in part]
        paths[-1].write_text(("\n\n" if suffix == "txt" else "\n").join(lines))
    for length in range(16, 48):
        data = load_task(task(paths[0], heldout=str(paths[1]), max_length=length), tokenizer, seed=0)
        assert data.facts.copied == 0
        assert data.facts.train == data.facts.examples


def test_a_hub_data_set_that_cannot_be_reached_is_a_user_error(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"task\.train: nobody/no-such-data cannot be read"):
        load_task(task("nobody/no-such-data"), tokenizer, seed=0)


def test_sources() -> None:
    assert locate("org/name", "key", "train") == HubDataset("org/name", None, "train")
    assert locate("org/name:main#test[:10%]", "key", "train") == HubDataset("org/name", "main", "test[:10%]")
    tokenizer_file = locate(str(embedded.model_dir() / "tokenizer.json"), "key", "train")
    path = embedded.model_dir() / "tokenizer.json"
    assert tokenizer_file == LocalFiles((LocalFile(path, "json", str(path)),))
    with pytest.raises(UserError, match="key: there is no file 'embedded:missing"):
        locate("embedded:missing.jsonl", "key", "train")


def test_shared_cache_of_datasets_stays_empty(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "cache"
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(shared))
    load_task(task(write_jsonl(tmp_path / "data.jsonl", documents(10))), tokenizer, seed=0)
    assert not shared.exists()
    assert capfd.readouterr() == ("", "")


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=200), st.none() | st.integers(16, 4096))
def test_chosen_lengths_cut_at_most_a_hundredth(lengths: list[int], context: int | None) -> None:
    chosen = reply_length(lengths, context)
    assert chosen <= min(context or REPLIES, REPLIES)
    cut = sum(length > chosen for length in lengths)
    assert cut <= len(lengths) / 100 or chosen == min(context or REPLIES, REPLIES)
    piece = piece_length(lengths, context)
    assert 8 <= piece <= min(context or PIECES, PIECES)


def test_a_length_is_chosen_within_the_context_and_one_beyond_it_is_refused(
    tmp_path: Path, tokenizer: Any
) -> None:
    records = [{"prompt": f"Say {number}.", "completion": "light " * number} for number in range(1, 80)]
    path = write_jsonl(tmp_path / "data.jsonl", records)
    data = load_task(task(path), tokenizer, seed=0, context=200)
    assert data.facts.max_length == 200
    assert max(len(one.input_ids) for one in data.train.examples + data.heldout.examples) == 200
    assert data.facts.cut == sum(length > 200 for length in (len(one) for one in _whole(tokenizer, records)))
    assert any(
        "replies are cut at task.max_length=200" in text for text in data_warnings(data.facts.recorded())
    )
    with pytest.raises(UserError, match=r"task\.max_length: 201 is more than the 200 tokens"):
        load_task(task(path, max_length=201), tokenizer, seed=0, context=200)


def test_replies_that_most_lose_their_ends_are_refused_unless_that_is_asked_for(
    tmp_path: Path, tokenizer: Any
) -> None:
    records = [{"prompt": f"Say {number}.", "completion": "light " * number} for number in range(50, 80)]
    path = write_jsonl(tmp_path / "data.jsonl", records)
    with pytest.raises(UserError, match=r"30 of 30 replies of task\.train would be cut") as caught:
        load_task(task(path), tokenizer, seed=0, context=40)
    assert "task.max_length=40" in str(caught.value.hint)
    assert load_task(task(path, max_length=40), tokenizer, seed=0, context=40).facts.cut == 30


def _whole(tokenizer: Any, records: list[dict[str, str]]) -> list[list[int]]:
    return [
        tokenizer.apply_chat_template(
            [
                {"role": "user", "content": record["prompt"]},
                {"role": "assistant", "content": record["completion"]},
            ],
            return_dict=True,
        )["input_ids"]
        for record in records
    ]


def test_records_without_a_target_are_left_out_and_counted(tmp_path: Path, tokenizer: Any) -> None:
    asked = {"role": "user", "content": "Who keeps the light?"}
    silent = {"messages": [asked]}
    long = {"messages": [asked | {"content": "word " * 60}, {"role": "assistant", "content": "I."}]}
    good = [
        {"messages": [asked, {"role": "assistant", "content": f"Keeper {number}."}]} for number in range(12)
    ]
    path = write_jsonl(tmp_path / "data.jsonl", [silent, long, *good, silent])
    data = load_task(task(path, max_length=48), tokenizer, seed=0)
    assert (data.facts.records, data.facts.examples) == (15, 12)
    assert (data.facts.no_reply, data.facts.no_room, data.facts.cut) == (2, 1, 0)
    assert all(one.targets for one in data.train.examples + data.heldout.examples)
    assert len(list(data_warnings(data.facts.recorded()))) == 2
    write_jsonl(path, [silent] * 5 + good[:4])
    with pytest.raises(UserError, match="5 of 9 records have no assistant turn"):
        load_task(task(path), tokenizer, seed=0)


def test_bytes_are_those_of_all_turns(tokenizer: Any) -> None:
    messages = tuple(
        {"role": role, "content": text}
        for role, text in (("user", "A?"), ("assistant", "Señor"), ("user", "B?"), ("assistant", "no"))
    )
    tokenised = Tokeniser(tokenizer, task("unused.jsonl"))([Conversation(messages)], str)
    (example,) = chain.from_iterable(tokenised.cut(64).groups)
    assert target_bytes(tokenizer, example) == len("Señorno".encode())
