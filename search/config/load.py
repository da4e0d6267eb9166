"""From the words of a command line to a valid configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.config.checks import check, parts
from search.config.compose import compose
from search.config.origins import Origins
from search.config.report import config_error
from search.config.schema import SearchConfig
from search.config.validate import validate


@dataclass(frozen=True)
class Resolved:
    """A valid configuration, where its values came from, and what the user should know of it."""

    config: SearchConfig
    origins: Origins
    notes: tuple[str, ...] = ()


def load_config(words: Sequence[str]) -> Resolved:
    """Composes and validates the configuration that the words of a command line ask for.

    Args:
        words: `key=value` words, `space=...` among them.

    Raises:
        ConfigError: With every problem there is.
    """
    composed = compose(words)
    spec = parts.trainable(composed)
    config = validate(composed, list(spec.parameters.model_fields) if spec else [])
    check(composed)
    if config is None or composed.problems:
        raise config_error(composed.problems)
    return Resolved(config, composed.origins, tuple(composed.notes))
