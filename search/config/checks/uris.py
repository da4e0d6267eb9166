"""Settings that are paths must not be addresses of storage."""

from __future__ import annotations

from search.config.checks import parts
from search.config.compose import Composed
from search.config.origins import Key
from search.config.uris import uri_problem

_PATHS: tuple[tuple[str, ...], ...] = (
    ("out",),
    ("model", "source"),
    ("task", "train"),
    ("task", "heldout"),
    ("capability", "general_text"),
    ("warm_start", "search"),
)


def check_uris(composed: Composed) -> None:
    """Every path of the configuration; to come before what looks for it."""
    paths: dict[Key, object] = {key: parts.text(composed, *key) for key in _PATHS}
    capability = composed.data.get("capability")
    skills = capability.get("skills") if isinstance(capability, dict) else None
    for index, skill in parts.mappings_in(skills).items():
        paths["capability", "skills", index, "path"] = skill.get("path")
    for key, value in paths.items():
        problem = uri_problem(value) if isinstance(value, str) else None
        if problem is not None and not composed.is_broken(key):
            composed.complain(key, *problem)
