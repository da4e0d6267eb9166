"""The measurements on a GPU: parts are apart, time is kept to, and the page says what failed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.budget import LEAST, box
from benchmarks.gpu.parts import NAMES
from benchmarks.gpu.run import Results, run_all
from benchmarks.gpu.table import PAGE, REHEARSAL, page, read
from tests.benchmarks.gpu_parts import PARTS, load

ROOT = Path(__file__).parents[2]

REFUSED = (
    "ray", "deepspeed", "mlflow", "optuna", "omegaconf", "datasets", "moocore", "greenlet", "grpc", "plotly",
)  # fmt: skip


@given(st.lists(st.floats(0.1, 300), min_size=1, max_size=9), st.floats(0, 1500), st.data())
def test_parts_keep_to_the_time_and_the_first_come_first(
    wanted: list[float], left: float, data: st.DataObject
) -> None:
    ran = []
    for index, most in enumerate(wanted):
        room = box(wanted[index:], left)
        ran.append(room is not None)
        if room is None:
            assert left < LEAST * most
        else:
            assert LEAST * most <= room <= most
            assert room <= left + 1e-9
            left -= room * data.draw(st.floats(0, 1))
    assert ran[0] or not any(run and most >= wanted[0] for run, most in zip(ran, wanted, strict=True))


def test_all_boxes_are_whole_where_time_is_ample_and_alike_smaller_where_it_is_short() -> None:
    assert box([60, 30, 10], 100) == 60
    assert box([60, 30, 10], 80) == pytest.approx(48)
    assert box([60, 30, 10], 49) == pytest.approx(60 * 49 / 90)  # the last part is given up first
    assert box([60, 30, 10], 29) is None
    assert box([30, 10], 29) == pytest.approx(30 * 29 / 40)


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    """What a run of parts with all kinds of ends wrote."""
    stream = io.StringIO()
    results = Results(stream)
    run_all(list(PARTS), "cpu", False, 60, results, load)
    assert results.failed
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def of(lines: list[dict[str, Any]], part: str, kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line.get("part") == part and line["kind"] == kind]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("raising", "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
        ("crashing", "killed by SIGSEGV"),
        ("leaving", "exit code 3"),
        ("overrunning", "its box of 2 s was over"),
        ("unprintable", "TypeError: Object of type object is not JSON serializable"),
    ],
)
def test_a_part_that_fails_says_why_and_its_rows_are_kept(
    lines: list[dict[str, Any]], part: str, reason: str
) -> None:
    assert len(of(lines, part, "row")) == 1
    (end,) = of(lines, part, "end")
    assert reason in end["reason"]
    assert end["seconds"] < 10


def test_the_next_part_runs_and_its_rows_are_plain_json(lines: list[dict[str, Any]]) -> None:
    first, second = of(lines, "sound", "row")
    assert first["value"] == "nan"
    assert first["thirds"] == 0.6667
    assert second["pid"] != os.getpid()
    (end,) = of(lines, "sound", "end")
    assert "reason" not in end
    assert end["seconds"] < 1.5  # it need not import torch again
    assert lines[0]["kind"] == "conditions"
    assert {"device", "torch", "transformers", "peft", "python", "commit"} <= lines[0].keys()


def test_the_page_says_what_failed_and_what_was_met(lines: list[dict[str, Any]]) -> None:
    text = page(lines)
    assert REHEARSAL not in text
    assert "| sound | a part that is sound | 1 of 2 |" in text
    assert "**Failed: its process was killed by SIGSEGV**" in text
    assert 'File "' in text  # where it raised
    assert REHEARSAL in page([lines[0] | {"rehearsal": True}, *lines[1:]])
    cut = page(lines[: lines.index(of(lines, "crashing", "row")[0]) + 1])
    assert "| crashing |  |  |  | failed: the run ended before it did |" in cut
    assert "Not known" in page([])


def test_a_part_without_time_or_without_its_module_is_listed() -> None:
    def missing(name: str) -> Any:
        if name == "gone":
            raise ImportError("no module for it")
        return load(name)

    stream = io.StringIO()
    run_all(["gone", "sound"], "cpu", False, 0.5, Results(stream), missing)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert "ImportError: no module for it" in of(lines, "gone", "end")[0]["reason"]
    assert of(lines, "sound", "not run")[0]["reason"] == "no time left"
    assert "**Not run: no time left**" in page(lines)


def command(*words: str, hook: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(each) for each in (hook, ROOT) if each)
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.parametrize("words", [["--parts=exactness,speed"], ["--seconds=-1"], ["--seconds=a"], []])
def test_wrong_arguments_are_refused_in_one_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks.gpu", *words])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert len(printed.err.splitlines()) == 1


_HOOK = f"""
import sys

class Lacking:
    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def find_spec(self, name, path=None, target=None):
        lacks = name.partition(".")[0] in {REFUSED}
        return None if lacks else self._finder.find_spec(name, path, target)

sys.meta_path[:] = [Lacking(finder) for finder in sys.meta_path]
"""


@pytest.mark.integration
def test_the_whole_of_it_is_rehearsed_without_what_a_gpu_machine_lacks(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(_HOOK)
    refused = command("moocore", hook=tmp_path)
    assert "No module named moocore" in refused.stderr
    began = time.monotonic()
    done = command("benchmarks.gpu", "--rehearse", f"--out={tmp_path}", hook=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    print(f"rehearsed in {time.monotonic() - began:.0f} s")
    (file,) = tmp_path.glob("*.jsonl")
    lines = read(file)
    assert lines == [json.loads(line) for line in done.stdout.splitlines()]
    for name in NAMES:
        assert of(lines, name, "row"), name
        (end,) = of(lines, name, "end")
        assert "reason" not in end, end
    assert [line for line in of(lines, "exactness", "row") if line.get("met") is False] == []
    assert REHEARSAL in page(lines)
    written = command("benchmarks.gpu.table", str(file), "--write")
    assert written.returncode == 2
    assert "rehearsal" in written.stderr


def test_no_rehearsal_is_given_out_as_a_result() -> None:
    assert "rehearsal" not in (ROOT / PAGE).read_text()
