"""The text of a space file that fits a model and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from search.config.show import scalar
from search.plan.model import Plan

_SMALL = 500_000_000
"""Parameters of models whose best learning rates are three times as high, by published sweeps."""
_PASSES = 3
_GENERAL = "general"
"""The preset of general text, which needs no questions."""
_LEAST_STEPS, _MOST_STEPS = 27, 540
_RUNG = 9
"""The ratio of the last rung to the first: steps are a multiple of it."""


@dataclass(frozen=True)
class Fitted:
    """What depends on the model and the data; before these are known, what suits most.

    Attributes:
        batch_size: Examples per optimizer step.
        steps: Optimizer steps of a full trial.
        examples: Training examples; None where the data are not on this machine.
        form: The form of the data; None where it is not known.
        max_length: Tokens of an example; None leaves it to the search.
        target_modules: Layers that get adapters.
        low: Least learning rate.
        high: Greatest one.
    """

    batch_size: int = 8
    steps: int = 180
    examples: int | None = None
    form: str | None = None
    max_length: int | None = None
    target_modules: str = "all"
    low: float = 3e-5
    high: float = 1e-3


def fit(first: Fitted, plan: Plan) -> Fitted:
    """What fits better, by a plan of what suits most."""
    data: Any = plan.data
    fitted = first
    if plan.base_parameters is not None and plan.base_parameters < _SMALL:
        fitted = replace(fitted, low=1e-4, high=3e-3)
    if data is None:
        return fitted
    fitted = replace(fitted, form=data.format.partition(" ")[0].rstrip(":"))
    if data.lengths is not None:
        fitted = replace(fitted, max_length=data.lengths.max_length)
    if data.records is None or not data.whole:
        return fitted
    batch = max(1, min(fitted.batch_size, data.records // _RUNG))
    steps = max(_LEAST_STEPS, min(_MOST_STEPS, _PASSES * data.records // batch))
    return replace(fitted, examples=data.records, batch_size=batch, steps=-(-steps // _RUNG) * _RUNG)


def space_text(settings: Mapping[str, str], fitted: Fitted) -> str:
    """The file, whose comments say where its values come from.

    Args:
        settings: `model` and `task`, and optionally `capability`, `name` and `trials`.
        fitted: The rest.
    """
    name = [f"name: {scalar(settings['name'])}"] if "name" in settings else []
    sections = (
        [f"# {settings['model']} on {settings['task']}".replace("\n", " "), *name],
        [f"model: {scalar(settings['model'])}  # a preset, a hub id or a folder"],
        _task(settings["task"], fitted),
        _capability(settings.get("capability")),
        [f"trials: {int(settings.get('trials', 16))}", *_budget(fitted)],
        _parameters(fitted),
        [
            "fixed:",
            f"  batch_size: {fitted.batch_size}  # examples per optimizer step",
            f"  target_modules: {fitted.target_modules}  # or attention, or mlp",
        ],
        ["objectives:", "  - {metric: train_loss, direction: min}", *_kept(settings.get("capability"))],
        ["confirm:", "  candidates: 3  # the best are trained again with new seeds; 0 switches this off"],
    )
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _task(task: str, fitted: Fitted) -> list[str]:
    lines = []
    if fitted.form is not None:
        lines.append(f"# Records of the form {fitted.form}; task.format=NAME reads them differently.")
    if fitted.max_length is not None:
        lines.append(f"# Examples have up to {fitted.max_length} tokens, by their lengths (task.max_length).")
    return [*lines, f"task: {scalar(task)}  # a preset, a file, a folder or a hub data set"]


def _capability(named: str | None) -> list[str]:
    if named in (None, _GENERAL):
        return [
            "# General text must not be lost. A file of held-out questions says more: with one here, the",
            "# second objective is {metric: retention, direction: max, floor: 0.95}.",
            f"capability: {_GENERAL}",
        ]
    return [f"capability: {scalar(named)}  # held-out questions: what must not be lost"]


def _kept(named: str | None) -> list[str]:
    """The objective of what must not be lost."""
    if named in (None, _GENERAL):
        return [
            "  # 0 is the untouched model; with a higher rise of the loss, a trial is not recommended.",
            "  - {metric: general_loss_change, direction: min, ceiling: 0.05}",
        ]
    return [
        "  # 1 is the capability of the untouched model; below the floor, a trial is not recommended.",
        "  - {metric: retention, direction: max, floor: 0.95}",
    ]


def _budget(fitted: Fitted) -> list[str]:
    passes = "" if fitted.examples is None else f"; {_passes(fitted)} over {fitted.examples:,} records"
    return [
        "budget:",
        f"  steps: {fitted.steps}  # optimizer steps of a full trial{passes}",
        f"  rungs: 3  # at steps {fitted.steps // 9}, {fitted.steps // 3} and {fitted.steps}",
    ]


def _passes(fitted: Fitted) -> str:
    assert fitted.examples is not None
    passes = fitted.steps * fitted.batch_size / fitted.examples
    return f"{passes:.1f} pass{'' if round(passes, 1) == 1 else 'es'}"


def _parameters(fitted: Fitted) -> list[str]:
    return [
        "parameters:",
        "  lr:",
        "    type: log-float",
        f"    low: {fitted.low:g}",
        f"    high: {fitted.high:g}",
        "  rank:",
        "    type: categorical",
        "    choices: [4, 8, 16, 32]",
        "  # The best alpha / rank depends less on the rank than the best alpha does.",
        "  alpha_per_rank:",
        "    type: categorical",
        "    choices: [1, 2, 4]",
        "  # Variants of LoRA are parameters too: init_lora_weights, use_dora, rslora, loraplus_lr_ratio.",
    ]
