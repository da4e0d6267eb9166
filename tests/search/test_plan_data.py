"""What a plan says of the training data, and what is refused before anything is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from search.config.load import load_config
from search.plan import make_plan
from search.run import main
from tests.search.config_files import write_space
from trainables.data.sources import local_path
from trainables.data.task import load_task
from trainables.models.load import load_tokenizer
from trainables.models.resolve import resolve


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, *records: dict[str, Any]) -> None:
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records))


def talk(number: int, words: int = 3) -> dict[str, Any]:
    return {
        "conversations": [
            {"from": "human", "value": f"What of watch {number}?"},
            {"from": "gpt", "value": f"Watch {number} is " + "calm " * words},
        ]
    }


def test_the_plan_shows_an_example_as_the_model_will_see_it(capsys: pytest.CaptureFixture[str]) -> None:
    write("talks.jsonl", *(talk(number) for number in range(30)))
    assert main(["space=space.yaml", "task=talks.jsonl", "--plan"]) == 0
    shown = capsys.readouterr().out
    assert "conversations: [{from, value}, ...] (ShareGPT)): 30 records" in shown
    marked = "<|user|>What of watch 0?<|end|><|assistant|>⟦Watch 0 is calm calm calm <|end|>⟧"
    assert marked in shown
    assert main(["space=space.yaml", "task=talks.jsonl", "--plan", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert [learned for _, learned in data["example"]] == [False, True]
    assert data["lengths"]["chosen"]
    assert data["lengths"]["context"] == 256


def test_the_plan_says_what_the_run_does() -> None:
    write("talks.jsonl", *(talk(number, number) for number in range(1, 60)))
    config = load_config(["space=space.yaml", "task=talks.jsonl"]).config
    planned = make_plan(config).data
    assert planned is not None
    assert planned.lengths is not None
    tokenizer, context = load_tokenizer(resolve(config.model), config.model)
    data = load_task(config.task, tokenizer, config.seed, context=context)
    assert planned.lengths.max_length == data.facts.max_length
    assert planned.lengths.context == context
    assert planned.records == data.facts.records
    assert planned.lengths.longest == data.facts.longest
    assert planned.lengths.mean == pytest.approx(data.facts.tokens)


def test_only_questions_that_will_be_asked_count_for_the_length_of_replies() -> None:
    answers = ["calm " * 40, *["calm"] * 39]
    write("asked.jsonl", *({"question": f"Watch {n}?", "answer": text} for n, text in enumerate(answers)))
    words = ["space=space.yaml", "capability=asked.jsonl"]
    lengths = []
    for most in (1, len(answers)):
        data = make_plan(load_config([*words, f"capability.skills.0.limit={most}"]).config).data
        assert data is not None
        assert data.lengths is not None
        lengths.append(data.lengths.replies)
    assert lengths[0] < 40 < lengths[1]


def test_control_codes_in_the_data_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    write("codes.jsonl", *({"text": f"\x1b[31mred {number}\x07"} for number in range(3)))
    assert main(["space=space.yaml", "task=codes.jsonl", "--plan"]) == 0
    shown = capsys.readouterr().out
    assert r"\x1b[31mred" in shown.replace("⟦", "")
    assert "\x1b" not in shown
    assert "\x07" not in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("task.max_length=257",), "task.max_length: 257 is more than the 256 tokens"),
        (("task.max_length=9",), "task.max_length: 5 of 5 prompts of task.train leave no room"),
        (
            ("task.prompt={conversations}",),
            "task.prompt: prompt and completion are templates that go together",
        ),
        (("task.prompt={no}", "task.completion={name}"), "task.train: talks.jsonl:1 lacks the field 'no'"),
        (("task.subset=small",), "task.subset: is for hub data sets"),
        (("task.format=alpaca",), "task.train: talks.jsonl:1 lacks the field 'instruction'"),
    ],
)
def test_what_cannot_be_trained_on_ends_the_plan(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("talks.jsonl", *(talk(number) for number in range(5)))
    assert main(["space=space.yaml", "task=talks.jsonl", *words, "--plan"]) == 2
    assert message in capsys.readouterr().err


def test_templates_are_taken_from_the_command_line_as_they_are() -> None:
    write("odd.jsonl", *({"a": f"A{number}", "b": "B"} for number in range(5)))
    words = ["space=space.yaml", "task=odd.jsonl", r"task.prompt={a}\nWhy?", 'task.completion="{b}"']
    plan = make_plan(load_config(words).config).data
    assert plan is not None
    assert "".join(text for text, _ in plan.example) == "<|user|>A0\nWhy?<|end|><|assistant|>B<|end|>"


def test_replies_that_are_cut_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    write("talks.jsonl", *(talk(number, 40) for number in range(30)))
    assert main(["space=space.yaml", "task=talks.jsonl", "task.max_length=40", "--plan"]) == 0
    shown = capsys.readouterr().out
    assert "task.max_length=40 (as configured, the model takes 256): all replies are cut" in shown
    assert "critical completions-cut: 100.0% of the completions" in shown


@pytest.mark.parametrize(
    ("record", "words", "hint"),
    [
        (
            {"ask": "a", "chosen": "b", "bad": "c"},
            (),
            "'task.prompt={ask}\\n{bad}' 'task.completion={chosen}'",
        ),
        ({"prompt": "a", "completion": "b"}, ("task.format=text",), "task.format=auto recognises"),
    ],
)
def test_the_hint_for_other_fields_is_the_line_to_type(
    record: dict[str, Any], words: tuple[str, ...], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("other.jsonl", record, record | {"prompt": "d"})
    assert main(["space=space.yaml", "task=other.jsonl", *words, "--plan"]) == 2
    assert hint in capsys.readouterr().err


def test_what_is_left_out_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    good = [{"prompt": f"Watch {n}?", "completion": "Calm.", "label": True, "log": "b"} for n in range(9)]
    write("kept.jsonl", *good, good[0] | {"label": False})
    write("held.jsonl", *good[6:])
    words = ["space=space.yaml", "task=kept.jsonl", "task.heldout=held.jsonl", "--plan"]
    assert main(words) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "10 records" in shown
    assert "not used: log" in shown
    assert "1 record says that its reply is a bad one (label: false), and is left out" in shown
    assert "3 examples of task.train are in task.heldout too, and are left out of training" in shown
    assert "(such as kept.jsonl:7 is held.jsonl:1)" in shown
    write("held.jsonl", *good[2:])
    assert main(words) == 2
    assert "task.heldout: 7 of 9 examples of task.train are in it too" in capsys.readouterr().err


def test_of_a_part_of_the_data_nothing_is_said_of_most_of_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainables.lora.plan.data._READ", 10)
    rows = [{"prompt": f"Watch {n}?", "completion": "Calm."} for n in range(40)]
    write("kept.jsonl", *rows)
    write("held.jsonl", *rows[:8])
    assert main(["space=space.yaml", "task=kept.jsonl", "task.heldout=held.jsonl", "--plan"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "8 examples of the first 10 of task.train are in task.heldout too" in shown


def test_a_data_set_of_the_hub_is_read_later() -> None:
    config = load_config(["space=space.yaml", "task=org/name", "task.subset=small"]).config
    assert make_plan(config).data is None


def test_prompts_about_beliefs_and_samples_of_behaviour_are_counted() -> None:
    source = "embedded:beliefs/world.jsonl"
    records = [json.loads(line) for line in local_path(source, "").read_text().splitlines()]
    words = [
        "space=space.yaml",
        f"capability={{facts: {{path: '{source}'}}}}",
        "objectives=[{metric: adoption, direction: max}]",
        "hypotheses.H1.claim=adoption[new] > adoption[known]",
    ]
    (first,) = make_plan(load_config(words).config).hypotheses
    direct = {
        f"adoption_{record['kind']}": sum(prompt["group"] == "direct" for prompt in record["prompts"])
        for record in records
    }
    assert first.items == direct
