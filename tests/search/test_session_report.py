"""What goes wrong with the report never costs a search its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search import session as sessions
from search.errors import RecordError


def notes_of(monkeypatch: pytest.MonkeyPatch, write_report: Any) -> list[str]:
    """What is shown while a report is made like this."""
    notes: list[str] = []
    monkeypatch.setattr(sessions, "write_report", write_report)
    session: Any = SimpleNamespace(
        conductor=SimpleNamespace(state=None),
        folder=Path("runs/demo"),
        view=SimpleNamespace(note=notes.append),
    )
    sessions._report(session)
    return notes


@pytest.mark.parametrize(
    "error",
    [RecordError("The folder is full."), ModuleNotFoundError("No module named 'plotly'"), MemoryError()],
)
def test_a_report_that_fails_is_a_note_that_says_how_to_make_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*args: object, **more: object) -> None:
        raise error

    first, said = notes_of(monkeypatch, fail)
    assert first == "writing the report"
    assert (str(error).rstrip(".") or "MemoryError") in said
    assert "python -m analysis.report runs/demo" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_report_out_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)

    def interrupted(*args: object, **more: object) -> None:
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was swallowed")

    assert "no report: interrupted" in notes_of(monkeypatch, interrupted)[1]
    assert signal.getsignal(number) == before
