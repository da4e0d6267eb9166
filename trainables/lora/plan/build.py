"""What a plan says of adapters on text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from trainables.errors import UserError
from trainables.lora.memory import base_bytes
from trainables.lora.parameters import LoraOptions, LoraParameters
from trainables.lora.plan.costs import (
    Lengths,
    computes_in_half,
    costs,
    evaluation_work,
    questions,
    read_history,
    unless_too_large,
)
from trainables.lora.plan.data import plan_data, refuse_long_prompts
from trainables.lora.plan.data_view import data_text
from trainables.lora.plan.model import DataPlan, RankSize
from trainables.lora.plan.shapes import MODEL_FILES, ModelShapes, model_shapes
from trainables.lora.targets import routed_dropout, routed_layer, select_modules, unsuitable_start
from trainables.models.folder.check import takes_sdpa
from trainables.models.hub import describe
from trainables.models.resolve import local_folder
from trainables.planning import (
    Costs,
    PlannedWorkers,
    PlanRefusedError,
    PlanRequest,
    SizeTable,
    TrainablePlan,
)
from trainables.settings import ModelConfig
from trainables.trainable import Finding

_EXAMPLE, _REPLY = 128, 16


def plan(request: PlanRequest) -> TrainablePlan:
    """Plans a search of adapters without starting anything.

    Raises:
        PlanRefusedError: The model's files are damaged, it has no layers of a kind that may be asked for, or
            its tokenizer can make nothing of the data.
    """
    options: LoraOptions = request.options
    trials = [params for params in request.trials if isinstance(params, LoraParameters)]
    shapes = model_shapes(options.model)
    if shapes is not None:
        refuse_targets(request, shapes)
        refuse_starts(request, shapes, trials, options.model.quantization is not None)
    data = plan_data(options, request.seed)
    refuse_long_prompts(options, request.seed, request.baselines)
    notes = model_notes(options.model, shapes, request.workers)
    if data is None:
        notes.append(f"{options.task.train} is a hub data set, and is read when the search starts.")
    taken: Costs | None = None
    if shapes is not None and trials:
        history = read_history(options, request.history, "capability")
        lengths = _lengths(options, data)
        work = evaluation_work(options, lengths)
        taken = unless_too_large(lambda: costs(request, shapes, trials, history, lengths, work), notes)
    sizes = _sizes(request, shapes) if shapes is not None else []
    return TrainablePlan(
        trained=tuple(shapes.trainable_parameters(params) if shapes else None for params in trials),
        base_parameters=shapes.parameters if shapes else None,
        attention=attention_of(options.model),
        sizes=tuple(sizes),
        size_table=_table(shapes, sizes) if shapes is not None and sizes else None,
        data=data,
        data_text=None if data is None else data_text(data),
        costs=taken,
        download=describe(options.model).download(options.model.source),
        items=_items(options),
        notes=tuple(notes),
    )


def _items(options: LoraOptions) -> dict[str, int]:
    """Questions of each skill, and prompts of each metric of beliefs."""
    from trainables.evaluation.beliefs.targets import asked_targets
    from trainables.evaluation.metrics.beliefs import prompt_counts

    counts = {skill.name: questions(skill) for skill in options.capability.skills}
    counts |= prompt_counts(asked_targets(options.capability))
    return {name: count for name, count in counts.items() if count}


def attention_of(model: ModelConfig) -> str | None:
    """What `model.attention` comes to, where the model's files say it."""
    if model.attention != "auto":
        return f"{model.attention} (model.attention)"
    folder = local_folder(model)
    takes = None if folder is None else takes_sdpa(folder)
    if takes is None:
        return None
    return (
        "sdpa"
        if takes
        else ("eager: models of this kind do not support torch's scaled dot-product attention")
    )


def _lengths(options: LoraOptions, data: DataPlan | None) -> Lengths:
    """Lengths to estimate with; where the data's are not known, those of short texts."""
    if data is not None and (known := data.lengths) is not None:
        return Lengths(known.mean, known.max_length, known.replies)
    most = options.task.max_length or _EXAMPLE
    return Lengths(most, most, options.capability.max_new_tokens or _REPLY)


def _sizes(request: PlanRequest, shapes: ModelShapes) -> list[RankSize]:
    """Adapter sizes for every rank and kind of target that may be sampled (the ends, for a range)."""
    sizes = []
    possible = (request.possible[name] for name in ("rank", "target_modules", "layers"))
    for rank, target, layers in product(*possible):
        params = LoraParameters.model_validate({"rank": rank, "target_modules": target, "layers": layers})
        trained = shapes.trainable_parameters(params)
        if trained is not None:
            where = params.target_modules + (f", first {layers} layers" if layers is not None else "")
            sizes.append(RankSize(params.rank, where, trained, trained / shapes.parameters))
    return sizes


def _table(shapes: ModelShapes, sizes: Sequence[RankSize]) -> SizeTable:
    rows = ((str(s.rank), s.target_modules, f"{s.trainable:,}", f"{s.share:.2%}") for s in sizes)
    return SizeTable(
        title=f"Trainable parameters (base model: {shapes.parameters:,})",
        columns=(
            ("rank", "right"),
            ("target_modules", "left"),
            ("trainable", "right"),
            ("share of base", "right"),
        ),
        rows=tuple(rows),
    )


def refuse_targets(request: PlanRequest, shapes: ModelShapes) -> None:
    """Raises where some trial would find no layer to adapt, or dropout where a layer cannot have it.

    Raises:
        PlanRefusedError: For every such kind of target.
    """
    findings = []
    dropout = max(request.possible.get("dropout", (0.0,)))
    for target in request.possible["target_modules"]:
        try:
            chosen = select_modules(shapes.linear, LoraParameters.model_validate({"target_modules": target}))
        except UserError as error:
            findings.append(Finding(request.key("target_modules"), error.message, error.hint))
            continue
        if dropout and (layer := routed_layer(chosen)) is not None:
            findings.append(Finding(request.key("dropout"), *routed_dropout(layer)))
    if findings:
        raise PlanRefusedError(findings, MODEL_FILES)


def refuse_starts(
    request: PlanRequest, shapes: ModelShapes, trials: Sequence[LoraParameters], quantised: bool
) -> None:
    """Raises where layers could not begin as some trial's `init_lora_weights` says.

    Raises:
        PlanRefusedError: With the first reason.
    """
    possible = (
        LoraParameters(rank=2, init_lora_weights=start) for start in request.possible["init_lora_weights"]
    )
    for params in (*trials, *possible):
        if (unsuitable := unsuitable_start(shapes.adapted(params), params, quantised)) is not None:
            raise PlanRefusedError([Finding(request.key("init_lora_weights"), *unsuitable)], MODEL_FILES)


def model_notes(model: ModelConfig, shapes: ModelShapes | None, workers: PlannedWorkers) -> list[str]:
    """What is worth knowing of adapters on a model."""
    described = describe(model)
    if shapes is None:
        why = f" ({described.unknown})" if described.unknown else ""
        return [
            f"The shapes of {model.source} are not known on this machine until it is fetched{why}, so "
            "the plan has no number of parameters, time or memory."
        ]
    notes = []
    if described.folder is None:
        notes.append(f"Sizes are those of what prepares {model.name}, which runs when the search starts.")
    elif described.remote:
        notes.append(
            f"Sizes are from the config.json of {model.source}; its weights are not on this machine."
        )
        if described.unknown:
            notes.append(f"How large its weights are is not known: {described.unknown}.")
    if model.quantization is not None:
        notes.append(_quantised(model, shapes, computes_in_half(model, workers)))
    if (layer := routed_layer(shapes.linear)) is not None:
        notes.append(
            f"Trials of this model are not packed but run one at a time: {layer} sees only the tokens that "
            "are routed to it, not whole rows."
        )
    if shapes.left_out:
        notes.append(
            "These linear layers get no adapter, because they do more than multiply, or because the model "
            f"reads their weights directly: {', '.join(shapes.left_out)}."
        )
    return notes


def _quantised(model: ModelConfig, shapes: ModelShapes, half: bool) -> str:
    """What quantising comes to; a model whose weights are in fused experts gains little."""
    kept = sum(outer * inner for outer, inner in shapes.linear.values())
    dense = model.model_copy(update={"quantization": None})
    sizes = (base_bytes(shapes.parameters, shapes.linear, each, half) for each in (model, dense))
    small, large = (f"{size / 1e9:,.3g} GB" for size in sizes)
    return (
        f"model.quantization={model.quantization} keeps {kept:,} of {shapes.parameters:,} parameters "
        f"({kept / shapes.parameters:.0%}) in 4 bits: the base model takes {small} instead of {large}. "
        "Embeddings, the output head, norms and experts that share a tensor stay as they are."
    )
