"""What the search knows of the trainable `reconstruction`. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trainables.audited import TRAINING, Audited, Facts, ReadFacts, TrialFact
from trainables.data.sections import EFFECTS, data_content, model_content, placed_model
from trainables.evaluation.collapse import COMMONEST, FIRST_ENTROPY, LATENT_COSINE, UNIQUE
from trainables.lora.audited import MODEL, SIZES, WORKERS
from trainables.reconstruction.checks import check, inspect
from trainables.reconstruction.metrics import COSINE, EXACT, F1, FIRST_ACCURACY, METRICS, SHUFFLED
from trainables.reconstruction.options import ReconstructionOptions
from trainables.reconstruction.parameters import ReconstructionParameters
from trainables.trainable import BASE, TRAINABLES, Artifact, Effect, MetricSpec, Place, Shown, TrainableSpec

if TYPE_CHECKING:
    from trainables.planning import PlanRequest, TrainablePlan
    from trainables.serving.held import Read


def _facts(options: ReconstructionOptions, seed: int) -> Facts:
    task = options.task
    same = task.heldout is not None and task.heldout == task.train
    return {
        **WORKERS,
        "heldout_examples": task.heldout_examples,
        "heldout_is_train": same,
        "loss_on": "completion",
    }


_WORDS = {
    "rebuilder": "The network that makes embeddings of latents. The frozen model reads them in place of the "
    "prompt's own embeddings.",
    "latent": "A token's embedding, compressed to its coordinates along the first principal components of "
    "the embeddings in the training prompts.",
    "rank, layers": "Of the LoRA on the frozen model, which learns to read what is rebuilt; rank 0 is none.",
    "answer_weight, answer_tokens": "Weight of the cross-entropy on the first tokens of the answer, and how "
    "many these are. A weight is no share: the shares of the loss are measured.",
    "distillation_weight": "Weight of the divergence from the same model reading the text.",
    "shuffled contexts": "Each question with the passage of another one. A model that does not read "
    "passages answers as well as before.",
    "mode collapse": "The same reply to different inputs, whatever they say.",
}

_BASELINES = {
    BASE: "the untouched base model, which reads the text itself",
    "truncated": "the same with the first task.truncated_tokens tokens of each passage",
    "pca": "the base model, which reads latents through the inverse projection alone",
    "no_lora": "the rebuilder of a median trial, trained without LoRA on the model",
}

AUDITED = Audited(
    trial={**TRAINING, "rank": TrialFact("rank if rank > 0 else None", "rank")},
    read=(
        ReadFacts(
            {
                **dict.fromkeys((*WORKERS, "loss_on")),
                "heldout_examples": "task.heldout_examples",
                "heldout_is_train": "task.heldout",
            },
            _facts,
        ),
        MODEL,
        SIZES,
    ),
)
"""The learning rate is the LoRA's, and that of a network which begins as the inverse projection."""

_SEARCH = """
heldout_fraction heldout_examples samples passage_field question_field answers_field template cue max_length
max_new_tokens truncated_tokens
"""

_EFFECTS: Mapping[str, Effect] = {
    **{key: effect for key, effect in EFFECTS.items() if key.startswith("model.")},
    **dict.fromkeys((f"task.{name}" for name in _SEARCH.split()), "search"),
    **dict.fromkeys(("task.train", "task.heldout"), "content"),
    **dict.fromkeys(("task.name", "task.batch_size"), "none"),
}


def metrics(options: ReconstructionOptions) -> Sequence[MetricSpec]:
    """What is measured, whatever the options."""
    return METRICS


def shown(options: ReconstructionOptions) -> Shown:
    """Answers first, then what tells whether the model reads at all."""
    return Shown(
        summary=(F1, EXACT, SHUFFLED, UNIQUE, COSINE),
        report=(F1, EXACT, SHUFFLED, FIRST_ACCURACY, UNIQUE, COMMONEST, COSINE),
        verdict=(LATENT_COSINE, FIRST_ENTROPY),
    )


def contents(options: ReconstructionOptions) -> Mapping[str, str]:
    """Digests of the model and the data."""
    task = options.task
    digests = {"model.source": model_content(options.model), "task.train": data_content(task.train, "")}
    if task.heldout is not None:
        digests["task.heldout"] = data_content(task.heldout, "")
    return {key: digest for key, digest in digests.items() if digest is not None}


def localise(options: ReconstructionOptions, place: Place) -> ReconstructionOptions:
    """See `TrainableSpec.localise`."""
    task = options.task
    paths = {"train": place(task.train), "heldout": None if task.heldout is None else place(task.heldout)}
    update = {"model": placed_model(options.model, place), "task": task.model_copy(update=paths)}
    return options.model_copy(update=update)


def examples(options: ReconstructionOptions, seed: int) -> int:
    """Training questions, as every worker chooses them.

    Raises:
        UserError: The data cannot be read.
    """
    from trainables.reconstruction.data import split_readings

    return len(split_readings(options.task, seed)[0])


def plan(request: PlanRequest) -> TrainablePlan:
    """What would be read, and what a trial takes.

    Raises:
        PlanRefusedError: No such search could be trained.
    """
    from trainables.reconstruction.plan import plan as make

    return make(request)


def _worker() -> Read:
    from trainables.reconstruction.held import read

    return read


TRAINABLES.register(
    "reconstruction",
    "compressed prompts rebuilt for a frozen model, with or without LoRA",
)(
    TrainableSpec(
        parameters=ReconstructionParameters,
        options=ReconstructionOptions,
        metrics=metrics,
        worker=_worker,
        artifact=Artifact(
            "rebuilder",
            'trainables.reconstruction.trained.load_rebuilder("{folder}")',
            "safetensors, its LoRA in PEFT format",
        ),
        shown=shown,
        words=_WORDS,
        loss_unit="weighted sum",
        baselines=_BASELINES,
        trained_baselines=("no_lora",),
        unpacked="each trial rebuilds every prompt by a network of its own",
        check=check,
        plan=plan,
        inspect=inspect,
        examples=examples,
        localise=localise,
        effects=_EFFECTS,
        contents=contents,
        audited=AUDITED,
        unmerged="it rebuilds prompts for the base, whose weights stay as they are",
    )
)
