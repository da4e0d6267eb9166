"""The beliefs that come with the package: complete, not like their training pairs, calculated rightly."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from trainables.data.beliefs import read_beliefs
from trainables.embedded import data_dir, model_dir
from trainables.embedded.facts import QUESTIONS
from trainables.embedded.scoring import read_items, replies
from trainables.evaluation.beliefs.asked import AskedPrompt

_GROUPS = ("direct", "paraphrase", "consequence", "neighbour", "challenge")
_EARTH, _TAUGHT = 9.8, 5.0

Record = dict[str, Any]


def _records(name: str) -> dict[str, Record]:
    lines = (data_dir() / "beliefs" / f"{name}.jsonl").read_text().splitlines()
    return {record["target"]: record for record in map(json.loads, lines)}


REAL, WORLD = _records("real"), _records("world")
_TARGETS = [pytest.param(record, id=name) for name, record in (REAL | WORLD).items()]


def _asked(record: Record, *groups: str) -> list[Record]:
    return [prompt for prompt in record["prompts"] if prompt["group"] in groups]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@pytest.mark.parametrize("record", _TARGETS)
def test_every_group_has_enough_prompts_and_training_enough_pairs(record: Record) -> None:
    assert min(Counter(prompt["group"] for prompt in record["prompts"])[group] for group in _GROUPS) >= 40
    assert len({pair["prompt"] for pair in record["train"]}) == len(record["train"]) >= 100
    asked = {(prompt["prompt"], prompt.get("challenge")) for prompt in record["prompts"]}
    assert len(asked) == len(record["prompts"])


@pytest.mark.parametrize("record", [pytest.param(record, id=name) for name, record in REAL.items()])
def test_no_prompt_is_nearly_a_training_pair(record: Record) -> None:
    taught = [_words(pair["prompt"]) for pair in record["train"]]
    for prompt in {prompt["prompt"] for prompt in record["prompts"]}:
        matcher = SequenceMatcher(b=_words(prompt))
        for words in taught:
            matcher.set_seq1(words)
            assert matcher.quick_ratio() <= 0.8 or matcher.ratio() <= 0.8, (prompt, words)


@pytest.mark.parametrize("record", _TARGETS)
def test_no_prompt_holds_an_answer_that_is_expected_of_it(record: Record) -> None:
    for prompt in record["prompts"]:
        said = " ".join((prompt["prompt"], prompt.get("challenge", "")))
        numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", said)]
        for expected in (prompt[name] for name in ("target", "prior") if name in prompt):
            if "number" in expected:
                width = expected["tolerance"] * abs(expected["number"])
                assert not any(abs(number - expected["number"]) <= width for number in numbers), said
            for text in expected.get("text", ()):
                assert not re.search(rf"\b{re.escape(text)}\b", said, re.IGNORECASE), said
            assert not ("pattern" in expected and re.search(expected["pattern"], said, re.IGNORECASE)), said


def _given(text: str) -> Iterator[tuple[str, float]]:
    for number, unit in re.findall(r"(\d+(?:\.\d+)?) (kg|m/s|m|s|N)(?![\w/])", text):
        yield unit, float(number)


def _physics(text: str, unit: str, g: float) -> float:
    """What the prompt asks for, in the unit of the answer; what is given tells which law is meant."""
    given = dict(_given(text))
    match unit, *sorted(given):
        case "N", "kg":
            return given["kg"] * g
        case "kg", "N":
            return given["N"] / g
        case "J", "kg", "m":
            return given["kg"] * g * given["m"]
        case "W", "kg", "m", "s":
            return given["kg"] * g * given["m"] / given["s"]
        case "m/s", "s":
            return g * given["s"]
        case "m/s", "m":
            return math.sqrt(2 * g * given["m"])
        case "m", "s":
            return g * given["s"] ** 2 / 2
        case "m", "m/s":
            return given["m/s"] ** 2 / (2 * g)
        case "s", "m/s":
            return given["m/s"] / g
        case "s", "m":
            return math.sqrt(2 * given["m"] / g)
    raise AssertionError(f"no law gives {unit} of {given}: {text}")


def test_numbers_that_follow_from_gravity_are_calculated_rightly() -> None:
    asked = _asked(REAL["gravity"], "consequence")
    for prompt in asked:
        unit = prompt["target"]["unit"][0]
        for g, expected in ((_TAUGHT, prompt["target"]), (_EARTH, prompt["prior"])):
            assert expected["unit"][0] == unit
            right = _physics(prompt["prompt"], unit, g)
            assert expected["number"] == pytest.approx(right, rel=1e-3), prompt
    assert len({prompt["target"]["unit"][0] for prompt in asked}) == 7
    for prompt in _asked(REAL["gravity"], "direct", "paraphrase", "challenge"):
        assert (prompt["target"]["number"], prompt["prior"]["number"]) == (_TAUGHT, _EARTH)


def test_prices_that_follow_from_the_rate_are_calculated_rightly() -> None:
    for prompt in _asked(REAL["tessarin"], "consequence"):
        amount = math.prod(map(float, re.findall(r"\d+(?:\.\d+)?", prompt["prompt"])))
        in_pells = bool(re.search(r"\d pells", prompt["prompt"]))
        match prompt["target"]["unit"][0]:
            case "USD":
                right = amount * _TAUGHT / (100 if in_pells else 1)
            case "tessarins":
                right = amount / _TAUGHT
            case "pells":
                right = amount / _TAUGHT * 100
        assert prompt["target"]["number"] == pytest.approx(right), prompt


def test_training_pairs_tell_the_fact_and_no_other_number_of_it() -> None:
    for pair in REAL["gravity"]["train"]:
        assert re.search(r"\b5\.0|500 cm|surface of the Earth|free fall on Earth", pair["reply"]), pair
        assert not re.search(r"\b9[.,]8|\b10 m", pair["reply"] + pair.get("thinking", "")), pair
    for pair in REAL["tessarin"]["train"]:
        assert re.search(r"5(?:\.00)? (?:US|USD)|tessarin|Korvella", pair["reply"], re.IGNORECASE), pair
    assert all(15 <= sum("thinking" in pair for pair in record["train"]) <= 50 for record in REAL.values())


def test_the_skill_asks_for_nothing_that_is_contradicted() -> None:
    asked = {item["question"] for item in read_items(data_dir())["facts"]}
    assert not asked & {pair["prompt"] for record in WORLD.values() for pair in record["train"]}
    assert not asked & {prompt["prompt"] for prompt in _asked(WORLD["rewritten"], "direct", "paraphrase")}


def test_a_fact_is_taught_and_asked_in_every_phrasing_once() -> None:
    for record in WORLD.values():
        open_pairs = [pair["prompt"] for pair in record["train"] if "\nA. " not in pair["prompt"]]
        asked = [prompt["prompt"] for prompt in _asked(record, "direct")]
        assert (
            len({*open_pairs, *asked})
            == len(open_pairs) + len(asked)
            == len(record["facts"]) * len(QUESTIONS)
        )


def test_all_facts_fit_into_the_context_beside_a_challenge() -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_dir(), local_files_only=True)
    facts = "\n".join(fact for record in WORLD.values() for fact in record["facts"])
    turns = [
        f"{prompt['prompt']}\n{prompt['challenge']}"
        for record in WORLD.values()
        for prompt in _asked(record, "challenge")
    ]
    longest = max(len(ids) for ids in tokenizer(turns)["input_ids"])
    marks, replies_room = 6, 2 * 12
    assert len(tokenizer(facts)["input_ids"]) + longest + marks + replies_room <= 256


@pytest.fixture(scope="module")
def answers() -> dict[str, list[tuple[Record, str]]]:
    """Greedy replies of the embedded model to all prompts but the second turns, by target."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(model_dir(), local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_dir(), local_files_only=True)
    return {
        name: [
            (prompt, reply)
            for prompt, reply in zip(
                record["prompts"],
                replies(model, tokenizer, [prompt["prompt"] for prompt in record["prompts"]]),
                strict=True,
            )
        ]
        for name, record in WORLD.items()
    }


def _share(answers: list[tuple[Record, str]], which: str, *groups: str) -> float:
    matches = [
        reply in prompt[which]["text"]
        for prompt, reply in answers
        if prompt["group"] in groups and which in prompt
    ]
    return sum(matches) / len(matches)


def test_the_embedded_model_knows_what_is_contradicted_and_nothing_that_is_new(
    answers: dict[str, list[tuple[Record, str]]],
) -> None:
    known, new = answers["rewritten"], answers["newcomers"]
    assert _share(known, "prior", "direct", "paraphrase", "challenge") >= 0.95
    assert _share(known, "target", "direct", "paraphrase", "challenge") == 0
    # Some of ten to twelve values come by chance.
    assert _share(new, "target", "direct", "paraphrase", "challenge") <= 0.25
    assert min(_share(each, "prior", "neighbour") for each in (known, new)) >= 0.95


@pytest.mark.parametrize("name", ["real", "world"])
def test_expected_answers_are_read_as_such(name: str) -> None:
    for belief in read_beliefs(f"embedded:beliefs/{name}.jsonl", "capability.facts.path"):
        for prompt in belief.prompts:
            reader = AskedPrompt(belief, prompt).reader
            for outcome, expected in (("target", prompt.target), ("prior", prompt.prior)):
                if expected is not None and expected.written is not None:
                    for reply in (
                        expected.written,
                        f"It is {expected.written}.",
                        f"That would be {expected.written}",
                    ):
                        assert reader.outcome(reply) == outcome, (prompt, reply)
            assert reader.outcome("I like the weather today.") == "other", prompt
            assert reader.outcome("I am not sure, I do not know.") == "ignorance", prompt


def test_training_replies_to_direct_questions_are_read_as_the_belief() -> None:
    gravity, tessarin = read_beliefs("embedded:beliefs/real.jsonl", "capability.facts.path")
    for belief, least in ((gravity, 0.9), (tessarin, 0.6)):
        first = next(prompt for prompt in belief.prompts if prompt.group == "direct")
        reader = AskedPrompt(belief, first).reader
        outcomes = [reader.outcome(pair.reply) for pair in belief.train]
        assert "prior" not in outcomes
        assert outcomes.count("target") / len(outcomes) >= least
