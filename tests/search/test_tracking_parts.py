"""Parts of tracking: credentials, environment, limits, and the driver's side."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config.schema import TrackingConfig
from search.tracking import Tracker, redact, ui_command
from search.tracking.mlflow_limits import MAX_BYTES, Point, key, split
from search.tracking.process import tracking_environment
from search.tracking.store import find_store, split_credentials
from tests.mlflow_runs import full_search

pytestmark = pytest.mark.integration

SECRET_URL = "http://user:pa%40ss@mlflow.example:5000/base"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in tracking_environment({}).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SECRET_URL, "http://***@mlflow.example:5000/base"),
        ("see https://token@host, ok", "see https://***@host, ok"),
        ("postgresql+psycopg://me:p@ss@db/x", "postgresql+psycopg://***@db/x"),
        ("http://me:pa/ss@host:80/x", "http://***@host:80/x"),
        ("http://me:p#a?ss@host", "http://***@host"),
        ("http://host/x?access_token=abc&page=2", "http://host/x?access_token=***&page=2"),
        ('{"uri":"http://host:5000","mail":"a:b@c"}', '{"uri":"http://host:5000","mail":"a:b@c"}'),
        ("http://127.0.0.1:5000/api and a@b", "http://127.0.0.1:5000/api and a@b"),
        ("http://host:5000/~a@b", "http://host:5000/~a@b"),
    ],
)
def test_redaction(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(redact(text)) == expected


USERINFO = st.text(
    st.characters(codec="ascii", exclude_characters='"<>\\', exclude_categories=["C", "Z"]), min_size=8
)


@given(password=USERINFO)
def test_no_password_survives_redaction(password: str) -> None:
    secret = f"xyz{password}zyx"
    assert secret not in redact(
        f"GET http://user:{secret}@host:5000/api failed for http://user:{secret}@host"
    )


def test_credentials_leave_the_url_for_the_environment(tmp_path: Path) -> None:
    assert split_credentials(SECRET_URL) == ("http://mlflow.example:5000/base", "user", "pa@ss")
    store = find_store(tmp_path / "one", TrackingConfig(uri=SECRET_URL))
    assert store.environment == {"MLFLOW_TRACKING_USERNAME": "user", "MLFLOW_TRACKING_PASSWORD": "pa@ss"}
    assert "ss" not in str(store)
    redacted = find_store(tmp_path / "one", TrackingConfig(uri=redact(SECRET_URL)))
    assert (redacted.uri, redacted.environment) == (store.uri, {})


def test_the_ui_command_is_local_and_shows_no_credentials(tmp_path: Path) -> None:
    assert ui_command(tmp_path / "one", TrackingConfig()) is None, "there is no database to open"
    (tmp_path / "mlflow.db").touch()
    command = ui_command(tmp_path / "one", TrackingConfig())
    assert command is not None
    assert f"ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db --host 127.0.0.1" in command
    assert ui_command(tmp_path, TrackingConfig(uri=SECRET_URL)) == "http://mlflow.example:5000/base"


def test_the_child_sees_only_what_mlflow_needs() -> None:
    config = TrackingConfig(uri=SECRET_URL)
    seen = tracking_environment({"PATH": "/bin", "HF_TOKEN": "x", "MLFLOW_ACTIVE_MODEL_ID": "m"}, config)
    assert seen["PATH"] == "/bin"
    assert not {"HF_TOKEN", "MLFLOW_ACTIVE_MODEL_ID"} & set(seen)
    assert seen["MLFLOW_ALLOW_MODEL_CODE_EXECUTION"] == "false"
    assert TrackingConfig.model_validate_json(seen["TIGHTROPE_TRACKING"]) == config


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)


@given(
    params=st.dictionaries(NAMES, st.text(max_size=6000), max_size=5),
    points=st.integers(0, 2500),
    tags=st.integers(0, 250),
    filler=st.sampled_from(["x", "é", "\U0001f600", '"']),
)
@settings(max_examples=20, deadline=None)
def test_batches_keep_the_limits_the_order_and_everything(
    params: dict[str, str], points: int, tags: int, filler: str
) -> None:
    metrics = [Point("loss", i / 7, i, i) for i in range(points)]
    labels = {f"tag-{i}": filler * 4000 for i in range(tags)}
    batches = list(split(params, metrics, labels))
    assert [point for batch in batches for point in batch.points] == metrics
    assert {name: value for batch in batches for name, value in batch.params.items()} == params
    assert [name for batch in batches for name in batch.tags] == list(labels)
    for batch in batches:
        assert len(batch.params) <= 100
        assert len(batch.tags) <= 100
        assert 0 < len(batch.params) + len(batch.tags) + len(batch.points) <= 1000
        assert batch.size <= MAX_BYTES


@given(name=NAMES)
def test_keys_are_accepted_by_mlflow(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

    for check in (_validate_metric_name, _validate_param_name, _validate_tag_name):
        check(key(name))


@pytest.fixture
def unreachable() -> Iterator[TrackingConfig]:
    """A server's address on which nothing listens, for as long as it is needed."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield TrackingConfig(uri=f"http://user:hunter2@127.0.0.1:{taken.getsockname()[1]}")


def test_a_driver_is_never_held_up_by_an_absent_server(tmp_path: Path, unreachable: TrackingConfig) -> None:
    folder = full_search().write(tmp_path)
    tracker = Tracker(folder, unreachable)
    tracker.start()
    try:
        sentence = tracker.finish(timeout=0.1)
    finally:
        tracker.stop()
    assert sentence is not None
    assert f"python -m search.tracking {folder}" in sentence
    assert "hunter2" not in sentence
    tracker.stop()


def test_projecting_by_hand_says_in_one_line_that_the_server_is_away(
    tmp_path: Path, unreachable: TrackingConfig
) -> None:
    folder = full_search().write(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "search.tracking", str(folder)],
        env=tracking_environment(os.environ, unreachable),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "could not be updated from" in done.stderr
    assert "hunter2" not in done.stderr


def test_disabled_tracking_starts_nothing(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path / "one", TrackingConfig(enabled=False))
    tracker.start()
    assert tracker.finish(timeout=0) is None
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize("follow", [[], ["--follow"]])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("absent", "There is no search"),
        ("empty", "has no events.jsonl"),
        ("damaged", "events.jsonl:1 is not"),
    ],
)
def test_a_folder_without_a_sound_record_is_refused_at_once_and_left_alone(
    tmp_path: Path, kind: str, said: str, follow: list[str]
) -> None:
    folder = tmp_path / "demo"
    if kind != "absent":
        folder.mkdir()
    if kind == "damaged":
        (folder / "events.jsonl").write_text("{}\n")
    before = sorted(tmp_path.rglob("*"))
    code = (
        "import sys; from search.tracking.__main__ import main; code = main(sys.argv[1:]); "
        "sys.exit(9 if 'mlflow' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), *follow], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == (1 if kind == "damaged" else 2)
    assert said in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
