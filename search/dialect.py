"""Commands in messages as the user types them: `tightrope run` where that is how this process was started.

Messages, hints and records name commands as `python -m MODULE`. Both forms take the same words.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

SCRIPT = "tightrope"
VERBS: Mapping[str, str] = {
    "search.run": "run",
    "search.audit": "audit",
    "search.simulate": "simulate",
    "search.optuna_export": "export-optuna",
    "search.tracking": "track",
    "search.clustercheck": "check-cluster",
    "analysis.report": "report",
    "analysis.investigate": "investigate",
    "analysis.checklist": "checklist",
}
"""The verb of the console script for each module that is a command."""

COMMAND = re.compile(rf"python -m ({'|'.join(map(re.escape, VERBS))})(?![\w.])")
"""A command of ours, as messages name it."""


def by_script() -> bool:
    """Whether the console script has started this process."""
    return os.path.basename(sys.argv[0]) == SCRIPT if sys.argv else False


def as_typed(text: str) -> str:
    """The text with its commands in the form in which this process was started."""
    if "python -m " not in text or not by_script():
        return text
    return COMMAND.sub(lambda match: f"{SCRIPT} {VERBS[match[1]]}", text)
