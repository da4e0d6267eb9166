"""Writes the configuration of a trial as a file of another trainer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from search.redact import redact
from tightrope.export.base import base_of
from tightrope.export.choice import Chosen
from tightrope.export.folder import make_parents, refuse_existing
from tightrope.export.merged import options_of, spec_of
from tightrope.export.recipes import RECIPES
from tightrope.export.recipes.base import head
from tightrope.export.refused import ExportRefusedError
from trainables.recipe import Recipe, Run
from trainables.replacement import replacement
from trainables.text import printable
from trainables.trainable import BASE


def recipe_of(chosen: Chosen) -> Recipe:
    """How a trial was trained.

    Raises:
        ExportRefusedError: Other trainers cannot train the like, or this version does not read the record.
    """
    spec = spec_of(chosen)
    if spec.recipe is None:
        raise ExportRefusedError(
            f"Other trainers cannot train what {chosen.config['trainable']} trains.",
            hint="Export the trial itself, without config=.",
        )
    try:
        params = spec.parameters.model_validate(chosen.recorded.trials[chosen.number].params)
    except ValidationError as error:
        raise ExportRefusedError(
            f"This version does not read the parameters of trial {chosen.number}.",
            hint="Export it with the version that ran it, which its record names.",
        ) from error
    measured = chosen.recorded.baselines.get(BASE)
    data = {} if measured is None else measured.data
    made = spec.recipe(Run(options_of(chosen), params, _steps(chosen), chosen.checkpoint, data))
    base = base_of(chosen.recorded)
    return made if base is None or base.revision is None else replace(made, revision=base.revision)


def _steps(chosen: Chosen) -> int:
    """Of the trial's full budget."""
    trial = chosen.trial
    assert trial.last is not None
    budget = chosen.config.get("budget", {}).get("steps")
    planned = trial.proposed.steps or (budget if isinstance(budget, int) else None)
    return planned if planned is not None and trial.status != "completed" else trial.last.step


def write_recipe(chosen: Chosen, trainer: str, to: Path) -> None:
    """Writes the file.

    Args:
        chosen: The trial.
        trainer: A name of `RECIPES`.
        to: The file; there is none yet.

    Raises:
        ExportRefusedError: As `recipe_of`, or the file exists or cannot be written.
    """
    refuse_existing(to)
    recipe, known = recipe_of(chosen), RECIPES[trainer]
    what = " ".join(
        f"The configuration of trial {chosen.number} of the search {chosen.config['name']}".split()
    )
    text = head(known, what, recipe, to.name) + "\n" + known.write(recipe)
    try:
        make_parents(to)
        with replacement(to) as part:
            part.write_text(printable(redact(text)), encoding="utf-8")
            part.chmod(0o644)
    except OSError as error:
        raise ExportRefusedError(
            f"{to} cannot be written ({error.strerror}).", hint="Give another file with to=FILE."
        ) from error
