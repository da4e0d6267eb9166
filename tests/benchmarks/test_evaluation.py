"""The benchmark of evaluation compares equal scores, and reads the share of evaluation out of a record."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from benchmarks.evaluation.items import SHOTS, load_model, read_questions, write_task
from benchmarks.evaluation.likelihood import Questions, compare
from benchmarks.evaluation.share import share
from search.record import BaselineMeasured, RungReached, TrialProposed


@pytest.mark.integration
@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-evaluation-harness is not installed"
)
def test_scores_are_equal_before_speeds_are_compared(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    items = read_questions("embedded", None, 6)
    model, tokenizer = load_model("embedded")
    for shots in SHOTS:
        row = compare(model, tokenizer, Questions(str(write_task(tmp_path, items, shots))), [2, 8], repeats=1)
        assert (row["items"], row["compared_items"], row["compared_options"]) == (6, 6, 24)
        assert row["worst_difference"] < 1e-3
        assert row["harness"]["batch_size"] in (2, 8)
        assert row["ours"]["ratio"]["median"] > 0


def test_share_is_that_of_all_rungs(tmp_path: Path) -> None:
    rungs = [
        RungReached(
            trial=0, rung=rung, step=rung + 1, metrics={}, train_seconds=6.0, eval_seconds=seconds,
            eval_parts={"generation": seconds / 2, "general": 0.5} if rung else {},
        )
        for rung, seconds in enumerate((1.0, 3.0))
    ]  # fmt: skip
    events = [
        BaselineMeasured(name="base", metrics={}, seconds=9.0),
        TrialProposed(trial=0, sampled={}, params={}),
        *rungs,
    ]
    (tmp_path / "events.jsonl").write_text("".join(event.model_dump_json() + "\n" for event in events))
    found = share(tmp_path)
    assert found["share"] == 4 / 16
    assert found["parts"] == {"generation": 1.5, "general": 0.5}
    assert (found["baseline_seconds"], found["rungs"]) == (9.0, 2)
