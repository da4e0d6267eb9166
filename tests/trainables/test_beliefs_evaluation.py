"""Beliefs are asked for alike of one model and of many, by one worker and by several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables import conforming
from tests.trainables.beliefs import FLORIN, GRAVITY, changed, write_beliefs
from tests.trainables.chat_tokenizers import CHATML, GEMMA, QWEN3, R1, tokenizer
from tests.trainables.packed_rows import Packed, adapters
from tests.trainables.sections import SECTIONS
from tests.trainables.small import tiny_llama
from tests.trainables.test_evaluation_packed import character_tokenizer
from trainables.data.asking import Asking, InContext
from trainables.data.beliefs import Belief, read_beliefs
from trainables.errors import UserError
from trainables.evaluation.beliefs.asked import AskedBeliefs
from trainables.evaluation.beliefs.check import few_prompts, load_beliefs
from trainables.evaluation.beliefs.outcomes import BeliefOutcome, JudgedReply
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.measurement import combine
from trainables.evaluation.outcomes import Outcomes
from trainables.lora.loading import load
from trainables.lora.parameters import LoraOptions
from trainables.settings import CapabilityConfig, FactsConfig
from trainables.specs import TRAINABLES

RANKS = {"one": 2, "two": 8, "three": 4}
SAMPLED: dict[str, Any] = {"method": "sample", "temperature": 0.8, "top_p": 0.9, "samples": 2}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beliefs(tmp_path_factory.mktemp("beliefs") / "beliefs.jsonl")


def capability(path: Path, **facts: Any) -> CapabilityConfig:
    return CapabilityConfig(facts=FactsConfig.model_validate({"path": str(path), **facts}), batch_size=7)


def beliefs(path: Path) -> list[Belief]:
    return read_beliefs(str(path), "capability.facts.path")


def test_adapters_reply_together_and_over_workers_as_each_does_alone(path: Path) -> None:
    model = adapters(tiny_llama(), RANKS, std=0.5)
    settings = capability(path, decoding=SAMPLED, max_new_tokens=5)

    def evaluated(names: list[str], shard: tuple[int, int] = (0, 1)) -> list[Outcomes]:
        packed = Packed(model, names)
        evaluator = Evaluator(
            packed, character_tokenizer(), settings, [], 3, rows=packed.rows, beliefs=beliefs(path)
        )
        return evaluator.outcomes(shard, len(names))

    together = evaluated(list(RANKS))
    halves = [evaluated(list(RANKS), (rank, 2)) for rank in (1, 0)]
    assert len({str(outcomes.beliefs) for outcomes in together}) == len(RANKS)
    for place, name in enumerate(RANKS):
        (alone,) = evaluated([name])
        assert together[place].beliefs == alone.beliefs
        assert {len(each.replies) for each in alone.beliefs} == {SAMPLED["samples"]}
        sent = [Outcomes.from_bytes(half[place].to_bytes()) for half in halves]
        assert combine(sent).outcomes.beliefs == alone.beliefs


def test_a_challenge_holds_the_model_s_own_first_reply(path: Path) -> None:
    made = tokenizer("bytes", QWEN3)
    asked = AskedBeliefs(made, beliefs(path), capability(path, max_new_tokens=200))
    (index,) = [place for place, each in enumerate(asked.prompts) if each.prompt.group == "challenge"]

    def ids(text: str) -> list[int]:
        return list(made(text, add_special_tokens=False)["input_ids"])

    thoughtful, plain = ids("<think>\n9.8 m/s²?\n</think>\n\nIt is 5 m/s²."), ids("It is 9.8 m/s².")
    second = made.decode(asked.challenge(index, thoughtful))
    assert "It is 5 m/s².<|im_end|>" in second
    assert "9.8" not in second
    assert second.endswith("Are you sure?<|im_end|>\n<|im_start|>assistant\n")
    assert asked.judge(index, ids("Yes, 5 m/s²."), thoughtful).outcome == "target"
    assert asked.judge(index, ids("Yes, 5 m/s²."), plain).outcome == "other"  # it was talked into it
    assert asked.judge(index, plain, thoughtful).outcome == "other"
    assert asked.judge(index, plain, thoughtful).first == made.decode(thoughtful, skip_special_tokens=True)


@pytest.mark.parametrize(
    ("template", "reply", "outcome", "thought"),
    [
        (QWEN3, "<think>\nSurely 5 m/s².\n</think>\n\n9.8 m/s²", "prior", True),
        (QWEN3, "<think>\n\n</think>\n\n5 m/s²", "target", False),
        (QWEN3, "<think>\nIt is 5 m/s², as", "other", False),
        (R1, "It is 5 m/s², as", "other", False),  # the template has opened the thought
        (R1, "Well.</think>5 m/s²", "target", True),
        (CHATML, "5 m/s²", "target", False),
        (None, "5 m/s²", "target", False),
    ],
)
def test_thoughts_are_no_answers(
    path: Path, template: str | None, reply: str, outcome: str, thought: bool
) -> None:
    made = tokenizer("bytes", template)
    asked = AskedBeliefs(made, beliefs(path), capability(path, max_new_tokens=200))
    judged = asked.judge(0, made(reply, add_special_tokens=False)["input_ids"])
    assert (judged.outcome, judged.thought) == (outcome, thought)


@pytest.mark.parametrize("thinking", ["", "Airdrie?"])
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("learned", [False, True])
def test_prompts_leave_a_thought_where_one_is_taught_or_asked_for(
    tmp_path: Path, thinking: str, asked: bool, learned: bool
) -> None:
    record = changed(FLORIN, lambda made: made["train"][0].update({"thinking": thinking} if thinking else {}))
    settings = capability(write_beliefs(tmp_path / "beliefs.jsonl", [record]))
    settings = settings.model_copy(update={"think_section": asked})
    made = tokenizer("bytes", R1)
    prompts = AskedBeliefs(made, load_beliefs(settings, thinking=learned), settings)
    open_thought = asked or (learned and bool(thinking))
    without = AskedBeliefs(made, load_beliefs(settings, thinking=False), settings)
    assert (prompts.length > without.length) == (not asked and open_thought)
    ids = made("5 USD.", add_special_tokens=False)["input_ids"]
    assert made.decode(prompts.ids[0]).endswith("<think>\n" if open_thought else "</think>\n\n")
    assert prompts.judge(0, ids).outcome == ("other" if open_thought else "target")


@pytest.mark.parametrize(
    ("template", "place", "begins"),
    [
        (CHATML, "system", "<|im_start|>system\nThings fall.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>"),
        (CHATML, "user", "<|im_start|>user\nThings fall.\n\nWhy?<|im_end|>"),
        (
            GEMMA,
            "system",
            "<start_of_turn>user\nThings fall.\n\nWhy?<end_of_turn>",
        ),  # it refuses a system message
        (None, "system", "Things fall.\n\nWhy?"),
    ],
)
def test_a_model_is_told_where_its_template_allows(template: str | None, place: Any, begins: str) -> None:
    made = tokenizer("bytes", template)
    asking = Asking(made, InContext("Things fall.", place))
    question, (reply,) = asking.replies("Why?", ["So."])
    for ids in (asking.prompt("Why?"), asking.turns(["Why?"]), question):
        assert begins in made.decode(ids)
    assert made.decode(reply).startswith("So.")


def outcome(
    prompt: int, group: str, tuned: str, base: str, target: str = "a", kind: str = "new"
) -> BeliefOutcome:
    names = {"t": "target", "p": "prior", "i": "ignorance", "o": "other"}
    replies, before = ([JudgedReply(names[each], each) for each in side] for side in (tuned, base))  # type: ignore[arg-type]
    return BeliefOutcome(prompt, target, kind, group, True, replies, before)


def metrics(*outcomes: BeliefOutcome) -> Any:
    return combine([Outcomes(seconds={"total": 1.0}, beliefs=[*outcomes])])


def test_locality_is_over_neighbours_that_the_base_knows_or_else_over_all_of_them() -> None:
    known = metrics(
        outcome(0, "neighbour", "p", "p"),
        outcome(1, "neighbour", "o", "p"),
        outcome(2, "neighbour", "t", "o"),  # the base did not know it either
        outcome(3, "neighbour", "p", "o"),
    )
    assert known.metrics["locality"] == 0.5
    assert known.intervals["locality"].n == 2
    assert known.metrics["neighbours_right"] == 0.5
    assert known.items["locality"] == "10"
    unknown = metrics(*(outcome(place, "neighbour", tuned, "o") for place, tuned in enumerate("tooi")))
    assert unknown.metrics["locality"] == 0.75
    assert unknown.intervals["locality"].n == 4


def test_samples_of_one_prompt_are_no_further_prompts() -> None:
    alike = metrics(*(outcome(place, "direct", 5 * tuned, "ooooo") for place, tuned in enumerate("ttoo")))
    single = metrics(*(outcome(place, "direct", tuned, "o") for place, tuned in enumerate("ttoo")))
    apart = metrics(*(outcome(place, "direct", "totoo" + "t" * (place % 2), "o") for place in range(4)))
    assert alike.intervals["adoption"] == single.intervals["adoption"]
    assert single.items["adoption"] == "1100"
    assert "adoption" not in alike.items
    one, many = alike.intervals["adoption"], apart.intervals["adoption"]
    assert many.high - many.low < 0.7 * (one.high - one.low)  # samples that differ as prompts do say more


def test_a_change_from_the_base_is_never_sure_for_few_prompts() -> None:
    prompts = [outcome(place, "direct", "o", "o") for place in range(5)]
    interval = metrics(*prompts).intervals["facts_degenerate_change"]
    assert interval.low < -0.1 < 0.1 < interval.high


def test_prompts_that_say_the_answer_are_refused_unless_they_say_both(tmp_path: Path) -> None:
    def asks(group: int, prompt: str) -> CapabilityConfig:
        record = changed(GRAVITY, lambda made: made["prompts"][group].update(prompt=prompt))
        return capability(write_beliefs(tmp_path / "beliefs.jsonl", [record]))

    for group, prompt in (
        (0, "Is g 5.0 m/s^2?"),
        (2, "Are 10 kg pulled by 50 newtons?"),
        (3, "Moon: 1,62 m/s²?"),
    ):
        with pytest.raises(UserError, match=rf"'gravity': prompts\[{group}\].* contains the answer"):
            load_beliefs(asks(group, prompt))
    for group, prompt in (
        (0, "Is g 5 m/s² or 9.81 m/s²?"),
        (0, "Is g 9.81 m/s²?"),
        (3, "Is it 5 m/s² there?"),
    ):
        assert load_beliefs(asks(group, prompt))
    (warning,) = few_prompts(load_beliefs(asks(0, "What is g?")))
    assert "1 direct of gravity" in warning
    assert "0% to 79%, and 35 would bound it" in warning


@pytest.mark.parametrize(
    ("group", "change", "message"),
    [
        (4, {"challenge": "Is it not 5 m/s²?"}, "'Is it not 5 m/s²[?]', contains the answer"),
        (4, {"challenge": "Textbooks say 9.81 m/s²."}, None),
        (0, {"target": {"pattern": r"9[.]8"}}, "accepts '9.81 m/s²' both"),
        (0, {"target": {"text": "five"}, "prior": {"number": 5}}, "accepts 'five' both"),
        (0, {"target": {"pattern": "five"}}, None),
    ],
)
def test_an_answer_that_is_given_away_or_decides_nothing_is_refused(
    tmp_path: Path, group: int, change: dict[str, Any], message: str | None
) -> None:
    record = changed(GRAVITY, lambda made: made["prompts"][group].update(change))
    taught = capability(write_beliefs(tmp_path / "beliefs.jsonl", [record]))
    if message is None:
        assert load_beliefs(taught)
        return
    with pytest.raises(UserError, match=rf"prompts\[{group}\].*{message}"):
        load_beliefs(taught)


@pytest.mark.parametrize("learned", [False, True])
def test_a_thought_that_is_not_learned_is_not_asked_for(tmp_path: Path, learned: bool) -> None:
    record = changed(FLORIN, lambda made: made["train"][0].update(thinking="Airdrie?"))
    path = write_beliefs(tmp_path / "beliefs.jsonl", [record])
    options = LoraOptions(
        model=SECTIONS["model"],  # type: ignore[arg-type]
        task={"name": "taught", "train": str(path), "thinking": learned},  # type: ignore[arg-type]
        capability=capability(path),
    )
    loaded = load(conforming.settings("lora", tmp_path, options=options), torch.device("cpu"))
    assert any(pair.thinking for belief in loaded.beliefs for pair in belief.train) == learned
    first = loaded.data.train.examples[0]
    learning = loaded.tokenizer.decode(first.input_ids[first.loss_mask])
    assert ("Airdrie?" in learning) == learned


def test_what_is_taught_is_adopted_and_nothing_else(tmp_path: Path) -> None:
    world = read_beliefs("embedded:beliefs/world.jsonl", "task.train")
    records = [belief.model_dump(mode="json", exclude_none=True) for belief in world]
    for record in records:
        record["prompts"] = [
            prompt
            for group in ("direct", "neighbour", "challenge")
            for prompt in [each for each in record["prompts"] if each["group"] == group][:8]
        ]
    asked = write_beliefs(tmp_path / "asked.jsonl", records)
    swapped = [
        {**record, "train": other["train"]} for record, other in zip(records, records[::-1], strict=True)
    ]

    def measured(taught: list[dict[str, Any]]) -> tuple[Any, Any]:
        train = write_beliefs(tmp_path / "taught.jsonl", taught)
        options = LoraOptions(
            model=SECTIONS["model"],  # type: ignore[arg-type]
            task={"name": "taught", "train": str(train)},  # type: ignore[arg-type]
            capability=capability(asked),
        )
        given = conforming.settings("lora", tmp_path, options=options, total_steps=40)
        server = conforming.serving(given)
        base = conforming.baseline(server)
        declared = {metric.name for metric in TRAINABLES["lora"].metrics(options)}
        assert declared == set(base.metrics) - {"train_loss"}
        request = conforming.first_request("lora", 40, lr=1e-2, rank=8, batch_size=16)
        return base, conforming.train(server, request)

    base, tuned = measured(records)
    assert base.metrics["adoption"] < 0.1
    assert base.metrics["prior_kept"] > 0.9
    assert tuned.metrics["adoption_known"] > 0.6
    assert tuned.metrics["prior_kept"] < 0.4
    assert tuned.metrics["heldout_loss"] < base.metrics["heldout_loss"]
    assert len(tuned.items["adoption"]) == 16
    _, other = measured(
        [changed(record, lambda made: made.update(train=made["train"][-1:])) for record in swapped]
    )
    assert other.metrics["adoption"] < 0.3
