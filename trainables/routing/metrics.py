"""What an evaluation of `routing` measures. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainables.routing.conditions import ABLATIONS, KINDS, Ablation, Kind
from trainables.routing.options import RoutingOptions
from trainables.trainable import Direction, MetricSpec

CLEAN_LOSS_RATIO = "clean_loss_ratio"
"""Clean held-out loss without the bad adapter, relative to the base model's."""

_WITH: dict[Ablation, str] = {
    "both": "with both adapters",
    "bad_off": "with the bad adapter removed",
    "good_off": "with the good adapter removed",
}

_OF: dict[Kind | None, str] = {
    None: "samples",
    "start": "samples from the start alone",
    "clean": "samples after the first words of clean text",
    "behaving": "samples after the first words of text that shows it",
}


def measured_metrics(options: RoutingOptions) -> Sequence[MetricSpec]:
    """Losses, rates where samples are judged, and relearning; the objectives' come first."""
    return [
        *_losses(),
        *(_rates(options.behaviour.decoding.samples) if options.behaviour.judged else ()),
        *(_relearning() if options.behaviour.relearn_steps else ()),
    ]


def rate_name(kind: Kind | None, ablation: Ablation) -> str:
    """The metric of how many samples of a kind, or of all, show the behaviour."""
    return "_".join(filter(None, ("behaviour_rate", kind, ablation)))


def _losses() -> Iterator[MetricSpec]:
    for text, words in (("clean", "text without the behaviour"), ("behaviour", "text with the behaviour")):
        for ablation in ABLATIONS:
            kept = text == "clean" and ablation == "bad_off"
            yield MetricSpec(
                f"{text}_loss_{ablation}",
                f"Held-out loss on {words} {_WITH[ablation]}, in nats per token.",
                "min" if text == "clean" else None,
                low=0.0,
                relative=CLEAN_LOSS_RATIO if kept else None,
                over=(f"{text} texts",),
                sample="texts",
            )


def _rates(samples: int) -> Iterator[MetricSpec]:
    for kind in (None, *KINDS):
        for ablation in ABLATIONS:
            name = rate_name(kind, ablation)
            shown = f"Share of {_OF[kind]} that show the behaviour, {_WITH[ablation]}; prefixes do not count."
            way: Direction | None = "min" if ablation == "bad_off" else None
            prompts = f"{kind or 'all'} prompts"  # the same under every ablation, with the same draws
            yield MetricSpec(
                name, shown, way, 0.0, 1.0, items=(name,), over=(prompts,), together=samples, sample="samples"
            )


def _relearning() -> Iterator[MetricSpec]:
    for control, whose in (("", "without its bad adapter"), ("_control", "on the base model, untrained")):
        yield MetricSpec(
            f"relearn_steps{control}",
            f"Optimizer steps on text with the behaviour until a good adapter {whose} has learned it as "
            "well as the trial had; no more than behaviour.relearn_steps are tried.",
            "max" if not control else None,
            low=0.0,
            at="last",
        )
        yield MetricSpec(
            f"relearn_censored{control}",
            f"1 where the behaviour was not learned within these steps by a good adapter {whose}.",
            low=0.0,
            high=1.0,
            at="last",
        )
