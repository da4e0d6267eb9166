"""MLflow's own file: can it be used as one?"""

from __future__ import annotations

import os
from pathlib import Path

from search.config.checks import parts
from search.config.compose import Composed
from search.tracking.database import database_problem

_SQLITE = "sqlite:///"


def check_tracking(composed: Composed) -> None:
    """The SQLite file that runs are written to, where it is there already; and the folder of artifacts."""
    section = composed.data.get("tracking")
    if isinstance(section, dict) and section.get("enabled") is False:
        return
    if composed.is_broken(("tracking",)) or composed.is_broken(("out",)):
        return
    uri = parts.text(composed, "tracking", "uri")
    if uri:
        if uri.startswith(_SQLITE):
            _check(composed, ("tracking", "uri"), Path(uri.removeprefix(_SQLITE).partition("?")[0]))
        return
    out = Path(os.path.expanduser(parts.text(composed, "out")))
    _check(composed, ("out",), out / "mlflow.db")
    artifacts = out / "mlartifacts"
    if os.path.lexists(artifacts) and not artifacts.is_dir() and not composed.is_broken(("out",)):
        composed.complain(
            ("out",),
            f"{artifacts} is no folder, where MLflow keeps artifacts",
            "move it away, or write tracking.enabled=false",
        )


def _check(composed: Composed, key: tuple[str, ...], path: Path) -> None:
    problem = database_problem(path)
    if problem is not None:
        composed.complain(key, *problem)
