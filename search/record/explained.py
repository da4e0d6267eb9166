"""What explains a search's trainable to whoever reads its record."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import ValidationError

from search.record.events import RecordedMetric, RecordedTrainable, SearchStarted
from trainables.specs import TRAINABLES

_BEFORE = "lora"
"""The trainable of all records that do not explain it."""


def explanation(trainable: str, options: object) -> RecordedTrainable:
    """What a record keeps of a registered trainable.

    Args:
        trainable: Its name.
        options: The sections of the configuration that it owns, an instance of `TrainableSpec.options`.
    """
    spec = TRAINABLES[trainable]
    return RecordedTrainable(
        subject=spec.subject(options),
        artifact=spec.artifact.name,
        load=spec.artifact.load,
        form=spec.artifact.form,
        metrics=tuple(RecordedMetric(**asdict(metric)) for metric in spec.metrics(options)),
    )


def explained(started: SearchStarted) -> RecordedTrainable:
    """What explains the trainable of a recorded search; for older records as it is known now."""
    if started.trainable is not None:
        return started.trainable
    spec = TRAINABLES[_BEFORE]
    sections = {name: started.config.get(name) for name in spec.options.model_fields}
    try:
        return explanation(_BEFORE, spec.options.model_validate(sections))
    except ValidationError:  # a record of another version
        made = spec.artifact
        kept = RecordedMetric(name="capability", direction="max", relative="retention", sample="questions")
        return RecordedTrainable(
            subject="the base model", artifact=made.name, load=made.load, form=made.form, metrics=(kept,)
        )
