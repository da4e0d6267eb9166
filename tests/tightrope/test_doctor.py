"""What `tightrope doctor` says of this machine."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tightrope.cli import main


def checks(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, object]]]:
    code = main(["doctor", "--json", *words])
    return code, {check["name"]: check for check in json.loads(capsys.readouterr().out)}


def test_problems_are_named_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    _, good = checks(capsys=capsys)
    assert all(good[name]["ok"] for name in ("tightrope", "torch", "Ray", "folder", "cluster", "MLflow"))
    (tmp_path / "torch.py").touch()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mlflow.db").write_text("no database" * 100)
    code, bad = checks("workers.address=10.0.0.1:6379", capsys=capsys)
    assert code == 1
    assert {"folder", "token", "MLflow"} <= {name for name, check in bad.items() if not check["ok"]}
    assert all(check["remedy"] for check in bad.values() if not check["ok"])


def test_a_server_of_mlflow_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"tracking.uri=http://user:secret@127.0.0.1:{server.getsockname()[1]}"
        _, there = checks(uri, f"out={tmp_path}", capsys=capsys)
    _, gone = checks(uri, f"out={tmp_path}", capsys=capsys)
    assert (there["MLflow"]["ok"], gone["MLflow"]["ok"]) == (True, False)
    assert "secret" not in str(gone)


def test_what_is_no_address_is_refused_as_a_search_refuses_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor", "tracking.uri=localhost:5000"]) == 2
    assert "tracking.uri: is not a URI" in capsys.readouterr().err
