"""Likelihood-scored multiple choice: ours against lm-evaluation-harness's own model class."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from trainables.evaluation.harness.answers import Asking, answers
from trainables.evaluation.harness.library import load_task
from trainables.evaluation.harness.requests import HarnessTokens, Request, Requests
from trainables.evaluation.inference.forward import Forward

TOLERANCE = 1e-3
"""Nats by which the log-likelihoods of an option may differ."""

ROWS = 64
"""Rows of our passes, at most: the default of `capability.batch_size`."""

Scores = list[tuple[float, bool]]


@dataclass(frozen=True)
class Seconds:
    """Of one run: by the clock, and of this process's threads."""

    wall: float
    cpu: float


class Questions:
    """The instances of a task, as the harness makes them.

    Args:
        path: The task's file.
    """

    def __init__(self, path: str) -> None:
        self.task = load_task(path, "benchmark", seed=0)
        self.task.build_all_requests(rank=0, world_size=1)
        self.instances: list[Any] = self.task.instances
        self.items = len({instance.doc_id for instance in self.instances})

    def predictions(self, scores: Scores) -> list[int]:
        """The most likely option of each question."""
        values: dict[int, list[float]] = {}
        for instance, (value, _) in zip(self.instances, scores, strict=True):
            values.setdefault(instance.doc_id, []).append(value)
        return [own.index(max(own)) for own in values.values()]


def harness_run(model: Any, tokenizer: Any, batch_size: int) -> Callable[[Questions], Scores]:
    """The harness's run, with batches of this size."""
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)

    def run(questions: Questions) -> Scores:
        scores: Scores = lm.loglikelihood(questions.instances, disable_tqdm=True)
        return scores

    return run


def our_run(model: Any, tokenizer: Any, rows: int, prepared: bool) -> Callable[[Questions], Scores]:
    """Ours. In a search questions are made into tokens once (`prepared`), and here otherwise in every run."""
    tokens = HarnessTokens(tokenizer)
    forward = Forward(model)
    context = int(model.config.max_position_embeddings)
    made: list[Request] = []

    def run(questions: Questions) -> Scores:
        if not (prepared and made):
            made[:] = Requests(tokens, context, "benchmark").make(questions.instances)
        with forward.evaluating():
            (scores,) = answers(Asking(forward, 1, rows, tokenizer.pad_token_id, ()), tokens, made)
        return scores

    return run


def compare(
    model: Any, tokenizer: Any, questions: Questions, batches: Sequence[int], repeats: int
) -> dict[str, Any]:
    """Times all ways on the same questions in turns, the harness with the batch size that suits it best.

    "ours" does all that the harness does, "prepared" has the questions' tokens already.

    Raises:
        RuntimeError: The two do not give the same scores.
    """
    trials = {size: _timed(harness_run(model, tokenizer, size), questions) for size in batches}
    best = min(trials, key=lambda size: trials[size][0].cpu)
    ways = {
        "harness": harness_run(model, tokenizer, best),
        "ours": our_run(model, tokenizer, ROWS, prepared=False),
        "prepared": our_run(model, tokenizer, ROWS, prepared=True),
    }
    for way in ("ours", "prepared"):
        _timed(ways[way], questions)
    runs = [{way: _timed(run, questions) for way, run in ways.items()} for _ in range(repeats)]
    result: dict[str, Any] = {"items": questions.items, "options": len(questions.instances)}
    for way in ways:
        seconds = [run[way][0] for run in runs]
        result[way] = {"items_per_second": questions.items / median(each.wall for each in seconds)}
        if way != "harness":
            pairs = [(run["harness"][0], run[way][0]) for run in runs]
            result[way]["ratio"] = _spread([theirs.wall / own.wall for theirs, own in pairs])
            result[way]["cpu_ratio"] = _spread([theirs.cpu / own.cpu for theirs, own in pairs])
    result["harness"]["batch_size"] = best
    return result | _equal(questions, runs[0]["harness"][1], runs[0]["ours"][1])


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": median(values), "min": min(values), "max": max(values)}


def _timed(run: Callable[[Questions], Scores], questions: Questions) -> tuple[Seconds, Scores]:
    wall, cpu = time.perf_counter(), time.process_time()
    scores = run(questions)
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu), scores


def _equal(questions: Questions, theirs: Scores, ours: Scores) -> dict[str, Any]:
    """How many scores were compared, and how far apart they are."""
    worst = max(abs(harness[0] - own[0]) for harness, own in zip(theirs, ours, strict=True))
    greedy = sum(harness[1] != own[1] for harness, own in zip(theirs, ours, strict=True))
    pairs = list(zip(questions.predictions(theirs), questions.predictions(ours), strict=True))
    differing = sum(harness != own for harness, own in pairs)
    if not worst <= TOLERANCE or differing or greedy:
        raise RuntimeError(
            f"the scores differ by up to {worst:.2g} nats, in {differing} predictions of {len(pairs)} and "
            f"in {greedy} greedy matches of {len(theirs)}"
        )
    return {"compared_options": len(theirs), "compared_items": len(pairs), "worst_difference": worst}
