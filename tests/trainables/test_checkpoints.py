"""Checkpoints are whole or not there, outlast a full disk, and shed what nothing needs."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.disks import FULL, small_disk
from trainables.evaluation.itemfile import write_items
from trainables.evaluation.outcomes import Outcomes, Sums
from trainables.serving.checkpoints import MOMENTS, drop_old_moments, write_whole, write_whole_file


def as_tensors(path: Path) -> None:
    save_file({"a": torch.zeros(1000)}, path)


def as_text(path: Path) -> None:
    path.write_text("whole" * 1000)


def as_items(path: Path) -> None:
    write_items(path, Outcomes(heldout=Sums([0], [1.0], [2], [3])), {})


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("write", [as_text, as_items])
def test_a_full_disk_is_waited_for_and_said_whatever_writes(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    refusals = iter([True, True, False])
    said: list[str] = []

    def fill(folder: Path) -> None:
        if next(refusals):
            (folder / "file").symlink_to(FULL)
        write(folder / "file")

    final = tmp_path / "trial" / "rung-0"
    write_whole(final, fill, retry_seconds=0.01, say=said.append)
    assert (final / "file").stat().st_size > 100
    assert [path.name for path in final.parent.iterdir()] == ["rung-0"]
    waiting, written = said
    assert waiting == f"{final} cannot be written (No space left on device); waiting for storage."
    assert "storage is there again" in written


def test_a_small_disk_is_waited_for_and_what_was_begun_gives_its_room_back(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        disk.fill()
        final = disk.folder / "trial" / "rung-0"
        files = {"adapter": as_tensors, "moments": as_tensors, "config": as_text}

        def fill(folder: Path) -> None:
            for name, write in files.items():
                write(folder / name)

        writer = threading.Thread(target=write_whole, args=(final, fill, 0.05))
        writer.start()
        writer.join(0.3)
        assert writer.is_alive()
        disk.free()
        writer.join(10)
        assert {path.name for path in final.iterdir()} == set(files)
        assert len(load_file(final / "moments")["a"]) == 1000
        assert [path.name for path in final.parent.iterdir()] == ["rung-0"]


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
    assert left == [8, 9, 10], "the rung before stays whole, should the last one be damaged"
    assert all((tmp_path / f"rung-{rung}" / "adapter").exists() for rung in range(11))
    assert len(list(tmp_path.glob("*.items.parquet"))) == 11
