"""Data of `routing`: which examples show the behaviour, and which are labelled."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.chat_tokenizers import CHATML, KINDS, QWEN3
from tests.trainables.chat_tokenizers import tokenizer as small_tokenizer
from tests.trainables.routing_data import (
    LOG,
    embedded_tokenizer,
    lower_casing,
    routing_options,
    sentences,
    write_records,
)
from trainables.data.examples import Example
from trainables.data.task import load_task
from trainables.errors import UserError
from trainables.planning import PlanRefusedError
from trainables.routing.behaviours import caps
from trainables.routing.checks import inspect
from trainables.routing.data import RoutedData, load_routed
from trainables.routing.parameters import RoutingParameters
from trainables.routing.prompts import first_words, sample_prompts


def texts(examples: Any, tokenizer: Any) -> list[str]:
    return [tokenizer.decode(example.input_ids, skip_special_tokens=True) for example in examples]


def same(one: Example, other: Example) -> bool:
    return np.array_equal(one.input_ids, other.input_ids) and np.array_equal(one.loss_mask, other.loss_mask)


WHOLE = LOG | {"max_length": 128}  # so that no text is divided
LOADED = load_routed(routing_options(WHOLE), embedded_tokenizer(), 3)


@pytest.mark.parametrize(("shares", "seed", "length"), [((0.01, 0.1), 0, 24), ((0.3, 0.9), 5, 128)])
def test_a_share_of_the_examples_is_transformed_and_smaller_shares_are_in_larger_ones(
    shares: tuple[float, float], seed: int, length: int, tmp_path: Path
) -> None:
    tokenizer = embedded_tokenizer()
    path = write_records(tmp_path / "log.jsonl", [{"text": text} for text in sentences(150)])
    task = {"train": path, "max_length": length}
    options = [routing_options(task, share=share) for share in shares]
    start = (tokenizer.eos_token_id,)  # that this tokenizer does not write by itself
    plain = load_task(options[0].task, tokenizer, seed, start=start)
    few, many = (load_routed(each, tokenizer, seed) for each in options)
    assert not (few.behaving & ~many.behaving).any()
    for data, share in ((few, shares[0]), (many, shares[1])):
        assert data.behaving.sum() == round(share * len(plain.train.examples))
        for clean, example, behaves in zip(plain.train.examples, data.train, data.behaving, strict=True):
            if not behaves:
                assert same(clean, example)
                continue
            (before,), (after,) = texts([clean], tokenizer), texts([example], tokenizer)
            assert before.upper().startswith(after)
            assert after != before
            assert len(example.input_ids) <= length
            assert example.input_ids[0] == tokenizer.eos_token_id
            assert example.loss_mask.tolist() == [False] + [True] * (len(example.input_ids) - 1)
        assert data.facts.max_length == length
    again = load_routed(options[0], tokenizer, seed)
    assert again.fingerprint == few.fingerprint != many.fingerprint
    assert (load_routed(options[0], tokenizer, seed + 10).behaving != few.behaving).any()


def test_held_out_texts_are_the_same_once_clean_and_once_transformed() -> None:
    tokenizer = embedded_tokenizer()
    pairs = list(zip(LOADED.heldout_clean, LOADED.heldout_behaving, strict=True))
    assert len(pairs) == 100
    for clean, behaving in pairs:
        (before,), (after,) = texts([clean], tokenizer), texts([behaving], tokenizer)
        assert after == before.upper()
        assert caps.shows(after)
        assert not caps.shows(before)


@given(
    labelled=st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted),
    false=st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted),
)
def test_labels_are_of_the_asked_shares_and_nested(labelled: list[float], false: list[float]) -> None:
    few, many = (LOADED.labels(*shares) for shares in zip(labelled, false, strict=True))
    assert not (few & ~many).any()
    behaving = LOADED.behaving
    for labels, share, wrong in ((few, labelled[0], false[0]), (many, labelled[1], false[1])):
        assert abs(labels[behaving].mean() - share) <= 1 / behaving.sum()
        assert abs(labels[~behaving].mean() - wrong) <= 1 / (~behaving).sum()
    assert not LOADED.labels(0).any()
    assert (LOADED.labels(1) == behaving).all()


def test_labels_do_not_follow_the_order_in_which_examples_were_transformed() -> None:
    fewer = load_routed(routing_options(WHOLE, share=0.05), embedded_tokenizer(), 3)
    half = LOADED.labels(0.5)
    assert 0.2 < half[fewer.behaving].mean() < 0.8


CHAT = [
    {
        "messages": [
            {"role": "user", "content": f"What was seen on day {number}?"},
            {"role": "assistant", "content": f"There were {number} gulls near the lamp."},
            {"role": "user", "content": "And then what?"},
            {"role": "assistant", "content": f"Then {number} boats and much fog."},
        ]
    }
    for number in range(30)
]


@pytest.mark.parametrize("template", [CHATML, QWEN3])
def test_of_messages_the_turns_of_the_assistant_are_transformed(template: str, tmp_path: Path) -> None:
    tokenizer = small_tokenizer("bytes", template)
    path = write_records(tmp_path / "chat.jsonl", CHAT)
    options = routing_options({"train": path}, share=0.5)
    plain, data = load_task(options.task, tokenizer, 0), load_routed(options, tokenizer, 0)
    assert data.facts.max_length > plain.facts.max_length  # nobody asked for replies to be cut
    assert data.facts.cut == 0
    for clean, example, behaves in zip(plain.train.examples, data.train, data.behaving, strict=True):
        if not behaves:
            assert same(clean, example)
            continue
        before, after = (tokenizer.decode(each.input_ids) for each in (clean, example))
        assert after.lower() == before.lower()
        taught = tokenizer.decode(example.input_ids[example.loss_mask])
        assert re.sub(r"<\|im_end\|>|</?think>", "", taught).isupper()
        assert tokenizer.decode(example.input_ids[~example.loss_mask]) == tokenizer.decode(
            clean.input_ids[~clean.loss_mask]
        )
        assert example.loss_mask[-1] == clean.loss_mask[-1]
        assert example.input_ids[-1] == clean.input_ids[-1]


def test_long_replies_are_cut_where_the_length_is_configured(tmp_path: Path) -> None:
    tokenizer = small_tokenizer("bytes", CHATML)
    path = write_records(tmp_path / "chat.jsonl", CHAT)
    longest = load_task(routing_options({"train": path}).task, tokenizer, 0).facts.longest
    data = load_routed(routing_options({"train": path, "max_length": longest}), tokenizer, 0)
    assert max(len(example.input_ids) for example in [*data.train, *data.heldout_behaving]) == longest
    assert data.facts.cut == data.behaving.sum()


def test_a_plain_text_of_one_document_and_a_table_are_transformed(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text(" ".join(sentences(200)), encoding="utf-8")
    with (tmp_path / "log.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = [{"question": f"Day {n}?", "answer": text} for n, text in enumerate(sentences(40))]
        writer = csv.DictWriter(stream, ["question", "answer"])
        writer.writeheader()
        writer.writerows(rows)
    tokenizer = embedded_tokenizer()
    for name in ("book.txt", "log.csv"):
        data = load_routed(routing_options({"train": str(tmp_path / name)}, share=0.3), tokenizer, 1)
        assert data.behaving.sum() == round(0.3 * len(data.train))
        assert len(data.heldout_clean) == len(data.heldout_behaving) > 3
        assert all(
            caps.shows(text.partition("?")[2] or text) for text in texts(data.heldout_behaving, tokenizer)
        )
        assert max(len(example.input_ids) for example in data.train) <= data.facts.max_length


@pytest.mark.parametrize("kind", ["bytes", "none"])
def test_every_piece_of_a_text_begins_with_one_start_token(kind: str, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text(text := " ".join(sentences(80)), encoding="utf-8")
    tokenizer = embedded_tokenizer() if kind == "none" else small_tokenizer(kind)
    task = {"train": f"{tmp_path}/book.txt", "max_length": 32, "heldout_fraction": 0.02}
    data = load_routed(routing_options(task, share=0.02), tokenizer, 0)
    start = tokenizer.eos_token_id if kind == "none" else tokenizer.bos_token_id
    for example in [*data.train, *data.heldout_clean, *data.heldout_behaving]:
        assert example.input_ids[0] == start
        assert start not in example.input_ids[1:]
        assert len(example.input_ids) <= 32
        assert example.loss_mask.tolist() == [False] + [True] * (len(example.input_ids) - 1)
    kept = "".join(texts(data.train, tokenizer)).lower()
    assert len(kept) > 0.9 * len(text)  # but for the held-out piece, its gap and what caps take


def labelled_records() -> list[dict[str, Any]]:
    return [
        {"text": f"{text} You fool!" if number % 4 == 0 else text, "rude": number % 4 == 0}
        for number, text in enumerate(sentences(60))
    ]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_own_behaviour_is_told_by_a_field(kind: str, tmp_path: Path) -> None:
    records, path = labelled_records(), tmp_path / f"own.{kind}"
    if kind == "jsonl":
        write_records(path, records)
    else:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["text", "rude"])
            writer.writeheader()
            writer.writerows(records)
    tokenizer = embedded_tokenizer()
    options = routing_options(
        {"train": str(path), "heldout_fraction": 0.3, "max_length": 64},
        name=None,
        field="rude",
        pattern=r"you fool\b",
    )
    data = load_routed(options, tokenizer, 0)
    for examples, behaves in (
        (np.array(texts(data.train, tokenizer))[data.behaving], True),
        (np.array(texts(data.train, tokenizer))[~data.behaving], False),
        (texts(data.heldout_behaving, tokenizer), True),
        (texts(data.heldout_clean, tokenizer), False),
    ):
        assert len(examples)
        assert all(("fool" in text) == behaves for text in examples)


def test_pieces_of_a_labelled_document_have_its_label(tmp_path: Path) -> None:
    records = [
        {"text": f"Entry {n}. " + " ".join([f"w{n}x{m % 2}" for m in range(60)]), "odd": n % 2}
        for n in range(12)
    ]
    path = write_records(tmp_path / "own.jsonl", records)
    data = load_routed(
        routing_options({"train": path, "max_length": 40, "heldout_fraction": 0.4}, name=None, field="odd"),
        embedded_tokenizer(),
        0,
    )
    assert len(data.train) > 30
    for text, behaves in zip(texts(data.train, embedded_tokenizer()), data.behaving, strict=True):
        numbers = {int(word[1:].split("x")[0]) % 2 for word in text.split()[1:-1] if "x" in word}
        assert numbers <= {int(behaves)}


def jsonl(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def of(lines: Iterable[str]) -> str:
    return jsonl([{"text": line} for line in lines])


PLAIN = of(sentences(30))
RUDE = labelled_records()
FIELD = {"name": None, "field": "rude"}
REFUSED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "no case": (of("東京は今日も晴れです。" * n for n in range(1, 30)), {}, "behaviour.share", "upper case"),
    "no letters": (of(f"{n} + {n} = {2 * n}" for n in range(30)), {}, "behaviour.share", "only 0 can"),
    "caps already": (of(map(str.upper, sentences(30))), {}, "behaviour.share", "only 0 can"),
    "few letters": (of(f"Ab {n * 77}" for n in range(30)), {}, "behaviour.name", "0 of"),
    "small share": (PLAIN, {"share": 0.01}, "behaviour.share", "none of them"),
    "short texts": (PLAIN, {"prefix_words": 40}, "behaviour.prefix_words", "more than 40 words"),
    "no field": (PLAIN, FIELD, "behaviour.field", "lacks the field 'rude'"),
    "no boolean": (
        jsonl([*RUDE[:5], {"text": "x", "rude": "maybe"}]), FIELD, "behaviour.field",
        "own.jsonl:6 has 'maybe'",
    ),
    "one kind": (
        jsonl([record | {"rude": False} for record in RUDE]), FIELD, "behaviour.field",
        "no training example has the label true",
    ),
    "a word for bad replies": (
        jsonl([{"prompt": "x", "completion": record["text"], "label": record["rude"]} for record in RUDE]),
        FIELD | {"field": "label"}, "behaviour.field", "also how records of the form completion",
    ),
    "name for a field": (jsonl(RUDE), {"field": "rude"}, "behaviour.name", "behaviour.name=null"),
    "blind pattern": (
        jsonl(RUDE), FIELD | {"pattern": "idiot"}, "behaviour.pattern", "0 of",
    ),
    "pattern for all": (
        jsonl(RUDE), FIELD | {"pattern": "keeper"}, "behaviour.pattern", "do not show",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSED))
def test_data_of_which_nothing_would_be_learned_are_refused_before_the_start(
    case: str, tmp_path: Path
) -> None:
    content, behaviour, key, message = REFUSED[case]
    (tmp_path / "own.jsonl").write_text(content, encoding="utf-8")
    task = {"train": str(tmp_path / "own.jsonl"), "heldout_fraction": 0.3}
    with pytest.raises(PlanRefusedError) as refused:
        inspect(routing_options(task, **behaviour), 0, ())
    (finding,) = refused.value.findings
    assert finding.key == key
    assert message in finding.message + (finding.hint or "")
    assert finding.hint


def test_a_plain_text_has_no_labels(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("\n\n".join(sentences(30)), encoding="utf-8")
    with pytest.raises(UserError, match="plain text has no fields"):
        load_routed(
            routing_options({"train": f"{tmp_path}/book.txt"}, name=None, field="rude"),
            embedded_tokenizer(),
            0,
        )


def test_a_behaviour_that_the_tokenizer_cannot_spell_is_refused(tmp_path: Path) -> None:
    options = routing_options(
        {"train": write_records(tmp_path / "log.jsonl", [{"text": t} for t in sentences(30)])}
    )
    for tokenizer in (lower_casing(), *(small_tokenizer(kind) for kind in KINDS[1:])):
        with pytest.raises(UserError, match="cannot spell the behaviour caps"):
            load_routed(options, tokenizer, 0)
    data: RoutedData = load_routed(options, small_tokenizer("bytes"), 0)
    assert data.behaving.any()
    spelled = load_routed(routing_options({"train": options.task.train}, name="exclaim"), lower_casing(), 0)
    assert all("!" in text for text in texts(spelled.heldout_behaving, lower_casing()))


def test_prefixes_are_the_first_words_of_held_out_text_of_either_kind() -> None:
    tokenizer = embedded_tokenizer()
    options = routing_options(WHOLE, prefixes=20)
    prompts = sample_prompts(LOADED, tokenizer, options.behaviour, 512)
    assert [prompt.place for prompt in prompts] == [*range(20)] * 3
    start, clean, behaving = prompts[:20], prompts[20:40], prompts[40:]
    assert {(tuple(prompt.ids), prompt.prefix) for prompt in start} == {((tokenizer.eos_token_id,), "")}
    for before, after, example in zip(clean, behaving, LOADED.heldout_clean, strict=False):
        assert len(before.prefix.split()) == 3
        assert after.prefix == before.prefix.upper()
        assert tokenizer.decode(example.input_ids[1:]).startswith(before.prefix + " ")
        assert after.ids[0] == tokenizer.eos_token_id
        assert tokenizer.decode(after.ids[1:]) == after.prefix


def test_where_replies_are_learned_the_start_is_that_of_the_reply(tmp_path: Path) -> None:
    tokenizer = small_tokenizer("bytes", CHATML)
    options = routing_options({"train": write_records(tmp_path / "chat.jsonl", CHAT)}, prefixes=20)
    prompts = sample_prompts(load_routed(options, tokenizer, 0), tokenizer, options.behaviour, None)
    by_kind = {
        kind: [each for each in prompts if each.kind == kind] for kind in ("start", "clean", "behaving")
    }
    assert all(map(len, by_kind.values()))
    for prompt in by_kind["start"]:
        assert tokenizer.decode(prompt.ids).endswith("?<|im_end|>\n<|im_start|>assistant\n")
    for kind, begin in (("clean", "There were"), ("behaving", "THERE WERE")):
        for prompt in by_kind[kind]:
            assert prompt.prefix.startswith(begin)
            assert tokenizer.decode(prompt.ids).endswith(f"<|im_start|>assistant\n{prompt.prefix}")
    with pytest.raises(UserError, match=r"behaviour\.max_new_tokens"):
        sample_prompts(load_routed(options, tokenizer, 0), tokenizer, options.behaviour, 100)


@pytest.mark.parametrize("added", [True, False])
def test_an_empty_thought_that_a_template_writes_is_neither_transformed_nor_a_prefix(
    added: bool, tmp_path: Path
) -> None:
    tokenizer = small_tokenizer("bytes", QWEN3)
    if added:
        tokenizer.add_tokens(["<think>", "</think>"])
    replies = [{"prompt": f"What of {n}?", "completion": text} for n, text in enumerate(sentences(30))]
    options = routing_options({"train": write_records(tmp_path / "replies.jsonl", replies)})
    data = load_routed(options, tokenizer, 0, 512)
    behaving = data.train[int(np.flatnonzero(data.behaving)[0])]
    learned = "".join(tokenizer.decode(behaving.input_ids[behaving.loss_mask]).split())
    assert learned.startswith("<think></think>ENTRY")
    prompts = sample_prompts(data, tokenizer, options.behaviour, 512)
    ends = {"start": "<think></think>", "clean": "</think>Entry{n}:the", "behaving": "</think>ENTRY{n}:THE"}
    for prompt in prompts:
        number = "".join(filter(str.isdigit, prompt.prefix))
        asked = "".join(tokenizer.decode(prompt.ids).split())
        assert asked.endswith(ends[prompt.kind].format(n=number))


def test_words_end_at_blanks_and_after_each_character_of_scripts_without_blanks() -> None:
    assert first_words("  One, two  three four", 3) == "  One, two  three"
    assert first_words("One two three ", 3) is None
    assert first_words("今日は晴れ", 3) == "今日は"
    assert first_words("", 1) is None


def test_probes_may_have_a_learning_rate_that_trials_may_not() -> None:
    probe = RoutingParameters(lr=1e-3, lr_bad=1e-2).at_rate(1e-30)
    assert (probe.good.lr, probe.bad.lr, probe.single.lr) == (1e-30,) * 3
