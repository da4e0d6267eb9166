"""What is taken out of every text before it is shown."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from analysis.report import write_report
from analysis.report.cards import cards
from analysis.report.command import main
from analysis.report.context import Context
from analysis.report.export import to_csv
from search.record import (
    Event,
    Failed,
    RungReached,
    SearchEnded,
    SearchStarted,
    SearchState,
    SessionStarted,
    TrialFinished,
    TrialProposed,
)
from search.record.files import EVENTS
from search.redact import HIDDEN
from tests.analysis.report_records import single, state_of
from tests.records import BEGIN, make_events, trial_events
from trainables.text import map_text, printable

SECRET = "hunter2"
URL = f"https://me:{SECRET}@example.org/x?token={SECRET}"

DATA = st.recursive(
    st.text("ab", max_size=3) | st.integers() | st.none(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text("ab", max_size=2), inner)
    ),
)


@given(DATA)
def test_texts_are_mapped_wherever_they_are(value: object) -> None:
    assert map_text(value, lambda text: text) is value
    found = map_text(value, lambda text: text.replace("a", "A"))
    assert repr(found) == repr(value).replace("a", "A")


def test_a_state_is_copied_where_it_changes_and_never_changed() -> None:
    events = make_events(8)
    state = SearchState.from_events(events)
    before = repr(state)
    found = map_text(state, lambda text: text.replace("demo", "other"))
    assert repr(state) == before
    assert found.started is not None
    assert found.started.config["name"] == "other"
    assert found.trials[0] is state.trials[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a\\x00b"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\n\tb", "a\n\tb"),
        ("\x9bé", "\\x9bé"),
        ("a\u202eb", "a\\u202eb"),
    ],
)
def test_control_characters_are_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def spoiled(folder: Path) -> list[Event]:
    """A search with a secret wherever a record may hold free text."""
    found: list[Event] = []
    for event in single(folder):
        if isinstance(event, SearchStarted):
            config = event.config | {"name": f"demo {URL}", "space": "a\x00b\x1b[31m"}
            event = event.model_copy(update={"config": config, "git_commit": URL, "versions": {"torch": URL}})
        elif isinstance(event, SessionStarted):
            event = event.model_copy(update={"command": f"python -m search tracking.uri={URL}"})
        elif isinstance(event, TrialProposed):
            values = event.params | {"source": URL}
            event = event.model_copy(update={"sampled": values, "params": values})
        elif isinstance(event, RungReached) and event.rung == 0:
            found.append(Failed(trial=0, failure_class=URL, message=f"no answer from {URL}", time=BEGIN))
        elif isinstance(event, SearchEnded):
            found += [
                TrialProposed(trial=1, sampled={"lr": 1e-3, "source": "b"}, params={"lr": 1e-3}, time=BEGIN),
                TrialFinished(
                    trial=1, status="failed", reason=f"{'x' * 180} {URL}", failure_class=URL, time=BEGIN
                ),
                *trial_events(2, {"train_loss": 1.0, "retention": 1.0}, sampled={"lr": 1e-3, "source": "c"}),
            ]
            event = event.model_copy(update={"message": URL})
        found.append(event)
    return found


def figures(page: str) -> str:
    packed = re.search(r'id="figures">([^<]+)<', page)
    assert packed is not None
    return gzip.decompress(base64.b64decode(packed[1])).decode()


def everything(report: Path) -> str:
    """All that a report says, unpacked."""
    page = (report / "report.html").read_text()
    table = parquet.read_table(report / "trials.parquet").to_pylist()
    files = [(report / name).read_text() for name in ("report.json", "trials.csv")]
    return "\n".join([page, figures(page), json.dumps(table), *files])


def test_no_secret_of_the_record_is_left_in_any_file(tmp_path: Path) -> None:
    # As of a record from before credentials were left out of it.
    lines = [event.model_dump_json() for event in spoiled(tmp_path)]
    (tmp_path / EVENTS).write_text("\n".join([*lines, ""]))
    assert main([str(tmp_path)]) == 0
    said = everything(tmp_path / "report")
    assert SECRET not in said
    assert HIDDEN in figures((tmp_path / "report/report.html").read_text())
    cards = json.loads((tmp_path / "report/report.json").read_text())["cards"]
    assert "error" not in {card["state"] for card in cards.values()}


def test_what_models_wrote_is_redacted_before_it_is_cut(tmp_path: Path) -> None:
    (samples,) = [one.card for one in cards() if one.name == "samples"]
    state = state_of("whole", tmp_path)
    assert "Question" in str(samples.compute(Context(state, tmp_path)).tables)
    context = Context(state, tmp_path, redact=lambda text: text.replace("Question", HIDDEN))
    tables = str(samples.compute(context).tables)
    assert "Question" not in tables
    assert HIDDEN in tables


def test_what_is_redacted_is_the_callers_business(tmp_path: Path) -> None:
    state = SearchState.from_events(spoiled(tmp_path))
    path = write_report(state, tmp_path, out=tmp_path / "plain")
    assert SECRET in everything(path.parent)
    # Names with control characters do no harm to a terminal or an editor that shows the page.
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", path.read_text())
    assert "a\\x00b\\x1b[31m" in path.read_text()


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1"]


def test_a_text_that_a_spreadsheet_would_compute_is_a_text_in_the_csv() -> None:
    columns = {"param.word": [*FORMULAS, "plain", "a=b"], "metric.loss": [-1.5] * (len(FORMULAS) + 2)}
    rows = list(csv.reader(io.StringIO(to_csv(pyarrow.table(columns)).decode(), newline="")))
    assert [row[0] for row in rows[1:]] == [*(f"'{text}" for text in FORMULAS), "plain", "a=b"]
    assert {row[1] for row in rows[1:]} == {"-1.5"}, "numbers stay numbers"
