"""Estimated time and memory. Rough by nature: each says what it was computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.config.schema import SearchConfig
from search.plan.history import History
from search.plan.model import Estimate, Slots
from search.plan.shapes import ModelShapes
from trainables.data.sources import local_path
from trainables.errors import UserError
from trainables.lora.memory import adapter_bytes, pass_bytes
from trainables.lora.parameters import LoraParameters
from trainables.models.chunk_size import LOGIT_BYTES
from trainables.settings import CapabilityConfig

CORE_FLOPS = 4e10
"""Assumed of one CPU core in float32: half of what a current core reaches in large matrix products."""

GPU_FLOPS = 5e13
"""Assumed of one GPU in bfloat16."""

PASS_SECONDS = 0.01
"""Assumed cost of a pass through the model, whatever its size."""

STARTUP_SECONDS = 15.0
"""Ray, the workers' imports and the process group."""

PROCESS_BYTES = 0.9e9
"""A worker process with torch, without model and data."""


@dataclass(frozen=True)
class Lengths:
    """Lengths that an estimate is made for.

    Attributes:
        mean: Tokens of an example on average.
        most: The same, at most.
        replies: Tokens of a generated reply, at most.
    """

    mean: float
    most: int
    replies: int


def estimate(
    config: SearchConfig,
    shapes: ModelShapes,
    trials: Sequence[LoraParameters],
    number: int,
    slots: Slots,
    history: History | None,
    lengths: Lengths,
) -> Estimate:
    """Estimates a search.

    Args:
        config: The search.
        shapes: Sizes of the base model.
        trials: Parameters of typical trials; their mean batch size and largest adapter are used.
        number: Number of trials.
        slots: What they run on.
        history: Times of earlier searches, preferred to the formula.
        lengths: Of examples and replies.
    """
    speed = GPU_FLOPS * slots.gpus if slots.gpus else CORE_FLOPS * slots.cpus
    speed *= slots.workers_per_group
    batch = sum(params.batch_size for params in trials) / len(trials)
    tokens = batch * lengths.mean
    if history is not None:
        step = shared = history.token_seconds * tokens
    else:
        arithmetic = _operations(config) * shapes.parameters * tokens / speed
        step = 2 * PASS_SECONDS + arithmetic
        shared = 2 * PASS_SECONDS / slots.least_per_group + arithmetic
    evaluation = history.evaluation_seconds if history is not None else None
    if evaluation is None:
        evaluation = _evaluation(config, shapes, speed, lengths)
    rungs = config.budget.rung_steps
    steps = [at - before for before, at in zip((0, *rungs), rungs, strict=False)]
    own = [count * step + evaluation for count in steps]
    work = [count * shared + evaluation for count in steps]
    trial, whole = sum(own), sum(work)
    likely = sum(seconds / config.budget.eta**rung for rung, seconds in enumerate(work))
    if config.scheduler.name == "none":
        likely = whole
    fixed = STARTUP_SECONDS + evaluation
    groups = slots.groups or 1
    repeated = repetitions(config, number)
    confirmation = max(repeated * whole / groups, trial) if repeated else 0.0
    # However many groups there are, a trial takes its own time.
    fewest = fixed + max(number * work[0] / groups, own[0])
    expected, most = (
        fixed + max(number * seconds / groups, trial) + confirmation for seconds in (likely, whole)
    )
    gpus = slots.gpus * slots.workers_per_group * groups
    return Estimate(
        step_seconds=step,
        evaluation_seconds=evaluation,
        trial_seconds=trial,
        fewest_seconds=fewest,
        likely_seconds=expected,
        most_seconds=most,
        confirmation_seconds=confirmation,
        gpu_hours=expected * gpus / 3600,
        time_basis=_time_basis(config, history, tokens, speed),
        worker_bytes=_worker_bytes(config, shapes, trials, slots, slots.least_per_group, lengths),
        most_worker_bytes=_worker_bytes(config, shapes, trials, slots, slots.most_per_group, lengths),
        memory_basis=_memory_basis(config),
    )


def _operations(config: SearchConfig) -> int:
    """Floating-point operations of a training step for each parameter and token.

    Forward 2 and backward 2, for a frozen weight has no gradient; with gradient checkpointing forward twice.
    """
    return 6 if config.workers.gradient_checkpointing else 4


def _memory_basis(config: SearchConfig) -> str:
    blocks = (
        "the inputs of all blocks and one block" if config.workers.gradient_checkpointing else "all blocks"
    )
    return (
        "process 0.9 GB + weights + slots x (16 bytes per trainable parameter, 18 in bfloat16, + for each "
        f"token of a micro-batch what {blocks} keep) + {LOGIT_BYTES} bytes per logit of a chunk"
    )


def repetitions(config: SearchConfig, number: int) -> int:
    """Most repetitions of candidates where there are `number` trials."""
    return min(config.confirm.candidates, number) * config.confirm.seeds


def _time_basis(config: SearchConfig, history: History | None, tokens: float, speed: float) -> str:
    if history is not None:
        return (
            f"measured: {history.rungs} rungs of earlier searches of this model, "
            f"{1e3 * history.token_seconds * tokens:.0f} ms a step"
        )
    return (
        f"a formula: {_operations(config)} x parameters x {tokens:.0f} tokens a step at an assumed "
        f"{speed / 1e9:.0f} GFLOP/s and 10 ms a pass; a first search here gives measured times"
    )


def _evaluation(config: SearchConfig, shapes: ModelShapes, speed: float, lengths: Lengths) -> float:
    """Seconds of an evaluation at a rung, by 2 * parameters * tokens, and a pass per batch and new token.

    What is not asked at every rung is left out.
    """
    capability: CapabilityConfig = config.options.capability
    tokens = passes = 0.0
    if config.options.task.heldout or config.options.task.heldout_fraction:
        tokens += config.options.task.heldout_examples * lengths.mean
        passes += config.options.task.heldout_examples / capability.batch_size
    if capability.general_text is not None:
        tokens += capability.general_examples * lengths.mean
        passes += capability.general_examples / capability.batch_size
    tokens += capability.kl_prompts * lengths.mean
    passes += capability.kl_prompts / capability.batch_size
    for skill in capability.skills:
        if skill.at != "every":
            continue
        items = min(_items(skill.path), skill.limit or 10**9)
        for scoring in {way.removesuffix("_norm") for way in skill.scoring}:
            new = lengths.replies if scoring == "generation" else 1
            # Length of a question is not known without its tokenizer: taken to be that of an example.
            tokens += items * (lengths.mean + new)
            passes += -(-items // capability.batch_size) * new
    return passes * PASS_SECONDS + 2 * shapes.parameters * tokens / speed


def _items(source: str) -> int:
    """Number of questions in a file: its lines."""
    try:
        path: Path = local_path(source, "path")
    except UserError:
        return 0
    with path.open("rb") as stream:
        return sum(1 for line in stream if line.strip())


def _worker_bytes(
    config: SearchConfig,
    shapes: ModelShapes,
    trials: Sequence[LoraParameters],
    slots: Slots,
    held: int,
    lengths: Lengths,
) -> float:
    """Memory of a worker whose group holds `held` trials at once."""
    half = config.options.model.dtype == "bfloat16" or (
        config.options.model.dtype == "auto" and slots.gpus > 0
    )
    size = 2 if half else 4
    shards = slots.workers_per_group if config.workers.zero_stage == 3 else 1
    adapter = max(shapes.trainable(params) or 0 for params in trials)
    batch = max(params.batch_size for params in trials) / slots.workers_per_group
    tokens = min(batch, config.workers.micro_batch or batch) * lengths.most
    rank = max(params.rank for params in trials)
    device, recomputed = "cuda" if slots.gpus else "cpu", config.workers.gradient_checkpointing
    one_pass = pass_bytes(shapes, held * tokens, rank, half, recomputed, device)
    adapters = held * adapter_bytes(adapter, half)
    return PROCESS_BYTES + shapes.parameters * size / shards + adapters + one_pass
