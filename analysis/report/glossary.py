"""What the words of the report mean, for somebody who has never read one."""

from __future__ import annotations

from collections.abc import Sequence

from search.record.events import RecordedTrainable
from trainables.evaluation.metrics import METRICS

_ALWAYS: dict[str, tuple[str, str]] = {
    "train_loss": ("Training loss, the mean since the previous rung, in nats per token.", "min"),
    "retention": (
        "Capability divided by the base model's: 1 is as much as before tuning, 0.95 means that a "
        "twentieth is lost.",
        "max",
    ),
}
"""What every search measures beside what an evaluation gives: its description, and which way is better."""

_BETTER = {"min": " Less is better.", "max": " More is better.", None: ""}

WORDS: dict[str, str] = {
    "adapter, LoRA": "What tuning adds to the model: small matrices beside its weights, which do not "
    "change. The adapter is the result, and is used together with the base model.",
    "base model": "The model before any tuning; everything is compared with it.",
    "lr, learning rate": "How large each step of training is.",
    "rank": "Size of the adapter: how much it can change.",
    "alpha, alpha_per_rank": (
        "How strongly the adapter acts; alpha_per_rank is relative to the rank, so that ranks can be "
        "compared."
    ),
    "trial": "One training run with its own settings, and its evaluation.",
    "optimizer step": "One update of the adapter in training.",
    "full budget": "The number of optimizer steps of a complete trial.",
    "rung": "A number of steps at which trials are evaluated and compared, to decide which of them continue.",
    "scheduler": "Stops trials that are worse than the others at the same rung.",
    "guard": "Stops a trial that is breaking the model, however good the others are.",
    "searcher": "Chooses the settings of the next trial.",
    "objective": "A metric that the search minimises or maximises.",
    "constraint, floor, ceiling": "A bound that an objective must keep: a floor is the lowest accepted "
    "value, a ceiling the highest.",
    "Pareto front, dominated": "A trial is on the front, or Pareto-optimal, if no other is as good in every "
    "objective and better in one. The others are dominated.",
    "confirmation, repetition": "The best candidates are trained again with new seeds, because a single "
    "run may have been lucky.",
    "seed": (
        "The start of the random numbers: another seed gives another order of the data and another "
        "initialisation."
    ),
    "skill": "A set of held-out questions of one kind.",
    "95% interval": "Written [low, high]. Of 100 such intervals, 95 contain the true value. Two values "
    "whose intervals overlap widely cannot be distinguished.",
    "n": "The number of questions, texts or trials behind a value; the fewer, the wider the interval.",
    "p": (
        "How often chance alone would show an effect at least as large; below 0.05 counts as more than "
        "chance."
    ),
    "rank correlation, tau": "From -1 to 1: whether two things rise together (1), against each other (-1), "
    "or independently (0). Tau is Kendall's.",
    "slot, worker group": "A worker group holds the model on its devices; a slot is room for one trial in "
    "it.",
    "device": "A GPU, or a CPU if there is no GPU. A device-hour is one device used for one hour.",
    "hypervolume": (
        "How much of the space between the best and the worst values the front covers; 1 would be all of it."
    ),
}


_OF_ADAPTERS = ("adapter, LoRA", "rank", "alpha, alpha_per_rank")


def words_of(trainable: RecordedTrainable) -> dict[str, str]:
    """The words, those about adapters only where trials leave adapters behind."""
    adapters = trainable.artifact == "adapter"
    words = {word: text for word, text in WORDS.items() if adapters or word not in _OF_ADAPTERS}
    if not adapters:
        left = {trainable.artifact: f"The result of a trial; `{trainable.load}` loads it."}
        words = left | {word: text.replace("the adapter", "what is trained") for word, text in words.items()}
    return words


def meanings(
    metrics: Sequence[str], skills: Sequence[str], trainable: RecordedTrainable | None = None
) -> dict[str, str]:
    """What metrics measure, those of skills once for all skills; one that is not registered is left out.

    Args:
        metrics: As in the record.
        skills: Names of the search's skills.
        trainable: Where there are no skills, says what its own metrics measure.
    """
    registered = {name: (line, METRICS[name].direction) for name, line in METRICS.lines().items()}
    described: dict[str, str] = {}
    for name, (line, direction) in (_ALWAYS | registered).items():
        measured = [skill for skill in skills if name.replace("<skill>", skill) in metrics]
        if name in metrics:
            described[name] = line + _BETTER[direction]
        elif "<skill>" in name and measured:
            described[name] = f"{line}{_BETTER[direction]} Of {', '.join(measured)}."
    if trainable is not None and not skills:
        described |= _declared(trainable, metrics)
    return described


def _declared(trainable: RecordedTrainable, metrics: Sequence[str]) -> dict[str, str]:
    """What a trainable says of its metrics, and their ratios to the base."""
    described = {}
    for metric in trainable.metrics:
        if metric.name in metrics:
            described[metric.name] = metric.meaning + _BETTER[metric.direction]
        if metric.relative is not None and metric.relative in metrics:
            described[metric.relative] = (
                f"{metric.name} divided by the base model's.{_BETTER[metric.direction]}"
            )
    return described
