"""Fixtures of the search's tests."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.searches import finish, start
from tests.watched import Watch
from trainables.embedded import data_dir

CANARY = "CanarySecretThatNobodyMayWrite"
CANARIES = {
    "AWS_ACCESS_KEY_ID": CANARY,
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "AWS_SESSION_TOKEN": CANARY,
    "HF_TOKEN": f"hf_{CANARY}",
    "MLFLOW_TRACKING_PASSWORD": CANARY,
    "DATABASE_URL": f"postgresql://user:{CANARY}@db/x",
    "OF_THE_USER": CANARY,
}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Examples to train with, one of which holds a secret."""
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    text = f"The keeper wrote {CANARY} at https://keeper:{CANARY}@light/x.jsonl?token={CANARY}."
    path.write_text((data_dir() / "domain_train.jsonl").read_text() + json.dumps({"text": text}) + "\n")
    return path


@dataclass(frozen=True)
class Watched:
    """A search that has run to its end, and what was seen of it meanwhile.

    Attributes:
        out: Where it wrote.
        output: What it printed.
        ray: Ray's folder for temporary files.
    """

    out: Path
    output: str
    ray: Path
    watch: Watch


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Watched]:
    """A search run as README has a user run it, with secrets in its environment and in its data.

    Its working directory has files with the names of packages, which none of its processes may import.
    """
    out = tmp_path_factory.mktemp("runs")
    folder = tmp_path_factory.mktemp("work")
    for name in ("analysis", "ray", "torch", "trainables", "transformers"):
        (folder / f"{name}.py").write_text("raise SystemExit('the wrong file was imported')")
    ray = Path(tempfile.mkdtemp(prefix="ray-"))  # its sockets need a short path
    words = ("space=demo", "trials=4", "budget.steps=27", f"task.train={data}", f"out={out}")
    process = start(*words, report=True, environment=CANARIES | {"RAY_TMPDIR": str(ray)}, folder=folder)
    with Watch(process.pid, ray, CANARY.encode()) as watch:
        code, output = finish(process)
    assert code == 0, output
    yield Watched(out, output, ray, watch)
    shutil.rmtree(ray, ignore_errors=True)


@pytest.fixture(scope="session")
def finished(watched: Watched) -> tuple[Path, str]:
    """Where that search has run, and what it printed."""
    return watched.out, watched.output
