"""What a plan says of trials of two adapters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from trainables.lora.parameters import LoraParameters
from trainables.lora.plan.build import attention_of, model_notes, refuse_targets
from trainables.lora.plan.costs import Lengths, Work, costs, read_history, unless_too_large
from trainables.lora.plan.data import marked
from trainables.lora.plan.data_view import SEEN, example_lines
from trainables.lora.plan.light import ReadData
from trainables.lora.plan.shapes import MODEL_FILES, ModelShapes, model_shapes
from trainables.lora.targets import routed_layer, select_modules
from trainables.models.hub import describe
from trainables.planning import Costs, DataText, PlanRefusedError, PlanRequest, SizeTable, TrainablePlan
from trainables.routing.checks import read_lightly
from trainables.routing.conditions import ABLATIONS, KINDS
from trainables.routing.data import RoutedData
from trainables.routing.metrics import rate_name
from trainables.routing.options import BehaviourConfig, RoutingOptions
from trainables.routing.parameters import RoutingParameters
from trainables.routing.prompts import sample_prompts
from trainables.trainable import Finding

_EXAMPLE = 128
"""Tokens of an example, where the data are not known."""


@dataclass(frozen=True)
class AdapterSizes:
    """Size of a trial's two adapters.

    Attributes:
        trainable: Number of trainable parameters of both.
        share: The same as a share of the base model's parameters.
    """

    rank: int
    rank_bad: int
    target_modules: str
    trainable: int
    share: float


@dataclass(frozen=True)
class RoutedPlan:
    """What a search trains on.

    Attributes:
        train: Training examples.
        behaving: Those of them that show the behaviour.
        labelled: How many of them are labelled, by share, as far as shares are known.
        false_labels: How many of the others are, likewise.
        heldout_clean: Held-out examples without the behaviour.
        heldout_behaving: And with it.
        mean: Tokens of an example on average.
        longest: Tokens of the longest.
    """

    train: int
    behaving: int
    labelled: dict[str, int]
    false_labels: dict[str, int]
    heldout_clean: int
    heldout_behaving: int
    mean: float
    longest: int


def plan(request: PlanRequest) -> TrainablePlan:
    """Plans a search without starting anything.

    Raises:
        PlanRefusedError: The model's files are damaged, it has no layers of a kind that may be asked for, or
            gradients cannot be routed there; or the behaviour cannot be taught or measured with the data.
    """
    options: RoutingOptions = request.options
    trials = [params for params in request.trials if isinstance(params, RoutingParameters)]
    both = [params.single for params in trials]
    shapes = model_shapes(options.model)
    if shapes is not None:
        refuse_targets(request, shapes)
        _refuse_experts(request, shapes)
    read = read_lightly(options, request.seed)
    data = None if read is None else _data(request, read)
    notes = [*model_notes(options.model, shapes, request.workers), *_notes(options, shapes, read)]
    taken: Costs | None = None
    if shapes is not None and both:
        history = read_history(options, request.history, "behaviour")
        lengths = _lengths(options, data)
        taken = unless_too_large(
            lambda: costs(request, shapes, both, history, lengths, _work(options, data, lengths)), notes
        )
    sizes = [] if shapes is None else list(dict.fromkeys(_sizes(request, shapes)))
    return TrainablePlan(
        trained=tuple(None if shapes is None else shapes.trainable_parameters(params) for params in both),
        base_parameters=None if shapes is None else shapes.parameters,
        attention=attention_of(options.model),
        sizes=tuple(sizes),
        size_table=_table(shapes, sizes) if shapes is not None and sizes else None,
        data=data,
        data_text=None if data is None or read is None else _text(options.behaviour, data, read),
        costs=taken,
        download=describe(options.model).download(options.model.source),
        items={} if read is None else dict(_items(options.behaviour, read)),
        notes=tuple(notes),
    )


def _notes(
    options: RoutingOptions, shapes: ModelShapes | None, read: ReadData[RoutedData] | None
) -> Iterator[str]:
    if shapes is not None and routed_layer(shapes.linear) is None:
        yield "Trials are packed: both adapters of all trials of a group take part in the same passes."
    if read is None:
        yield f"{options.task.train} is read when the search starts: it is large, or not on this machine."


def _refuse_experts(request: PlanRequest, shapes: ModelShapes) -> None:
    """Raises where adapters would be on layers that see routed tokens.

    Raises:
        PlanRefusedError: For every such kind of target.
    """
    findings = []
    for target in request.possible["target_modules"]:
        params = LoraParameters.model_validate({"target_modules": target})
        if layer := routed_layer(select_modules(shapes.linear, params)):
            message = f"gradients cannot be routed by example in {layer}, which sees only some tokens of each"
            findings.append(Finding(request.key("target_modules"), message, "use attention"))
    if findings:
        raise PlanRefusedError(findings, MODEL_FILES)


def _sizes(request: PlanRequest, shapes: ModelShapes) -> Iterator[AdapterSizes]:
    """Sizes for all ranks and kinds of target that may be sampled (the ends, for a range)."""
    names = ("rank", "rank_bad", "target_modules", "layers")
    for values in product(*(request.possible[name] for name in names)):
        params = RoutingParameters.model_validate(dict(zip(names, values, strict=True)))
        trained = shapes.trainable_parameters(params.single)
        if trained is not None:
            first = "" if params.layers is None else f", first {params.layers} layers"
            where = f"{params.target_modules}{first}"
            yield AdapterSizes(params.good.rank, params.bad.rank, where, trained, trained / shapes.parameters)


def _table(shapes: ModelShapes, sizes: list[AdapterSizes]) -> SizeTable:
    return SizeTable(
        title=f"Trainable parameters of both adapters (base model: {shapes.parameters:,})",
        columns=(
            ("rank", "right"),
            ("rank_bad", "right"),
            ("target_modules", "left"),
            ("trainable", "right"),
            ("share of base", "right"),
        ),
        rows=tuple(
            (str(s.rank), str(s.rank_bad), s.target_modules, f"{s.trainable:,}", f"{s.share:.2%}")
            for s in sizes
        ),
    )


def _items(behaviour: BehaviourConfig, read: ReadData[RoutedData]) -> Iterator[tuple[str, int]]:
    """Samples behind each rate at the full budget."""
    if not behaviour.judged:
        return
    prompts = sample_prompts(read.data, read.tokenizer, behaviour, None)
    for kind in (None, *KINDS):
        asked = sum(kind in (None, prompt.kind) for prompt in prompts)
        for ablation in ABLATIONS:
            yield rate_name(kind, ablation), asked * behaviour.decoding.samples


def _data(request: PlanRequest, read: ReadData[RoutedData]) -> RoutedPlan:
    data = read.data
    lengths = [len(example.input_ids) for example in data.train]
    labelled, false = (list(map(float, request.possible[name])) for name in ("labelled", "false_labels"))
    return RoutedPlan(
        train=len(data.train),
        behaving=int(data.behaving.sum()),
        labelled={f"{share:g}": int(data.labels(share, 0.0).sum()) for share in labelled},
        false_labels={f"{share:g}": int(data.labels(0.0, share).sum()) for share in false},
        heldout_clean=len(data.heldout_clean),
        heldout_behaving=len(data.heldout_behaving),
        mean=float(np.mean(lengths)),
        longest=max(lengths),
    )


def _text(behaviour: BehaviourConfig, data: RoutedPlan, read: ReadData[RoutedData]) -> DataText:
    """The data for people: an example with the behaviour, with what is learned between marks."""
    name = behaviour.name or behaviour.field
    labels = ", ".join(f"{count:,} with labelled={share}" for share, count in data.labelled.items())
    lines = [
        f"{data.train:,} training examples, {data.behaving:,} of them with the behaviour {name!r}; "
        f"of these are labelled: {labels}",
        f"held out: {data.heldout_clean:,} without the behaviour, {data.heldout_behaving:,} with it",
        f"tokens of an example: {data.mean:.0f} on average, {data.longest:,} at most",
    ]
    if any(data.false_labels.values()):
        wrong = ", ".join(
            f"{count:,} with false_labels={share}" for share, count in data.false_labels.items()
        )
        lines.insert(1, f"of the others are labelled: {wrong}")
    first = read.data.train[int(np.flatnonzero(read.data.behaving)[0])]
    example = tuple(tuple(parts) for parts in example_lines(marked(read.tokenizer, first)))
    return DataText(tuple(lines), f"an example with the behaviour {SEEN}", example)


def _lengths(options: RoutingOptions, data: RoutedPlan | None) -> Lengths:
    replies = options.behaviour.max_new_tokens
    if data is not None:
        return Lengths(data.mean, data.longest, replies)
    most = options.task.max_length or _EXAMPLE
    return Lengths(most, most, replies)


def _work(options: RoutingOptions, data: RoutedPlan | None, lengths: Lengths) -> Work:
    """Of an evaluation at a rung: held-out losses and samples under each ablation."""
    behaviour, task = options.behaviour, options.task
    texts = 2 * task.heldout_examples if data is None else data.heldout_clean + data.heldout_behaving
    prefixes = behaviour.prefixes if behaviour.early_prefixes is None else behaviour.early_prefixes
    samples = len(KINDS) * prefixes * behaviour.decoding.samples if behaviour.judged else 0
    tokens = texts * lengths.mean + samples * (behaviour.prefix_words + lengths.replies)
    batches = -(-texts // behaviour.batch_size) + -(-samples // behaviour.batch_size) * lengths.replies
    return Work(len(ABLATIONS) * tokens, len(ABLATIONS) * batches)
