"""A worker that serves trials in slots gives each the reply that it gives alone."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from tests.trainables.harness_tasks import graded_task
from tests.trainables.model_folders import with_weights
from tests.trainables.sections import SECTIONS
from trainables.embedded import model_dir
from trainables.errors import UserError
from trainables.evaluation.itemfile import SCHEMA
from trainables.lora.held import LoraHeld
from trainables.lora.loading import Loaded, load
from trainables.lora.parameters import LoraOptions
from trainables.messages import (
    BaselineRequest,
    Delivery,
    FrontRequest,
    GiveUp,
    GroupSettings,
    Reply,
    TrainRequest,
)
from trainables.serving.server import Server
from trainables.settings import CapabilityConfig, ModelConfig, SkillConfig, TaskConfig

pytestmark = pytest.mark.integration

PARAMS: list[dict[str, Any]] = [
    {"lr": 3e-3, "rank": 4, "batch_size": 2, "seed": 1, "layers": 3},
    {"lr": 1e-2, "rank": 16, "batch_size": 3, "seed": 2, "target_modules": "mlp", "dropout": 0.1},
    {"lr": 1e-4, "rank": 2, "batch_size": 1, "seed": 3, "rslora": True, "layers": 2},
]
ITEMS = 6
"""Questions of a skill."""


def settings(folder: Path, **changes: Any) -> GroupSettings:
    skills = [
        SkillConfig(name=name, path=f"embedded:skills/{name}.jsonl", scoring=scoring, limit=ITEMS)
        for name, scoring in (("facts", ("generation", "likelihood")), ("arithmetic", ("generation",)))
    ]
    options: dict[str, Any] = {
        "model": ModelConfig(name="embedded", source="embedded"),
        "task": TaskConfig(
            name="lighthouse",
            train=SECTIONS["task"].train,
            heldout="embedded:domain_heldout.jsonl",
            heldout_examples=8,
            max_length=64,
        ),
        "capability": CapabilityConfig(skills=tuple(skills)),
    }
    values: dict[str, Any] = {
        "trainable": "lora",
        "seed": 0,
        "total_steps": 8,
        "zero_stage": 0,
        "micro_batch": None,
        "folder": str(folder),
        "threads": 1,
        "use_gpu": False,
        "slots": 4,
        "most_slots": 4,
        "probes": tuple(PARAMS),
    }
    for name in options:
        options[name] = changes.pop(name, options[name])
    return GroupSettings(options=LoraOptions(**options), **(values | changes))


@pytest.fixture(scope="module")
def loaded(group_of_one: None) -> Loaded:
    return load(asked_later(Path()), torch.device("cpu"))


def fresh(loaded: Loaded, given: GroupSettings) -> Server:
    model = load(given, torch.device("cpu")).model  # PEFT wraps its layers in place
    general = loaded.general if given.options.capability.general_text else None
    return Server(given, LoraHeld(given, replace(loaded, model=model, general=general)))


def request(trial: int, to_step: int, after: Reply | None = None) -> TrainRequest:
    first = TrainRequest(trial, PARAMS[trial], 0, to_step, None, f"trials/{trial}/rung-0")
    return first if after is None else first.following(after, to_step)


def finish(server: Server, deliveries: list[Delivery]) -> dict[int, Reply]:
    """Serves deliveries that all come at once."""
    for delivery in deliveries:
        server.accept(delivery)
    replies = dict(server.answers())
    while server.training:
        server.step(interrupt=False)
        replies |= dict(server.answers())
    return replies


def asked_later(folder: Path) -> GroupSettings:
    """Settings with a skill that is asked at the full budget only, and general text."""
    given = settings(folder)
    late = SkillConfig(name="format", path="embedded:skills/format.jsonl", limit=6, at="last")
    capability = given.options.capability.model_copy(
        update={"skills": (*given.options.capability.skills, late), "general_text": "embedded:general.jsonl"}
    )
    return settings(folder, capability=capability)


def assert_same(one: Reply, other: Reply) -> None:
    assert (one.outcome, one.step) == (other.outcome, other.step)
    # Differences from the base model are small against what they are differences of.
    assert one.metrics == pytest.approx(other.metrics, rel=1e-4, abs=1e-5)
    assert [loss for _, loss in one.curve] == pytest.approx([loss for _, loss in other.curve], rel=1e-4)


def test_trials_that_join_one_another_and_leave_reply_as_alone(loaded: Loaded, tmp_path: Path) -> None:
    alone = []
    server = fresh(loaded, settings(tmp_path / "alone"))
    for trial in range(3):
        first = finish(server, [Delivery(0, 0, request(trial, 4))])[0]
        alone.append((first, finish(server, [Delivery(1, 0, request(trial, 8, first))])[1]))

    server = fresh(loaded, settings(tmp_path / "packed"))
    server.accept(Delivery(0, 0, request(0, 4)))
    server.step(interrupt=False)
    server.accept(Delivery(1, 1, request(1, 4)))  # joins after a step
    server.accept(Delivery(2, 2, request(2, 4)))
    assert server.step(interrupt=True)
    replies: dict[int, Reply] = {}
    sent: dict[int, int] = {}
    while server.training:
        server.step(interrupt=False)
        for sequence, reply in server.answers():
            replies[sequence] = reply
            if sequence < 3 and sequence != 1:  # trial 1 waits for its decision until the others are done
                server.accept(Delivery(10 + sequence, sequence, request(sequence, 8, reply)))
                sent[10 + sequence] = sequence
    replies |= finish(server, [Delivery(11, 1, request(1, 8, replies[1]))])
    for trial, (first, second) in enumerate(alone):
        assert_same(replies[trial], first)
        assert_same(replies[10 + trial], second)
        assert replies[trial].pack > 1
        assert 0 <= replies[trial].padding < 1
    assert replies[0].tokens == alone[0][0].tokens


def test_a_trial_that_is_given_up_leaves_the_others_alone_and_its_slot_free(
    loaded: Loaded, tmp_path: Path
) -> None:
    (alone,) = finish(fresh(loaded, settings(tmp_path)), [Delivery(0, 0, request(0, 6))]).values()
    server = fresh(loaded, settings(tmp_path))
    server.accept(Delivery(0, 0, request(0, 6)))
    server.accept(Delivery(1, 1, request(1, 8)))
    server.step(interrupt=False)
    server.accept(Delivery(1, 1, GiveUp(1)))
    server.accept(Delivery(7, 0, GiveUp(0)))  # of a delivery that was answered before: changes nothing
    assert dict(server.answers()) == {1: Reply("withdrawn")}
    replies = finish(server, [Delivery(2, 1, request(2, 2))])
    assert replies[2].step == 2
    assert_same(replies[0], alone)


def test_a_diverged_trial_and_a_wrong_one_leave_the_others_alone(loaded: Loaded, tmp_path: Path) -> None:
    alone = finish(fresh(loaded, settings(tmp_path / "alone")), [Delivery(0, 0, request(0, 6))])[0]
    wild = PARAMS[1] | {"lr": 10.0, "clip": 0.0, "alpha": 1e6, "weight_decay": 100.0}
    wrong = TrainRequest(2, PARAMS[2] | {"target_modules": "nowhere"}, 0, 8, None, "trials/2/rung-0")
    replies = finish(
        fresh(loaded, settings(tmp_path / "packed")),
        [
            Delivery(0, 0, request(0, 6)),
            Delivery(1, 1, TrainRequest(1, wild, 0, 6, None, "trials/1/rung-0")),
            Delivery(2, 2, wrong),
        ],
    )
    assert replies[1].outcome == "diverged"
    assert replies[2].outcome == "user"
    assert "nowhere" in replies[2].message
    assert_same(replies[0], alone)


def test_without_memory_for_its_adapter_a_trial_waits_for_the_others(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = fresh(loaded, settings(tmp_path))
    add = server.held.add

    def limited(name: str, params: Any) -> Any:
        if len(server._trials) >= 2:
            raise torch.OutOfMemoryError("no memory")
        return add(name, params)

    monkeypatch.setattr(server.held, "add", limited)
    replies = finish(server, [Delivery(slot, slot, request(slot, 4)) for slot in range(3)])
    assert {sequence: reply.outcome for sequence, reply in replies.items()} == dict.fromkeys(range(3), "ok")
    assert replies[2].pack == 1


def test_a_trial_that_others_leave_no_memory_goes_on_alone(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = finish(fresh(loaded, settings(tmp_path / "alone")), [Delivery(0, 0, request(0, 4))])[0]
    server = fresh(loaded, settings(tmp_path / "packed"))
    model = server.held.base.model
    forward = model.forward

    def limited(input_ids: torch.Tensor, **options: Any) -> Any:
        first = server._trials.get(0)
        training = torch.is_grad_enabled() and first is not None and first[1] in server.held.pack.active
        if training and len(server._trials) > 1 and first is not None and first[1].step == 2:
            raise torch.OutOfMemoryError("no memory")
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(model, "forward", limited)
    server.held.pack.limits.tokens = 1  # every example by itself
    replies = finish(server, [Delivery(slot, slot, request(slot, 4)) for slot in range(3)])
    assert {sequence: reply.outcome for sequence, reply in replies.items()} == dict.fromkeys(range(3), "ok")
    assert_same(replies[0], alone)
    assert replies[0].pack == 1


def test_slots_are_chosen_by_measuring_and_the_base_is_as_before(loaded: Loaded, tmp_path: Path) -> None:
    base = finish(fresh(loaded, settings(tmp_path)), [Delivery(0, 0, BaselineRequest())])[0]
    server = fresh(loaded, settings(tmp_path, slots=None, most_slots=3))
    facts = server.facts(1.0)
    assert 1 <= facts.slots <= 2  # packs of 1, 2, 4 ... are measured
    assert "tokens/s" in facts.packing
    assert finish(server, [Delivery(0, 0, BaselineRequest())])[0].metrics == pytest.approx(base.metrics)


def test_a_group_that_ran_out_of_memory_begins_smaller(loaded: Loaded, tmp_path: Path) -> None:
    given = settings(tmp_path)
    server = Server(given, LoraHeld(given, load(given, torch.device("cpu")), shrinks=1))
    assert server.facts(1.0).slots == 2
    assert server.held.pack.limits.examples == 1
    assert "memory" in server.facts(1.0).packing


def test_trials_at_their_full_budget_are_asked_more_than_others_beside_them(
    loaded: Loaded, tmp_path: Path
) -> None:
    server = fresh(loaded, asked_later(tmp_path))
    first = replace(request(0, 4), last=False)
    replies = finish(server, [Delivery(0, 0, first), Delivery(1, 1, request(1, 4))])
    base = finish(server, [Delivery(2, 0, BaselineRequest())])[2]
    often, late = replies[0], replies[1]
    assert {name for name in late.metrics if name not in often.metrics} == {
        f"format_{suffix}" for suffix in ("generation", "f1", "wrong", "unparseable", "leaking")
    }
    assert late.metrics.keys() == base.metrics.keys()
    assert (
        base.items.keys() == often.items.keys() == late.items.keys() == {"facts", "arithmetic", "degenerate"}
    )
    assert {len(reply.items["degenerate"]) for reply in (often, late, base)} == {2 * ITEMS}
    parts = {"heldout", "general", "kl", "generation", "likelihood"}
    for reply in (often, late, base):
        assert reply.eval_parts.keys() == parts
        assert sum(reply.eval_parts.values()) <= reply.eval_seconds
    assert base.metrics["kl_base"] == pytest.approx(0, abs=1e-6)
    assert base.metrics["general_loss_change"] == pytest.approx(0, abs=1e-5)
    assert late.metrics["kl_base"] > 1e-4


def asked_on_front(folder: Path) -> GroupSettings:
    """Settings with a skill that only trials on the front are asked."""
    given = settings(folder)
    late = SkillConfig(name="format", path="embedded:skills/format.jsonl", limit=6, at="front")
    skills = (*given.options.capability.skills, late)
    return settings(folder, capability=given.options.capability.model_copy(update={"skills": skills}))


def on_front(reply: Reply, trial: int) -> FrontRequest:
    assert reply.checkpoint is not None
    return FrontRequest(trial, PARAMS[trial], reply.step, reply.checkpoint, reply.items_file)


def test_what_is_asked_on_the_front_is_asked_of_the_adapter_that_was_saved(
    loaded: Loaded, tmp_path: Path
) -> None:
    """Alone, beside others that are asked or in training, and of the adapter that a slot still holds."""
    server = fresh(loaded, asked_on_front(tmp_path))
    trained = finish(server, [Delivery(trial, trial, request(trial, 8)) for trial in (0, 1)])
    whole = fresh(loaded, settings(tmp_path / "whole", capability=_all_at_once(tmp_path)))
    expected = finish(whole, [Delivery(trial, trial, request(trial, 8)) for trial in (0, 1)])
    held = finish(server, [Delivery(2, 1, on_front(trained[1], 1))])[2]
    server.close()
    server.accept(Delivery(3, 2, request(2, 4)))
    both = finish(server, [Delivery(4 + trial, trial, on_front(trained[trial], trial)) for trial in (0, 1)])
    assert both[3].step == 4
    for trial, reply in ((1, held), (0, both[4]), (1, both[5])):
        assert reply.outcome == "ok"
        assert reply.metrics.keys() == {
            f"format_{suffix}" for suffix in ("generation", "f1", "wrong", "unparseable", "leaking")
        }
        same = {name: expected[trial].metrics[name] for name in reply.metrics}
        assert reply.metrics == pytest.approx(same)
        assert reply.intervals["format_generation"][2] == 6
        assert reply.eval_parts.keys() == {"generation"}
        assert (reply.train_seconds, reply.tokens, reply.checkpoint) == (0, 0, None)
        assert reply.items_file is not None
        before = pq.read_table(tmp_path / str(trained[trial].items_file)).to_pylist()
        rows = pq.read_table(tmp_path / reply.items_file).to_pylist()
        assert rows[: len(before)] == before
        assert [row["skill"] for row in rows[len(before) :]] == ["format"] * 6
        right = sum(row["outcome"] == "right" for row in rows[len(before) :])
        assert right / 6 == pytest.approx(reply.metrics["format_generation"])
    assert not {name for name in trained[0].metrics if name.startswith("format")}


def _all_at_once(folder: Path) -> CapabilityConfig:
    """The same, asked at every rung but of another set: what a trial at its full budget answers."""
    given = asked_on_front(folder).options.capability
    return given.model_copy(
        update={"skills": tuple(skill.model_copy(update={"at": "every"}) for skill in given.skills)}
    )


def test_a_trial_whose_adapter_is_gone_is_trained_again_and_asked_beside_others(
    loaded: Loaded, tmp_path: Path
) -> None:
    server = fresh(loaded, asked_on_front(tmp_path))
    trained = finish(server, [Delivery(trial, trial, request(trial, 8)) for trial in (0, 1)])
    server.close()
    asked = [Delivery(2 + trial, trial, on_front(trained[trial], trial)) for trial in (0, 1)]
    expected = finish(server, asked)
    server.close()
    shutil.rmtree(tmp_path / str(trained[0].checkpoint))
    replies = finish(server, asked)
    for number in (2, 3):
        assert_same(replies[number], expected[number])
    assert (tmp_path / str(trained[0].checkpoint)).is_dir()


def test_results_are_kept_item_by_item(loaded: Loaded, tmp_path: Path) -> None:
    server = fresh(loaded, asked_later(tmp_path))
    reply = finish(server, [Delivery(0, 0, request(1, 4))])[0]
    base = finish(server, [Delivery(1, 0, BaselineRequest())])[1]
    assert (reply.items_file, base.items_file) == (
        "trials/1/rung-0.items.parquet",
        "baselines/base.items.parquet",
    )
    for one in (reply, base):
        assert one.items_file is not None
        table = pq.read_table(tmp_path / one.items_file)
        assert table.schema.equals(SCHEMA)
        rows = table.to_pylist()
        facts = [row for row in rows if (row["skill"], row["scoring"]) == ("facts", "generation")]
        assert "".join("01"[row["outcome"] == "right"] for row in facts) == one.items["facts"]
        assert [row["item"] for row in facts] == list(range(ITEMS))
        assert all(row["prediction"] == row["answer"] for row in facts if row["outcome"] == "right")
        heldout = [row for row in rows if row["scoring"] == "heldout"]
        loss = sum(row["values"][0] for row in heldout) / sum(row["tokens"] for row in heldout)
        assert loss == pytest.approx(one.metrics["heldout_loss"])
        chosen = [row for row in rows if row["scoring"] == "likelihood"]
        assert all(len(row["values"]) == 4 and row["reply"] is None for row in chosen)
        assert [row["scoring"] for row in rows if row["skill"] == "format"] == ["generation"] * 6
    assert [path.name for path in (tmp_path / "baselines").iterdir()] == ["base.items.parquet"]


def test_a_new_group_compares_with_the_base_as_the_first_did(loaded: Loaded, tmp_path: Path) -> None:
    server = fresh(loaded, asked_later(tmp_path))
    before = finish(server, [Delivery(0, 0, request(1, 4))])[0]
    after = finish(server, [Delivery(1, 0, request(1, 8, before))])[1]
    resumed = fresh(loaded, asked_later(tmp_path))
    again = finish(resumed, [Delivery(0, 0, request(1, 8, before))])[0]
    assert_same(again, after)
    assert after.metrics["kl_base"] > before.metrics["kl_base"]


@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-evaluation-harness is not installed"
)
def test_a_task_that_cannot_be_scored_is_answered_for(group_of_one: None, tmp_path: Path) -> None:
    skill = SkillConfig(name="graded", path=f"lm_eval:{graded_task(tmp_path)}", scoring=("harness",))
    given = settings(tmp_path, capability=CapabilityConfig(skills=(skill,), kl_prompts=0))
    server = Server(given, LoraHeld(given, load(given, torch.device("cpu"))))
    base = finish(server, [Delivery(0, 0, BaselineRequest())])[0]
    replies = finish(server, [Delivery(1 + trial, trial, request(trial, 2)) for trial in range(2)])
    assert [reply.outcome for reply in (base, *replies.values())] == ["user"] * 3
    for reply in (base, *replies.values()):
        assert "acc of the task" in reply.message
        assert "is 0.5 for a document" in reply.message


@pytest.mark.parametrize(
    ("capability", "message"),
    [
        ({"general_text": SECTIONS["task"].train}, "the same as task.train"),
        ({"general_text": "copy.jsonl"}, "1 of 2 examples of copy.jsonl are in the training data"),
        ({"general_text": "other.jsonl"}, "lacks the field 'text'"),
        ({"max_new_tokens": 5000}, "the model's context is"),
    ],
)
def test_what_is_wrong_with_the_data_is_said_before_the_weights_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capability: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    trained = Path(SECTIONS["task"].train).read_text().splitlines()[0]
    (tmp_path / "copy.jsonl").write_text(f'{{"text": "Of nothing else."}}\n{trained}\n')
    (tmp_path / "other.jsonl").write_text('{"body": "x"}\n')
    folder = tmp_path / "model"
    shutil.copytree(model_dir(), folder)
    with_weights(model__norm__weight=None)(folder)  # which is seen only where they are loaded
    changed = settings(tmp_path).options.capability.model_copy(update=capability)
    given = settings(tmp_path, model=ModelConfig(name="own", source=str(folder)), capability=changed)
    with pytest.raises(UserError, match=message):
        load(given, torch.device("cpu"))


def test_questions_that_are_trained_on_are_refused(group_of_one: None, tmp_path: Path) -> None:
    train = tmp_path / "train.jsonl"
    texts = ("Name the capital of Brinnia. Oskport.", "Dawn watch.", "Dog watch.")
    records = [{"text": text} for text in texts]
    train.write_text("".join(json.dumps(record) + "\n" for record in records))
    items = tmp_path / "items.jsonl"
    items.write_text(json.dumps({"question": "Name the capital of Brinnia.", "answer": "Oskport"}) + "\n")
    given = settings(
        tmp_path,
        task=TaskConfig(name="own", train=str(train), max_length=64),
        capability=CapabilityConfig(skills=(SkillConfig(name="own", path=str(items)),)),
    )
    with pytest.raises(UserError, match=r"skills\.own: 1 of its 1 questions .* 'Name the capital of Brinnia"):
        load(given, torch.device("cpu"))


def test_shared_rows_and_recomputed_blocks_change_no_reply(loaded: Loaded, tmp_path: Path) -> None:
    wanted = [params | {"batch_size": 3 + params["batch_size"]} for params in PARAMS]
    replies = {}
    for name, changes in (
        ("plain", {}),
        ("spared", {"sequence_packing": True, "gradient_checkpointing": True, "micro_batch": 2}),
    ):
        task = settings(tmp_path).options.task.model_copy(update={"max_length": 48})
        given = settings(tmp_path / name, task=task, probes=tuple(wanted), **changes)
        server = fresh(load(given, torch.device("cpu")), given)
        assert ("; sequence packing: " in server.facts(0.0).packing) == (name == "spared")
        asked = [replace(request(trial, 4), params=wanted[trial]) for trial in range(3)]
        replies[name] = finish(server, [Delivery(trial, trial, each) for trial, each in enumerate(asked)])
    for trial in range(3):
        assert_same(replies["spared"][trial], replies["plain"][trial])
        assert replies["spared"][trial].padding < replies["plain"][trial].padding
