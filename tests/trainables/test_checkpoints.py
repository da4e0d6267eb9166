"""Checkpoints are whole or not there, outlast a full disk, and shed what nothing needs."""

from __future__ import annotations

import errno
from functools import partial
from pathlib import Path

import pytest

from trainables.lora.adapters import MOMENTS
from trainables.lora.checkpoints import drop_old_moments, write_whole, write_whole_file


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    refusals = iter([True, True, False])

    def write(folder: Path) -> None:
        (folder / "weights").write_text("half")
        if next(refusals):
            raise OSError(errno.ENOSPC, "No space left on device")
        (folder / "weights").write_text("whole")

    write_whole(tmp_path / "trial" / "rung-0", write, retry_seconds=0.01)
    assert (tmp_path / "trial" / "rung-0" / "weights").read_text() == "whole"
    assert [path.name for path in (tmp_path / "trial").iterdir()] == ["rung-0"]


def test_a_file_is_waited_for_as_well_and_replaces_an_older_one(tmp_path: Path) -> None:
    refusals = iter([True, False, True, False])

    def write(path: Path, text: str) -> None:
        path.write_text("half")
        if next(refusals):
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        path.write_text(text)

    final = tmp_path / "baselines" / "base.items.parquet"
    for text in ("first", "second"):
        write_whole_file(final, partial(write, text=text), retry_seconds=0.01)
        assert final.read_text() == text
    with pytest.raises(PermissionError):
        write_whole_file(final, refuse)
    assert final.read_text() == "second"
    assert [path.name for path in final.parent.iterdir()] == [final.name]


def refuse(path: Path) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


def test_another_error_is_not_waited_for_and_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    final = tmp_path / "rung-0"
    write_whole(final, lambda folder: None)
    with pytest.raises(PermissionError):
        write_whole(final, refuse)
    assert final.is_dir()


def test_moments_of_earlier_rungs_go_and_adapters_stay(tmp_path: Path) -> None:
    for rung in range(11):
        folder = tmp_path / f"rung-{rung}"
        folder.mkdir()
        (folder / MOMENTS).write_text("moments")
        (folder / "adapter").write_text("weights")
        (tmp_path / f"rung-{rung}.items.parquet").write_text("items")
    drop_old_moments(tmp_path / "rung-9")
    left = [rung for rung in range(11) if (tmp_path / f"rung-{rung}" / MOMENTS).exists()]
    assert left == [9, 10]
    assert all((tmp_path / f"rung-{rung}" / "adapter").exists() for rung in range(11))
    assert len(list(tmp_path.glob("*.items.parquet"))) == 11
