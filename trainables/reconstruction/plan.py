"""What a plan says of trials of reconstruction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainables.lora.parameters import LoraParameters
from trainables.lora.plan.build import attention_of, model_notes, refuse_targets
from trainables.lora.plan.costs import Lengths, Work, costs, read_history, unless_too_large
from trainables.lora.plan.data_view import SEEN as MARKED
from trainables.lora.plan.data_view import example_lines
from trainables.lora.plan.light import ReadData
from trainables.lora.plan.shapes import MODEL_FILES, ModelShapes, model_shapes
from trainables.models.hub import describe
from trainables.planning import Costs, DataText, PlanRefusedError, PlanRequest, TrainablePlan
from trainables.reconstruction.checks import SEEN, read_lightly
from trainables.reconstruction.data import ReadingData
from trainables.reconstruction.metrics import BITS
from trainables.reconstruction.options import ReconstructionOptions
from trainables.reconstruction.parameters import ReconstructionParameters
from trainables.trainable import Finding

_PROMPT, _REPLY = 256, 16
"""Tokens, where the data are not known."""


@dataclass(frozen=True)
class ReadingPlan:
    """What a search reads.

    Attributes:
        train: Questions that are trained on.
        heldout: Questions that are measured on.
        mean: Tokens of a prompt on average.
        longest: Tokens of the longest.
        cut: Prompts whose passage was cut, for want of room.
        longest_answer: Tokens of the longest answer that is trained on, with its end.
    """

    train: int
    heldout: int
    mean: float
    longest: int
    cut: int
    longest_answer: int


def plan(request: PlanRequest) -> TrainablePlan:
    """Plans a search without starting anything.

    Raises:
        PlanRefusedError: The model's files are damaged, or it has no layers of a kind or fewer layers or
            dimensions than may be asked for; or the questions cannot be read, or no answer is so long.
    """
    options: ReconstructionOptions = request.options
    trials = [params for params in request.trials if isinstance(params, ReconstructionParameters)]
    shapes = model_shapes(options.model)
    if shapes is not None:
        refuse_targets(request, shapes)
        _refuse(request, "latent", shapes.hidden, "dimensions, but the model's embeddings have", MODEL_FILES)
        _refuse(request, "layers", shapes.layers, "layers, but the model has", MODEL_FILES)
    read = read_lightly(options, request.seed)
    if read is not None and max(request.possible["answer_weight"]) > 0:
        longest = read.data.longest_answer
        _refuse(request, "answer_tokens", longest, "tokens of an answer, but the longest has", SEEN)
    data = None if read is None else _data(read.data)
    notes = [*model_notes(options.model, shapes, request.workers), *_notes(options, data)]
    taken: Costs | None = None
    if shapes is not None and trials:
        adapters = [params.lora or _smallest(params) for params in trials]
        lengths = _lengths(data)
        history = read_history(options, request.history, "task")
        taken = unless_too_large(
            lambda: costs(request, shapes, adapters, history, lengths, _work(options, data, lengths)), notes
        )
    return TrainablePlan(
        trained=tuple(None if shapes is None else _trained(params, shapes) for params in trials),
        base_parameters=None if shapes is None else shapes.parameters,
        attention=attention_of(options.model),
        data=data,
        data_text=None if read is None or data is None else _text(read, data),
        costs=taken,
        download=describe(options.model).download(options.model.source),
        items={} if data is None else dict.fromkeys(BITS, data.heldout),
        notes=tuple(notes),
    )


def _refuse(request: PlanRequest, name: str, most: int, what: str, where: str) -> None:
    """Refuses values of a parameter above what there is.

    Raises:
        PlanRefusedError: There are such values.
    """
    largest = max((value for value in request.possible[name] if value is not None), default=0)
    if largest > most:
        raise PlanRefusedError(
            [Finding(request.key(name), f"{largest} {what} {most}", f"use {most} or less")], where
        )


def _smallest(params: ReconstructionParameters) -> LoraParameters:
    """Stands for a trial without LoRA in estimates that are made for one with it."""
    return LoraParameters(rank=1, batch_size=params.batch_size)


def _trained(params: ReconstructionParameters, shapes: ModelShapes) -> int | None:
    """Parameters of the rebuilding network and the LoRA."""
    width = shapes.hidden
    latent, hidden = params.latent or max(1, width // 4), params.hidden or width
    network = 2 * latent + (latent + 1) * hidden + (hidden + 1) * width + (latent + 1) * width + 2 * width + 1
    lora = 0 if params.lora is None else shapes.trainable_parameters(params.lora)
    return None if lora is None else network + lora


def _data(data: ReadingData) -> ReadingPlan:
    lengths = [question.prompt.length for question in data.train]
    return ReadingPlan(
        train=len(data.train),
        heldout=len(data.heldout),
        mean=sum(lengths) / len(lengths),
        longest=max(lengths),
        cut=sum(question.prompt.cut for question in (*data.train, *data.heldout)),
        longest_answer=data.longest_answer,
    )


def _text(read: ReadData[ReadingData], data: ReadingPlan) -> DataText:
    """The data for people: a prompt with its answer, of which the answer is learned."""
    lines = (
        f"{data.train:,} training questions, {data.heldout:,} held out; no passage is in both",
        f"tokens of a prompt: {data.mean:.0f} on average, {data.longest:,} at most; {data.cut:,} are cut",
        f"tokens of an answer with its end: {data.longest_answer} at most",
    )
    first = read.data.train[0]
    prompt = read.tokenizer.decode([*first.prompt.ids, *first.prompt.cue])
    answer = read.tokenizer.decode(list(first.answers[0]))
    example = tuple(map(tuple, example_lines(((prompt, False), (answer, True)))))
    return DataText(lines, f"a prompt and its answer {MARKED}", example)


def _notes(options: ReconstructionOptions, data: ReadingPlan | None) -> Iterator[str]:
    if data is None:
        yield f"{options.task.train} is read when the search starts: it is large, or the model is not here."
    elif data.cut:
        yield f"{data.cut} passages are cut at their end; answers that stand there cannot be read."


def _lengths(data: ReadingPlan | None) -> Lengths:
    if data is None:
        return Lengths(_PROMPT, _PROMPT, _REPLY)
    return Lengths(data.mean + data.longest_answer, data.longest + data.longest_answer, data.longest_answer)


def _work(options: ReconstructionOptions, data: ReadingPlan | None, lengths: Lengths) -> Work:
    """Of an evaluation: replies to the questions with their own passages, and with others."""
    questions = options.task.heldout_examples if data is None else data.heldout
    passes = -(-questions // options.task.batch_size) * lengths.replies
    return Work(2 * questions * (lengths.mean + lengths.replies), 2 * passes)
