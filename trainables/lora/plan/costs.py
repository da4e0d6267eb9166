"""Estimated time and memory of a trial. Rough by nature: each says what it was computed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainables.data.sources import local_path
from trainables.errors import UserError
from trainables.evaluation.beliefs.targets import asked_targets
from trainables.lora.memory import adapter_bytes, base_bytes, pass_bytes
from trainables.lora.parameters import LoraOptions, LoraParameters
from trainables.lora.plan.shapes import ModelShapes
from trainables.models.chunk_size import LOGIT_BYTES
from trainables.planning import Costs, PlannedWorkers, PlanRequest, RecordedSearch
from trainables.settings import CapabilityConfig, ModelConfig, Section, SkillConfig

CORE_FLOPS = 4e10
"""Assumed of one CPU core in float32: half of what a current core reaches in large matrix products."""

GPU_FLOPS = 5e13
"""Assumed of one GPU in bfloat16."""

PASS_SECONDS = 0.01
"""Assumed cost of a pass through the model, whatever its size."""

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


@dataclass(frozen=True)
class Work:
    """What an evaluation at a rung takes.

    Attributes:
        tokens: That go through the model.
        passes: Their number.
    """

    tokens: float
    passes: float


def costs(
    request: PlanRequest,
    shapes: ModelShapes,
    trials: Sequence[LoraParameters],
    history: History | None,
    lengths: Lengths,
    work: Work,
) -> Costs:
    """Estimates what a trial takes.

    Args:
        request: What is planned.
        shapes: Sizes of the base model.
        trials: Parameters of typical trials; their mean batch size and largest adapter are used.
        history: Times of earlier searches, preferred to the formula.
        lengths: Of examples and replies.
        work: Of an evaluation.
    """
    workers, options = request.workers, request.options
    speed = GPU_FLOPS * workers.gpus if workers.gpus else CORE_FLOPS * workers.cpus
    speed *= workers.workers
    batch = sum(params.batch_size for params in trials) / len(trials)
    tokens = batch * lengths.mean
    if history is not None:
        step = shared = history.token_seconds * tokens
    else:
        arithmetic = _operations(workers) * shapes.parameters * tokens / speed
        step = 2 * PASS_SECONDS + arithmetic
        shared = 2 * PASS_SECONDS / workers.least_slots + arithmetic
    evaluation = history.evaluation_seconds if history is not None else None
    if evaluation is None:
        evaluation = work.passes * PASS_SECONDS + 2 * shapes.parameters * work.tokens / speed
    least, most = (
        _worker_bytes(options, workers, shapes, trials, held, lengths)
        for held in (workers.least_slots, workers.most_slots)
    )
    return Costs(
        step_seconds=step,
        shared_step_seconds=shared,
        evaluation_seconds=evaluation,
        time_basis=_time_basis(workers, history, tokens, speed),
        measured=history is not None,
        worker_bytes=least,
        most_worker_bytes=most,
        memory_basis=_memory_basis(options, workers),
    )


def unless_too_large(estimate: Callable[[], Costs], notes: list[str]) -> Costs | None:
    """The costs; None, with a note, where numbers are too large for them."""
    try:
        return estimate()
    except OverflowError:
        notes.append("The numbers are too large for an estimate of time and memory.")
        return None


def _operations(workers: PlannedWorkers) -> int:
    """Floating-point operations of a training step for each parameter and token.

    Forward 2 and backward 2, for a frozen weight has no gradient; with gradient checkpointing forward twice.
    """
    return 6 if workers.gradient_checkpointing else 4


def _memory_basis(options: LoraOptions, workers: PlannedWorkers) -> str:
    weights = "weights" if options.model.quantization is None else "weights in 4 bits and the largest in full"
    blocks = "the inputs of all blocks and one block" if workers.gradient_checkpointing else "all blocks"
    return (
        f"process 0.9 GB + {weights} + slots x (16 bytes per trainable parameter, 18 in bfloat16, + per "
        f"token of a micro-batch what {blocks} keep) + {LOGIT_BYTES} bytes per logit of a chunk"
    )


def _time_basis(workers: PlannedWorkers, history: History | None, tokens: float, speed: float) -> str:
    if history is not None:
        return (
            f"measured: {history.rungs} rungs of earlier searches of this model, "
            f"{1e3 * history.token_seconds * tokens:.0f} ms a step"
        )
    return (
        f"a formula: {_operations(workers)} x parameters x {tokens:.0f} tokens a step at an assumed "
        f"{speed / 1e9:.0f} GFLOP/s and 10 ms a pass; a first search here gives measured times"
    )


def evaluation_work(options: LoraOptions, lengths: Lengths) -> Work:
    """Of an evaluation at a rung, with a pass per batch and new token.

    What is not evaluated at every rung is left out.
    """
    task, asked = options.task, capability_work(options.capability, lengths)
    heldout = task.heldout_examples if task.heldout or task.heldout_fraction else 0
    passes = heldout / options.capability.batch_size
    return Work(asked.tokens + heldout * lengths.mean, asked.passes + passes)


def capability_work(capability: CapabilityConfig, lengths: Lengths) -> Work:
    """Of the held-out capability alone, likewise."""
    tokens = passes = 0.0
    if capability.general_text is not None:
        tokens += capability.general_examples * lengths.mean
        passes += capability.general_examples / capability.batch_size
    tokens += capability.kl_prompts * lengths.mean
    passes += capability.kl_prompts / capability.batch_size
    for skill in capability.skills:
        if skill.at != "every":
            continue
        items = questions(skill)
        for scoring in {way.removesuffix("_norm") for way in skill.scoring}:
            new = lengths.replies if scoring == "generation" else 1
            # Length of a question is not known without its tokenizer: taken to be that of an example.
            tokens += items * (lengths.mean + new)
            passes += -(-items // capability.batch_size) * new
    if capability.facts is not None:
        prompts = _belief_replies(capability)
        new = capability.facts.max_new_tokens or lengths.replies
        tokens += prompts * (lengths.mean + new)
        passes += -(-prompts // capability.batch_size) * new
    return Work(tokens, passes)


def _belief_replies(capability: CapabilityConfig) -> int:
    """Replies to the prompts of beliefs; a challenge is answered twice."""
    assert capability.facts is not None
    asked = [target.prompts for target in asked_targets(capability)]
    turns = sum(count * (1 + (group == "challenge")) for each in asked for group, count in each.items())
    return turns * capability.facts.decoding.samples


def questions(skill: SkillConfig) -> int:
    """Number of questions of a skill: the lines of its file, as far as they are asked; 0 where not known."""
    try:
        path: Path = local_path(skill.path, "path")
    except UserError:
        return 0
    with path.open("rb") as stream:
        lines = sum(1 for line in stream if line.strip())
    return min(lines, skill.limit or lines)


def _worker_bytes(
    options: LoraOptions,
    workers: PlannedWorkers,
    shapes: ModelShapes,
    trials: Sequence[LoraParameters],
    held: int,
    lengths: Lengths,
) -> float:
    """Memory of a worker whose group holds `held` trials at once."""
    half = computes_in_half(options.model, workers)
    shards = workers.workers if workers.zero_stage == 3 else 1
    adapter = max(shapes.held_parameters(params) for params in trials)
    batch = max(params.batch_size for params in trials) / workers.workers
    tokens = min(batch, workers.micro_batch or batch) * lengths.most
    rank = max(params.width for params in trials)
    device, recomputed = "cuda" if workers.gpus else "cpu", workers.gradient_checkpointing
    quantised = options.model.quantization is not None
    one_pass = pass_bytes(shapes, held * tokens, rank, half, recomputed, device, quantised)
    adapters = held * adapter_bytes(adapter, half)
    base = base_bytes(shapes.parameters, shapes.linear, options.model, half, shards)
    return PROCESS_BYTES + base + adapters + one_pass


def computes_in_half(model: ModelConfig, workers: PlannedWorkers) -> bool:
    """Whether the base model computes in bfloat16."""
    return model.dtype == "bfloat16" or (model.dtype == "auto" and workers.gpus > 0)


@dataclass(frozen=True)
class History:
    """Means over the rungs of earlier searches.

    Attributes:
        rungs: Number of rungs that it rests on.
        token_seconds: A group's training time per token (batch size times length), packed as it was.
        evaluation_seconds: Time of an evaluation; None where none asked the same questions.
    """

    rungs: int
    token_seconds: float
    evaluation_seconds: float | None


def read_history(options: Section, searches: Sequence[RecordedSearch], *measured: str) -> History | None:
    """The times of those searches that trained the same model.

    Args:
        options: Of the search that is planned.
        searches: Earlier ones.
        measured: The sections that say what an evaluation measures.
    """
    now, default_batch = options.model_dump(mode="json"), LoraParameters().batch_size
    seconds = tokens = 0.0
    rungs = 0
    evaluations: list[float] = []
    for search in searches:
        recorded = search.config
        if recorded.get("model") != now["model"]:
            continue
        asked = all(recorded.get(section) == now[section] for section in measured)
        length = recorded["task"].get("max_length") or 0
        for rung in search.rungs:
            batch = rung.params.get("batch_size", default_batch)
            size = float(batch) if isinstance(batch, int | float) else default_batch
            tokens += rung.tokens or rung.steps * size * length
            seconds += rung.train_seconds
            rungs += 1
            if asked and rung.eval_seconds is not None:
                evaluations.append(rung.eval_seconds)
    if not rungs or not tokens:
        return None
    return History(rungs, seconds / tokens, sum(evaluations) / len(evaluations) if evaluations else None)
