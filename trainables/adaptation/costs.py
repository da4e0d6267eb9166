"""Estimated time and memory of a search of adaptation: vectors and alignment, two stages, evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from trainables.adaptation.checks import Seen
from trainables.adaptation.options import AdaptationOptions
from trainables.adaptation.parameters import AdaptationParameters
from trainables.lora.memory import base_bytes, pass_bytes
from trainables.lora.parameters import LoraParameters
from trainables.lora.plan.costs import (
    CORE_FLOPS,
    GPU_FLOPS,
    PASS_SECONDS,
    PROCESS_BYTES,
    Lengths,
    Work,
    capability_work,
    computes_in_half,
    read_history,
)
from trainables.lora.plan.shapes import ModelShapes
from trainables.planning import Costs, PlannedWorkers, PlanRequest

_LENGTH, _DOCUMENT, _REPLY = 512, 256, 16
"""Tokens of a sequence, of a held-out document and of a reply, where they are not known."""

_BASELINE_SEQUENCES = 100
"""Whose loss a baseline is measured on, one by one."""

_SPARSE = 0.2
"""Assumed speed of products with a sparse matrix, as a share of that of dense ones."""

_SVD_PRODUCTS, _SVD_EXTRA = 10, 16
"""Of the truncated SVD: products with the matrix of co-occurrences, and dimensions beyond those wanted."""

_UPDATE_BYTES, _CPU_BYTES, _GPU_BYTES = 112, 1e10, 1e12
"""Read and written in a step for each trained number; and assumed of a device in a second."""

_HELD_BYTES, _STEP_BYTES = 16, 12
"""Of a trained number: itself, its gradient and two moments in fp32; and three copies of the gradient, while
it is summed over workers, divided and clipped."""

_LOGITS = 2**24
"""Of a pass over held-out documents, at most."""


@dataclass(frozen=True)
class Sizes:
    """What is trained and measured.

    Attributes:
        base: Shapes of the base model.
        body: Numbers beside the embeddings and the head.
        tables: 1 where these are tied, else 2.
        tokens: The target's.
        length: Tokens of a sequence.
        heldout: Tokens of all held-out documents.
        documents: Their number.
    """

    base: ModelShapes
    body: int
    tables: int
    tokens: int
    length: int
    heldout: float
    documents: int

    @classmethod
    def of(cls, options: AdaptationOptions, base: ModelShapes, tables: int, seen: Seen | None) -> Sizes:
        """Where the text is not known, its lengths are guesses, and the vocabulary is as configured."""
        body = base.parameters - tables * base.hidden * base.vocabulary
        if seen is not None:
            heldout = seen.target.heldout + seen.heldout  # each document has a token before it
            return cls(base, body, tables, seen.target.tokens, seen.length, heldout, seen.heldout)
        count, length = options.task.heldout_examples, options.task.max_length or _LENGTH
        tokens = options.target.vocabulary or base.vocabulary
        return cls(base, body, tables, tokens, length, count * _DOCUMENT, count)

    @property
    def head(self) -> int:
        """Numbers of the head, or of the embeddings."""
        return self.base.hidden * self.tokens

    def trained(self, params: AdaptationParameters) -> int:
        """Numbers that stage 2 trains, the tables among them."""
        lora = LoraParameters.model_validate({"rank": params.rank, "target_modules": "all"})
        adapters = self.base.trainable_parameters(lora) or 0
        return (self.body if params.stage2 == "full" else adapters) + self.tables * self.head


def costs(
    request: PlanRequest, sizes: Sizes, seen: Seen | None, trials: Sequence[AdaptationParameters]
) -> Costs:
    """Estimates what trials take.

    Args:
        request: What is planned.
        sizes: Of the model and the text.
        seen: The text; None where it is not known.
        trials: Parameters of typical trials, at least one.
    """
    options: AdaptationOptions = request.options
    workers = request.workers
    stages = [fmean(_step(sizes, params, workers, stage) for params in trials) for stage in (1, 2)]
    first = fmean(params.stage1 for params in trials)
    step = formula = first * stages[0] + (1 - first) * stages[1]
    history = read_history(options, request.history, "task", "target", "capability")
    if history is not None:
        step = history.token_seconds * fmean(params.batch_size for params in trials) * sizes.length
    slower = step / formula
    bits, asked, loss = (
        _pass_seconds(sizes, work, workers) * slower
        for work in (
            _bits_work(sizes),
            _asked_work(options, sizes),
            Work(_BASELINE_SEQUENCES * sizes.length, _BASELINE_SEQUENCES),
        )
    )
    evaluation = bits + asked
    if history is not None and history.evaluation_seconds is not None:
        evaluation = history.evaluation_seconds
    vocabularies, similarities = (len(request.possible[name]) for name in ("vocabulary", "similarity"))
    aligned = similarities * _alignment_seconds(options, sizes, seen, workers)
    memory = max(_worker_bytes(request, sizes, params) for params in trials)
    return Costs(
        step_seconds=step,
        shared_step_seconds=step,
        evaluation_seconds=evaluation,
        time_basis=(
            _formula(stages, workers, vocabularies * aligned)
            if history is None
            else f"measured: {history.rungs} rungs of earlier searches of this model, {step:.2g} s a step"
        ),
        measured=history is not None,
        worker_bytes=memory,
        most_worker_bytes=memory,
        memory_basis=(
            "process 0.9 GB + weights + 28 bytes per trained parameter, or 16 and what a pass keeps; "
            f"embeddings, head and logits have {sizes.tokens:,} tokens"
        ),
        preparation_seconds=loss + vocabularies * (aligned + bits),
        baseline_seconds=evaluation + loss,
        extra_seconds=bits * fmean(1 + (0 < params.stage1 < 1) for params in trials),
    )


def _formula(stages: Sequence[float], workers: PlannedWorkers, aligned: float) -> str:
    return (
        f"a formula: a step of stage 1 {stages[0]:.2g} s and of stage 2 {stages[1]:.2g} s at an assumed "
        f"{_speed(workers) / 1e9:.0f} GFLOP/s, vectors and alignment {aligned:.2g} s; a first search here "
        "gives measured times"
    )


def _speed(workers: PlannedWorkers) -> float:
    return workers.workers * (GPU_FLOPS * workers.gpus if workers.gpus else CORE_FLOPS * workers.cpus)


def _step(sizes: Sizes, params: AdaptationParameters, workers: PlannedWorkers, stage: int) -> float:
    """Time of a step by the formula.

    For each weight and token there are 2 operations forward, 2 for the gradient of what goes in, and 2 for
    that of a trained weight; with gradient checkpointing blocks go forward twice.
    """
    body = 6 if stage == 2 and params.stage2 == "full" else 4
    body += 2 * workers.gradient_checkpointing
    tokens = params.batch_size * sizes.length
    arithmetic = (body * sizes.body + 6 * sizes.head) * tokens / _speed(workers)
    update = _UPDATE_BYTES * sizes.trained(params) / (_GPU_BYTES if workers.gpus else _CPU_BYTES)
    return 2 * PASS_SECONDS + arithmetic + update


def _pass_seconds(sizes: Sizes, work: Work, workers: PlannedWorkers) -> float:
    return work.passes * PASS_SECONDS + 2 * (sizes.body + sizes.head) * work.tokens / _speed(workers)


def _bits_work(sizes: Sizes) -> Work:
    """Of all held-out documents, whose logits are there at once as far as there is room for them."""
    return Work(sizes.heldout, -(-sizes.heldout * sizes.tokens // _LOGITS))


def _asked_work(options: AdaptationOptions, sizes: Sizes) -> Work:
    """Of the questions at a rung."""
    capability = options.capability
    if capability is None:
        return Work(0, 0)
    return capability_work(
        capability, Lengths(sizes.length, sizes.length, capability.max_new_tokens or _REPLY)
    )


def _alignment_seconds(
    options: AdaptationOptions, sizes: Sizes, seen: Seen | None, workers: PlannedWorkers
) -> float:
    """Token vectors of both streams, and two alignments: of all tokens, and of those held out.

    A matrix of co-occurrences has at most two entries for each token of the text and distance.
    """
    if seen is None:
        return 0.0
    config = options.target
    sparse = dense = 0.0
    for stream in (seen.source, seen.target):
        width = min(config.dimensions, stream.frequent) + _SVD_EXTRA
        entries = min(2 * config.window * stream.train, stream.frequent**2)
        sparse += 2 * _SVD_PRODUCTS * entries * width
        dense += 2 * _SVD_PRODUCTS * stream.frequent * width**2
    dense += 4 * seen.target.frequent * seen.source.frequent * min(config.dimensions, seen.source.frequent)
    return (dense + sparse / _SPARSE) / (CORE_FLOPS * workers.cpus)


def _worker_bytes(request: PlanRequest, sizes: Sizes, params: AdaptationParameters) -> float:
    """Memory of a worker: the process, the base and a trial."""
    model, base = request.options.model, sizes.base
    held = base_bytes(base.parameters, base.linear, model, computes_in_half(model, request.workers))
    return PROCESS_BYTES + held + trial_bytes(request, sizes, params)


def trial_bytes(request: PlanRequest, sizes: Sizes, params: AdaptationParameters) -> float:
    """Memory of a trial at the fullest moment of a pass, or of the step after it.

    Args:
        request: What is planned.
        sizes: Of the model and the text.
        params: Of the trial.
    """
    workers = request.workers
    half = computes_in_half(request.options.model, workers)
    batch = -(-params.batch_size // workers.workers)
    shapes = replace(sizes.base, vocabulary=sizes.tokens)
    one_pass = pass_bytes(
        shapes,
        min(batch, workers.micro_batch or batch) * sizes.length,
        params.rank if params.stage2 == "lora" else 0,
        half,
        workers.gradient_checkpointing,
        "cuda" if workers.gpus else "cpu",
        whole_logits=True,
    )
    trained = sizes.trained(params)
    copies = 2 * trained if half else 0  # of fp32 weights, which a pass in bfloat16 makes
    return _HELD_BYTES * trained + max(one_pass + copies, _STEP_BYTES * trained)
