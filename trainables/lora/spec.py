"""What the search knows of the trainable `lora`. Light: no torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from trainables.data.sections import (
    CAPABILITY_EFFECTS,
    EFFECTS,
    capability_contents,
    contents_of,
    hub_part,
    placed_capability,
    placed_model,
    placed_task,
)
from trainables.lora.audited import AUDITED
from trainables.lora.baselines import BASELINES, NEEDS
from trainables.lora.merging import merge
from trainables.lora.parameters import LoraOptions, LoraParameters
from trainables.lora.prior import lora_prior, published
from trainables.lora.recipe import recipe
from trainables.trainable import TRAINABLES, Artifact, MetricSpec, Place, Shown, TrainableSpec

if TYPE_CHECKING:
    from trainables.planning import PlanRequest, TrainablePlan
    from trainables.serving.held import Read

_WORDS = {
    "adapter, LoRA": "What tuning adds to the model: small matrices beside its weights, which do not "
    "change. The adapter is the result, and is used together with the base model.",
    "rank": "Size of the adapter: how much it can change.",
    "alpha, alpha_per_rank": (
        "How strongly the adapter acts; alpha_per_rank is relative to the rank, so that ranks can be "
        "compared."
    ),
}


def metrics(options: LoraOptions) -> Sequence[MetricSpec]:
    """What an evaluation measures with these skills, in the order of registration."""
    from trainables.evaluation.declared import declared_metrics

    return declared_metrics(options.capability)


def shown(options: LoraOptions) -> Shown:
    """Held-out loss, capability and beliefs, then what says where capability went."""
    capability = options.capability
    skills = [f"{skill.name}_{skill.scoring[0]}" for skill in capability.skills]
    kept = ("capability",) if skills else ()
    beliefs: tuple[str, ...] = ()
    if capability.facts is not None:
        beliefs = ("adoption", "generalisation", "portability", "robustness", "locality")
        beliefs += ("facts_degenerate_change",)
    changed = ("general_loss_change", "kl_base", "degenerate")
    return Shown(
        summary=("heldout_loss", *kept, *skills, "degenerate", *beliefs),
        report=("heldout_loss", *kept, *beliefs, *changed),
        verdict=("right", "wrong", "unparseable", "leaking", "general_perplexity"),
    )


def contents(options: LoraOptions) -> Mapping[str, str]:
    """Digests of the model, the data and the questions."""
    questions = capability_contents(options.capability, hub_part(options.task))
    return contents_of(options.model, options.task) | questions


def localise(options: LoraOptions, place: Place) -> LoraOptions:
    """See `TrainableSpec.localise`."""
    return LoraOptions(
        model=placed_model(options.model, place),
        task=placed_task(options.task, place),
        capability=placed_capability(options.capability, place),
    )


def plan(request: PlanRequest) -> TrainablePlan:
    """Sizes of adapters, the data, and what a trial takes.

    Raises:
        PlanRefusedError: No such search could be trained.
    """
    from trainables.lora.plan.build import plan as make

    return make(request)


def inspect(options: LoraOptions, seed: int, baselines: Collection[str]) -> None:
    """Searches the training data for the questions, which must not be too long for the model.

    Raises:
        PlanRefusedError: They are there with their answers, or are too long.
    """
    from trainables.lora.plan.data import refuse_contamination, refuse_long_prompts

    refuse_contamination(options, seed)
    refuse_long_prompts(options, seed, baselines)


def examples(options: LoraOptions, seed: int) -> int:
    """Training examples, as every worker reads, cuts and splits them.

    Raises:
        UserError: The tokenizer cannot be loaded, or the data not be read.
    """
    from trainables.data.task import count_examples

    return count_examples(options.model, options.task, seed)


def trial_steps(options: LoraOptions, seed: int) -> Callable[[LoraParameters], int]:
    """Reads the training data, for the number of steps of trials that say their epochs.

    Raises:
        UserError: The tokenizer cannot be loaded, or the data not be read.
    """
    from trainables.data.task import training_examples
    from trainables.lora.length import own_steps, targets_of

    targets = targets_of(training_examples(options.model, options.task, seed))
    return lambda params: own_steps(params, targets)


def _worker() -> Read:
    from trainables.lora.held import read

    return read


TRAINABLES.register("lora", "LoRA adapters (PEFT) on a frozen, shared base model")(
    TrainableSpec(
        parameters=LoraParameters,
        options=LoraOptions,
        metrics=metrics,
        worker=_worker,
        presets={"capability": "general"},
        artifact=Artifact("adapter", 'PeftModel.from_pretrained(base, "{folder}")', "PEFT format"),
        shown=shown,
        words=_WORDS,
        loss_unit="nats per token",
        baselines=BASELINES.lines(),
        lacks=lambda options, name: NEEDS[name](options) if name in NEEDS else None,
        plan=plan,
        inspect=inspect,
        examples=examples,
        trial_steps=trial_steps,
        localise=localise,
        effects={**EFFECTS, **CAPABILITY_EFFECTS},
        contents=contents,
        audited=AUDITED,
        prior=lora_prior(published()),
        merge=merge,
        recipe=recipe,
    )
)
