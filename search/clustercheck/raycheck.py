"""Ray's own validation of a cluster file, as far as it goes without credentials or a network."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from search.clustercheck.document import Document, KeyPath
from search.clustercheck.names import did_you_mean
from search.errors import Problem


def ray_problems(document: Document) -> list[Problem]:
    """Everything Ray's schema refuses, or else what its validator refuses after filling in defaults.

    Ray stops at the first violation of its schema; here all of them are read off the same schema.
    """
    import ray.autoscaler
    from jsonschema import Draft7Validator  # type: ignore[import-untyped]

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    found = [
        problem
        for error in Draft7Validator(schema).iter_errors(document.data)
        for problem in _violation(error, document)
    ]
    return found or list(_refusal(document))


def _violation(error: Any, document: Document) -> Iterator[Problem]:
    path: KeyPath = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in sorted(set(error.instance) - set(known)):
            yield document.problem((*path, name), "unknown key", did_you_mean(str(name), known))
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield document.problem((*path, name), "is missing")
    else:
        yield document.problem(path, error.message)


def _refusal(document: Document) -> Iterator[Problem]:
    import click
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import prepare_config, validate_config

    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            validate_config(prepare_config(copy.deepcopy(document.data)))
    except (ValueError, RuntimeError, AssertionError, ValidationError, click.ClickException) as error:
        message = error.message if isinstance(error, click.ClickException) else str(error)
        named = [name for name in re.findall(r"`(\w+)`", message) if name in document.data]
        yield document.problem(tuple(named[:1]), f"Ray refuses it: {message}")
