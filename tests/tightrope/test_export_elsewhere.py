"""Exports that leave this machine or its formats: the hub, and llama.cpp."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub import Hub, serve_hub
from tests.records import make_events
from tests.tightrope.exports import write_search
from tests.tightrope.script import ROOT
from tightrope.cli import main


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_search(tmp_path / "runs" / "demo", make_events(8))


def pushed(hub: Hub, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A process of its own: the client reads its environment when it is imported."""
    secret = "hf_" + "aB3" * 8
    return subprocess.run(
        [sys.executable, "-m", "tightrope.cli", "export", "demo", "0", "push=user/name"],
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": secret,
            "HF_HUB_OFFLINE": "0",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_folder_is_pushed_as_it_was_written(search: Path, tmp_path: Path) -> None:
    with serve_hub() as hub:
        done = pushed(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "exported" / "demo-0"
    assert hub.files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert (hub.repos[0]["name"], hub.repos[0]["visibility"]) == ("name", "private")
    assert "user/name" in done.stdout
    assert hub.summaries == ["Upload the adapter with its model card"]


def test_a_refusal_of_the_hub_leaves_the_folder_and_says_what_to_do(search: Path, tmp_path: Path) -> None:
    with serve_hub() as hub:
        hub.refuses = True
        done = pushed(hub, tmp_path)
    assert done.returncode == 1
    assert "is written, but not pushed" in done.stderr
    assert "hf upload user/name" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "exported" / "demo-0" / "README.md").is_file()


def test_what_is_no_repository_is_refused_before_anything_is_written(
    search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "demo", "0", "push=a/b/c"]) == 2
    assert "is not the name of a repository" in capsys.readouterr().err
    assert main(["export", "demo", "0", "--gguf", "--merged"]) == 2
    assert "cannot be given with --merged" in capsys.readouterr().err
    assert not (tmp_path / "exported").exists()


def test_the_converter_is_given_the_adapter_and_the_base(
    search: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["export", "demo", "0", "--gguf"]) == 2
    assert "is not on PATH" in capsys.readouterr().err
    converter = tmp_path / "llama.cpp" / "convert_lora_to_gguf.py"
    converter.parent.mkdir()
    converter.write_text("raise SystemExit('no such architecture')")
    assert main(["export", "demo", "0", "gguf=llama.cpp"]) == 2
    assert "failed: no such architecture" in capsys.readouterr().err
    assert main(["export", "demo", "--gguf", "nowhere"]) == 2
    assert "gguf=FOLDER names llama.cpp's" in capsys.readouterr().err
    assert not (tmp_path / "exported").exists()
    converter.write_text(_CONVERTER)
    assert main(["export", "demo", "0", "--gguf", "llama.cpp"]) == 0
    assert (tmp_path / "exported" / "demo-0" / "adapter.gguf").read_text() == "LlamaForCausalLM 2"


_CONVERTER = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--base", type=pathlib.Path)
parser.add_argument("--outfile", type=pathlib.Path)
parser.add_argument("adapter", type=pathlib.Path)
given = parser.parse_args()
base = json.loads((given.base / "config.json").read_text())["architectures"][0]
rank = json.loads((given.adapter / "adapter_config.json").read_text())["r"]
given.outfile.write_text(f"{base} {rank}")
"""
