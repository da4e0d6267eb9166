"""What MLflow's pages show of a search: its runs before traces, and the columns that matter.

The kind of an experiment is MLflow's own tag. A view is one as its interface shares it: JSON in a tag of the
experiment, which the address of the page names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from search import wording
from search.config.schema import ObjectiveConfig
from search.record import SearchStarted
from search.tracking.mlflow_limits import key

KIND = ("mlflow.experimentKind", "custom_model_development")
"""Of experiments whose runs train models, and that hold no traces of applications."""
_VIEW = "mlflow.sharedViewState."
_WORKFLOW = "machine_learning"
_COLUMN = 100
"""Characters of a name in a column, at most: MLflow keeps 5,000 of a tag's value."""
_MOST = 12


def view_of(started: SearchStarted) -> tuple[str, str]:
    """The tag, and its value, of a view of a search's runs: status, objectives and what is searched."""
    objectives = [str(objective["metric"]) for objective in started.config.get("objectives", ())]
    columns = [
        *_columns("metrics", objectives),
        *_columns("params", list(_mapping(started.config.get("parameters")))),
        *_columns("tags", ["tightrope.status", "tightrope.recommended"]),
    ]
    state = {
        "selectedColumns": ["attributes.`Duration`", *columns],
        "searchFilter": f"tags.`tightrope.search_id` = '{started.search_id}'",
        "orderByKey": "attributes.`Created`",
        "orderByAsc": False,
    }
    return f"{_VIEW}{started.search_id}", json.dumps(state)


def page_of(experiment: str, started: SearchStarted) -> str:
    """The address of the view below that of MLflow's interface."""
    query = urlencode({"workflowType": _WORKFLOW, "viewStateShareKey": started.search_id})
    return f"#/experiments/{experiment}/runs?{query}"


def description(started: SearchStarted, recommended: int | None = None) -> str:
    """A search in a few lines of Markdown."""
    config = started.config
    objectives = [ObjectiveConfig.model_validate(each) for each in config.get("objectives", ())]
    searched = ", ".join(_mapping(config.get("parameters")))
    lines = [
        f"**{config.get('name', started.search_id)}** searches {searched or 'nothing'} of "
        f"{config.get('trainable', 'lora')} in the space {config.get('space', '')}.",
        f"Objectives: {'; '.join(map(wording.objective, objectives)) or 'none'}.",
    ]
    if recommended is not None:
        lines.append(f"Recommended: trial {recommended}. The artifact report/report.html says why.")
    return "\n\n".join(lines)


def _columns(kind: str, names: Sequence[str]) -> list[str]:
    return [f"{kind}.`{key(name)}`" for name in names[:_MOST] if len(name) <= _COLUMN and "`" not in name]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
