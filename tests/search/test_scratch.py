"""What a killed session leaves beside Ray's files is removed by the next one, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from search.scratch import clean_up, hold, remember, scratch_folder, sweep

SESSION = """
import sys, time
from search.scratch import hold, remember, scratch_folder
from search.reach import temporary_folder
folder = scratch_folder()
hold(folder)
rays = temporary_folder() / "ray" / f"session_2026-01-01_00-00-00_000000_{sys.argv[1]}"
(rays / "logs").mkdir(parents=True)
remember(folder, rays)
(folder / "tune").mkdir()
print(folder, rays, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ray's folder."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    return tmp_path / "ray"


@contextmanager
def session(number: int = 1) -> Iterator[tuple[Path, Path]]:
    """One that lives meanwhile and is killed then; its folder and that of its cluster."""
    words = [sys.executable, "-c", SESSION, str(number)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder, rays = map(Path, process.stdout.readline().split())
        yield folder, rays
        process.kill()


def test_what_a_killed_session_has_left_is_removed_and_a_live_one_is_left_alone(ray: Path) -> None:
    with session(1) as killed:
        (ray / "session_latest").symlink_to(killed[1])
    foreign = ray / "session_2026-01-01_00-00-00_000000_9"
    foreign.mkdir()
    with session(2) as live:
        sweep()
        assert {*ray.iterdir()} == {foreign, *live}
    sweep()
    assert {*ray.iterdir()} == {foreign}


def test_a_cluster_that_is_still_there_keeps_its_files() -> None:
    with session() as (folder, rays):
        pass
    with subprocess.Popen([sys.executable, "-c", "input()", f"--session-dir={rays}"], stdin=-1) as raylet:
        sweep()
        assert folder.exists()
        assert rays.exists()
        raylet.kill()
    sweep()
    assert not folder.exists()
    assert not rays.exists()


def test_a_failed_session_keeps_rays_logs_for_a_day_and_one_that_ends_well_nothing(ray: Path) -> None:
    search = ray.parent / "search"
    well, ill = scratch_folder(), scratch_folder()
    rays = ray / "session_2026-01-01_00-00-00_000000_1"
    for folder in (well, ill):
        hold(folder)
        remember(folder, rays)
    rays.mkdir()
    clean_up(well, search)
    clean_up(ill, search, kept=True)
    sweep()
    assert {*ray.iterdir()} == {ill, rays}
    os.utime(ill / "failed", (0, 0))
    sweep()
    assert not any(ray.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_is_another_users_is_left_alone(ray: Path) -> None:
    with session(1) as (folder, rays):
        os.chown(rays, 1234, 1234)
    with session(2) as (other, _):
        os.chown(other, 1234, 1234)
    sweep()
    assert folder.exists()
    assert rays.exists()
    assert other.exists()


def test_a_name_cannot_lead_elsewhere(ray: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    with session() as (folder, _):
        (folder / "session").write_text("../precious")
    sweep()
    assert (tmp_path / "precious").exists()
    assert not folder.exists()
