"""The trainable's own checks of its sections."""

from __future__ import annotations

import json

from pydantic import ValidationError

from search.config.compose import Composed
from search.config.origins import Key
from trainables.specs import TRAINABLES


def check_options(composed: Composed) -> None:
    """Runs the trainable's checks once each of its sections is valid."""
    spec = TRAINABLES[composed.trainable]
    given = {name: composed.data[name] for name in spec.options.model_fields if name in composed.data}
    if any(composed.is_broken((name,)) for name in spec.options.model_fields):
        return
    try:
        options = spec.options.model_validate_json(json.dumps(given), strict=True)
    except ValidationError:
        return
    for finding in spec.check(options):
        key: Key = tuple(int(part) if part.isdecimal() else part for part in finding.key.split("."))
        if not composed.is_broken(key):
            composed.complain(key, finding.message, finding.hint)
