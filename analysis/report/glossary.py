"""What the words of the report mean, for somebody who has never read one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from search.record.events import RecordedMetric, RecordedTrainable

_BETTER = {"min": " Lower is better.", "max": " Higher is better.", None: ""}

_EXAMPLES = {
    "max": ", 0.95 means that a twentieth is lost",
    "min": ", 1.05 means that a twentieth was added",
    None: "",
}

_WORDS: dict[str, str] = {
    "base model": "The model before any tuning; everything is compared with it.",
    "lr, learning rate": "How large each step of training is.",
    "trial": "One training run with its own settings, and its evaluation.",
    "optimizer step": "One update of the {artifact} in training.",
    "full budget": "The number of optimizer steps of a complete trial.",
    "rung": "A number of steps at which trials are saved, and may be evaluated and compared: some continue.",
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
    "n": "The number of {samples} or trials behind a value; the fewer, the wider the interval.",
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
"""With {artifact} and {samples} for what the trainable calls these."""


def words_of(trainable: RecordedTrainable, questions: bool) -> dict[str, str]:
    """The words of a report: that of the artifact, what comes before the trial, and the trainable's others.

    Args:
        trainable: As the record explains it.
        questions: Whether trials are asked questions.
    """
    counted = dict.fromkeys(metric.sample for metric in trainable.metrics)
    names = {
        "artifact": trainable.artifact,
        "samples": "questions, texts" if questions else ", ".join(counted) or "items",
    }
    words = {word: text.format_map(names) for word, text in _WORDS.items()}
    if not questions:
        del words["skill"]
    if "lr" not in trainable.parameters:
        del words["lr, learning rate"]
    theirs = list((trainable.words or _artifact(trainable)).items())
    ours, before = list(words.items()), list(words).index("trial")
    return dict([*theirs[:1], *ours[:before], *theirs[1:], *ours[before:]])


def _artifact(trainable: RecordedTrainable) -> dict[str, str]:
    form = f" ({trainable.form})" if trainable.form else ""
    load = trainable.load.replace("{folder}", "its folder")
    return {trainable.artifact: f"The result of a trial{form}; `{load}` loads it."}


def meanings(measured: Sequence[str], trainable: RecordedTrainable) -> dict[str, str]:
    """What metrics measure, those of one family once; one that the record does not explain is left out.

    Args:
        measured: Names of metrics, as in the record.
        trainable: As the record explains it.
    """
    described: dict[str, str] = {}
    if "train_loss" in measured:
        unit = f", in {trainable.loss_unit}" if trainable.loss_unit else ""
        described["train_loss"] = f"Training loss, the mean since the previous rung{unit}.{_BETTER['min']}"
    known = [metric for metric in trainable.metrics if metric.name in measured]
    for metric in trainable.metrics:
        if metric.relative is not None and metric.relative in measured:
            described[metric.relative] = _ratio(metric)
    for metric in known:
        line = f"{metric.meaning}{_BETTER[metric.direction]}"
        if metric.family is None:
            described[metric.name] = line
        elif metric.family not in described:
            described[metric.family] = f"{line} Of {', '.join(_parts(metric.family, known))}."
    return described


def _ratio(metric: RecordedMetric) -> str:
    example = _EXAMPLES[metric.direction]
    return (
        f"{sentence_case(metric.name)} divided by the base model's: 1 is as much as before tuning{example}."
        f"{_BETTER[metric.direction]}"
    )


def sentence_case(name: str) -> str:
    """A name at the beginning of a sentence: only what is a word gets a capital letter."""
    return name.capitalize() if name.isalpha() and name.islower() else name


def _parts(family: str, metrics: Sequence[RecordedMetric]) -> Iterator[str]:
    """What the metrics of a family are of, such as skills: what stands for <part> in their names."""
    before, after = family.partition("<")[0], family.rpartition(">")[2]
    for metric in metrics:
        if metric.family == family:
            yield metric.name[len(before) : len(metric.name) - len(after)]
