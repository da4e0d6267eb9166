"""What every trainable keeps to, so that a search may stop, move and repeat its trials as it likes."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

from tests.trainables.conforming import (
    PARAMS,
    STEPS,
    baseline,
    digest,
    first_request,
    ladder,
    numbers,
    serving,
    settings,
    train,
)
from tests.trainables.workers import ROOT
from trainables.messages import Delivery, EarlyRungs, Reply
from trainables.serving.checkpoints import check_seal
from trainables.serving.server import Server
from trainables.specs import TRAINABLES

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("plugins")]

LONG = 20
"""Steps in which weights that grow a thousandfold in each of them overflow."""

every_trainable = pytest.mark.parametrize("trainable", PARAMS)


def test_every_trainable_is_tested_here() -> None:
    assert set(TRAINABLES) == set(PARAMS)


@cache
def in_one_go(trainable: str) -> tuple[Reply, Reply]:
    """Of the base model, and of a trial that nothing disturbs, by a group that does no more."""
    with TemporaryDirectory() as folder:
        server = serving(settings(trainable, Path(folder), total_steps=LONG))
        return baseline(server), train(server, first_request(trainable))


@every_trainable
def test_a_trial_that_moves_at_every_rung_unmeasured_does_what_it_does_in_one_place(
    trainable: str, tmp_path: Path
) -> None:
    rungs = (1, 3, STEPS)
    nowhere = EarlyRungs(STEPS, ratio=math.inf)
    before, whole = in_one_go(trainable)
    given = settings(trainable, tmp_path / "stays", total_steps=LONG)
    there = ladder([serving(given)] * len(rungs), trainable, rungs)
    moves = [serving(settings(trainable, tmp_path / "moves", total_steps=LONG), distant=True) for _ in rungs]
    for stayed, moved in zip(there, ladder(moves, trainable, rungs, nowhere), strict=True):
        first, second = numbers(stayed), numbers(moved)
        assert second == pytest.approx({name: first[name] for name in second}, rel=1e-6, abs=1e-7)
        assert moved.measured == (moved.step == STEPS) == (first.keys() == second.keys())
        assert moved.checkpoint is not None
        check_seal(tmp_path / "moves" / moved.checkpoint)
    curve = [loss for reply in there for _, loss in reply.curve]
    assert curve == pytest.approx([loss for _, loss in whole.curve], rel=1e-6)
    spec = TRAINABLES[trainable]
    better = next(metric.name for metric in spec.metrics(given.options) if metric.direction == "min")
    assert there[-1].metrics[better] < before.metrics[better], "it learns"


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@every_trainable
def test_on_a_quantised_base_a_trial_learns_and_goes_on_elsewhere(trainable: str, tmp_path: Path) -> None:
    whole, moved = (
        settings(trainable, tmp_path / name, "nf4", total_steps=LONG) for name in ("whole", "moved")
    )
    if list(TRAINABLES[trainable].check(whole.options)):
        pytest.skip("this trainable refuses a quantised base model")
    expected = train(server := serving(whole), first_request(trainable))
    first, last = ladder([serving(moved), serving(moved)], trainable, (3, STEPS))
    assert [*first.curve, *last.curve] == [
        (step, pytest.approx(loss, rel=1e-6)) for step, loss in expected.curve
    ]
    spec = TRAINABLES[trainable]
    better = next(metric.name for metric in spec.metrics(whole.options) if metric.direction == "min")
    assert last.metrics[better] < baseline(server).metrics[better], "it learns"


def _spoil(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@every_trainable
def test_a_checkpoint_that_cannot_be_read_is_trained_again(trainable: str, tmp_path: Path) -> None:
    """From the rung before, and where that has gone as well from the beginning."""
    server = serving(settings(trainable, tmp_path))
    first = train(server, first_request(trainable, 1))
    second = train(server, to_second := first_request(trainable, 1).following(first, 3, False))
    to_last = to_second.following(second, STEPS, True)
    expected = train(server, to_last)
    rungs = [tmp_path / str(reply.checkpoint) for reply in (first, second)]
    for damage in ("a flipped bit", "nothing left"):
        server.close()
        if damage == "a flipped bit":
            _spoil(max(rungs[1].iterdir(), key=lambda file: file.stat().st_size))
        else:
            for rung in rungs:
                shutil.rmtree(rung)
        assert numbers(train(server, to_last)) == pytest.approx(numbers(expected), rel=1e-6), damage
        check_seal(rungs[1])


@every_trainable
def test_nothing_of_a_trial_is_seen_by_the_next(trainable: str, tmp_path: Path) -> None:
    """Neither of one that went well nor of one that diverged; and the base is as it was."""
    before, alone = in_one_go(trainable)
    server = serving(settings(trainable, tmp_path, total_steps=LONG))
    weights = dict(server.held.base.model.state_dict())
    digests = digest(weights)
    wild = {"lr": 10.0, "clip": 0.0, "weight_decay": 100.0, "warmup": 0}
    diverged = train(server, first_request(trainable, LONG, trial=1, **wild))
    other = train(server, first_request(trainable, trial=2, seed=7))
    assert (diverged.outcome, other.outcome) == ("diverged", "ok")
    assert diverged.step < LONG
    assert "train_loss" in diverged.metrics or diverged.step == 0, "what was measured before is kept"
    assert other.metrics["train_loss"] != alone.metrics["train_loss"], "the seed matters"
    assert numbers(train(server, first_request(trainable))) == pytest.approx(numbers(alone), rel=1e-6)
    server.close()
    assert digest(weights) == digests
    assert numbers(baseline(server)) == pytest.approx(numbers(before), rel=1e-6)


def _short_of_memory(server: Server, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Has passes for training run out of memory above a number of rows."""
    kind = type(server.held.base.model)
    forward = kind.forward

    def limited(model: Any, **given: Any) -> Any:
        size = len(next(given[name] for name in ("input_ids", "inputs_embeds") if name in given))
        if torch.is_grad_enabled() and size > rows:
            raise torch.OutOfMemoryError("no memory")
        return forward(model, **given)

    monkeypatch.setattr(kind, "forward", limited)


@every_trainable
def test_passes_shrink_where_memory_runs_out_and_a_trial_without_room_fails_alone(
    trainable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, alone = in_one_go(trainable)
    server = serving(settings(trainable, tmp_path, total_steps=LONG))
    with monkeypatch.context() as patch:
        _short_of_memory(server, patch, rows=2)
        assert numbers(train(server, first_request(trainable))) == pytest.approx(numbers(alone), rel=1e-4)
    with monkeypatch.context() as patch:
        _short_of_memory(server, patch, rows=0)
        refused = train(server, first_request(trainable, trial=1))
    assert refused.outcome == "out_of_memory"
    assert numbers(train(server, first_request(trainable, trial=2))) == pytest.approx(
        numbers(alone), rel=1e-4
    )


@every_trainable
def test_what_is_declared_is_what_is_measured(trainable: str, tmp_path: Path) -> None:
    given = settings(trainable, tmp_path)
    spec = TRAINABLES[trainable]
    declared = {metric.name: metric for metric in spec.metrics(given.options)}
    server = serving(given)
    rung, last = ladder([server, server], trainable, (3, STEPS))
    often = {name for name, metric in declared.items() if metric.at == "every"}
    late = {name for name, metric in declared.items() if metric.at == "last"}
    assert rung.metrics.keys() == {"train_loss"} | often
    assert last.metrics.keys() == {"train_loss"} | often | late
    measured = {name for name, metric in declared.items() if not metric.trained}
    assert not rung.values
    assert {*spec.trained_baselines} <= {*spec.baselines} - {"base"}
    for name in (name for name in spec.baselines if spec.lacks(given.options, name) is None):
        reference = baseline(server, name)
        assert reference.metrics.keys() == {"train_loss"} | measured
        for shared in last.values.keys() & reference.values.keys():
            assert len(last.values[shared]) == len(reference.values[shared])
    for name, values in last.values.items():
        assert sum(values) / len(values) == pytest.approx(last.metrics[name], rel=1e-5, abs=1e-6)
        assert last.intervals[name].n == len(values)
    for name, value in [*rung.metrics.items(), *last.metrics.items()]:
        low, high = (declared[name].low, declared[name].high) if name in declared else (0.0, float("inf"))
        assert low <= value <= high
    assert all(low <= last.metrics[name] <= high for name, (low, high, _) in last.intervals.items())
    relative = [metric.relative for metric in declared.values() if metric.relative is not None]
    assert len(set(relative)) == len(relative)
    assert not {*relative} & declared.keys()
    facts = server.facts(1.0)
    assert facts.model_fingerprint
    assert facts.data_fingerprint
    assert (facts.slots == 1) or spec.unpacked is None


@every_trainable
def test_what_the_search_asks_of_a_trainable_needs_no_torch(trainable: str, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from trainables.specs import TRAINABLES\n"
        f"spec = TRAINABLES[{trainable!r}]\n"
        "from tests.trainables.sections import sections_of\n"
        f"sections = sections_of({trainable!r})\n"
        "options = spec.options(**{name: sections[name] for name in spec.options.model_fields})\n"
        "assert spec.metrics(options) and spec.contents(options) and spec.subject(options)\n"
        "assert not list(spec.check(options))\n"
        "assert spec.localise(options, str.strip) and 'seed' in spec.parameters.model_fields\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@every_trainable
def test_of_trials_at_a_rung_together_each_is_measured_or_not_as_it_asks(
    trainable: str, tmp_path: Path
) -> None:
    server = serving(settings(trainable, tmp_path, slots=2, most_slots=2))
    asked = [first_request(trainable, 3, trial) for trial in (0, 1)]
    asked[0] = replace(asked[0], early=EarlyRungs(STEPS, ratio=math.inf))
    for measured in ([False, True], [True, True]):
        for slot, request in enumerate(asked):
            server.accept(Delivery(slot, slot, request))
        while server.training:
            server.step(interrupt=False)
        replies = [reply for _, reply in sorted(server.answers(), key=lambda answer: answer[0])]
        assert [reply.measured for reply in replies] == measured
        asked = [request.following(reply, STEPS) for request, reply in zip(asked, replies, strict=True)]
    first, second = map(numbers, replies)
    assert first == pytest.approx(second, rel=1e-6, abs=1e-7), "they are the same trial"
