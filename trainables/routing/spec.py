"""What the search knows of the trainable `routing`. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trainables.data.sections import EFFECTS, contents_of, placed_model, placed_task
from trainables.lora.merging import merge
from trainables.lora.prior import lora_prior, published
from trainables.routing.angle_metrics import ANGLE_METRICS
from trainables.routing.artifact import ARTIFACT
from trainables.routing.audited import AUDITED
from trainables.routing.behaviours import BEHAVIOURS
from trainables.routing.checks import check, inspect
from trainables.routing.metrics import CLEAN_LOSS_RATIO, measured_metrics
from trainables.routing.options import RoutingOptions
from trainables.routing.parameters import RoutingParameters
from trainables.trainable import TRAINABLES, Effect, MetricSpec, Place, Shown, TrainableSpec

if TYPE_CHECKING:
    from trainables.planning import PlanRequest, TrainablePlan
    from trainables.serving.held import Read

_WORDS = {
    "adapters, good and bad": "Two LoRAs that act together in training. Labelled examples train the bad one "
    "alone, which is to take up an unwanted behaviour. It is then left out, and the good one is the result.",
    "ablation": "The same trial measured with both adapters, with the bad one off, or with the good one off.",
    "labelled, false_labels": "Share of the examples with the behaviour that have a label, and of those "
    "without it that have one by mistake.",
    "rank": "Size of an adapter: how much it can change.",
    "behaviour rate": "Share of sampled texts that show the behaviour. Their prefixes never count.",
    "column space, row space": "What an adapter's update of a weight can write, and what it reads; they are "
    "spanned by its factors B and A.",
    "principal angles": "Between two such spaces: 90 degrees where they have nothing in common, 0 where they "
    "share a direction.",
}

_BASELINES = {
    "base": "the untouched base model",
    "clean": "one LoRA like the good one, trained on the examples without the behaviour, with the median "
    "learning rate of trials drawn from the space",
    "single": "one LoRA of both ranks together, trained on all examples, with the same learning rate",
}

_SEARCH = """
behaviour.name behaviour.share behaviour.field behaviour.pattern behaviour.prefixes behaviour.early_prefixes
behaviour.prefix_words behaviour.max_new_tokens behaviour.decoding.method behaviour.decoding.temperature
behaviour.decoding.top_p behaviour.decoding.samples behaviour.relearn_steps behaviour.relearn_tolerance
"""

_EFFECTS: Mapping[str, Effect] = {
    **EFFECTS,
    **dict.fromkeys(_SEARCH.split(), "search"),
    "behaviour.batch_size": "none",
}


def metrics(options: RoutingOptions) -> Sequence[MetricSpec]:
    """What is measured under the ablations; and at the full budget, which no baseline has."""
    declared = [*measured_metrics(options), *ANGLE_METRICS]
    return [replace(metric, trained=metric.at == "last") for metric in declared]


def shown(options: RoutingOptions) -> Shown:
    """The two objectives, then what the ablations are compared by."""
    rates = ("behaviour_rate_bad_off", "behaviour_rate_both") if options.behaviour.judged else ()
    losses = ("clean_loss_bad_off", "behaviour_loss_bad_off")
    return Shown(
        summary=(*rates, *losses),
        report=(*rates, *losses, CLEAN_LOSS_RATIO),
        verdict=("clean_loss_both", "behaviour_loss_both", "clean_loss_good_off"),
    )


def contents(options: RoutingOptions) -> Mapping[str, str]:
    """Digests of the model and the data."""
    return contents_of(options.model, options.task)


def localise(options: RoutingOptions, place: Place) -> RoutingOptions:
    """See `TrainableSpec.localise`."""
    update = {"model": placed_model(options.model, place), "task": placed_task(options.task, place)}
    return options.model_copy(update=update)


def examples(options: RoutingOptions, seed: int) -> int:
    """Training examples, as every worker reads, cuts, splits and transforms them.

    Raises:
        UserError: The tokenizer cannot be loaded, or the data not be read.
    """
    from trainables.models.plain import reading_tokenizer
    from trainables.routing.data import load_routed

    tokenizer, context = reading_tokenizer(options.model)
    return len(load_routed(options, tokenizer, seed, context).train)


def plan(request: PlanRequest) -> TrainablePlan:
    """Sizes of both adapters, the data with the behaviour, and what a trial takes.

    Raises:
        PlanRefusedError: No such search could be trained.
    """
    from trainables.routing.plan import plan as make

    return make(request)


def _worker() -> Read:
    from trainables.routing.held import read

    return read


TRAINABLES.register(
    "routing", "two LoRAs, one of which takes up a behaviour and is left out (gradient routing)"
)(
    TrainableSpec(
        parameters=RoutingParameters,
        options=RoutingOptions,
        metrics=metrics,
        worker=_worker,
        artifact=ARTIFACT,
        shown=shown,
        words=_WORDS,
        loss_unit="nats per token",
        baselines=_BASELINES,
        trained_baselines=("clean", "single"),
        check=check,
        plan=plan,
        inspect=inspect,
        examples=examples,
        localise=localise,
        effects=_EFFECTS,
        names={"behaviour.name": BEHAVIOURS},
        contents=contents,
        audited=AUDITED,
        prior=lora_prior(published(), "good"),
        merge=merge,
    )
)
