"""What is written where storage refuses: the record waits; what can be made again leaves what was there."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from analysis.report.files import MARK, write_folder
from analysis.summary import write_summary
from search.errors import RecordError
from search.optuna_export import main as export
from search.record import Event, RecordWriter, SearchEnded, SearchState, read_events
from tests.disks import SmallDisk, small_disk
from tests.records import make_events, write_record
from tests.refusing_disk import refusing_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 2) as disk:
        yield disk


def files(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder, the record and the ballast aside."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path): path.read_bytes() for path in paths if path.suffix != ".jsonl" and path.stem != "ballast"
    }


def test_the_record_waits_for_space_and_what_can_be_made_again_is_left_as_it_was(
    disk: SmallDisk, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = disk.folder / "demo"
    events = make_events(12)
    write_record(folder, events)
    state = SearchState.from_events(events)
    study = disk.folder / "study.db"

    def write() -> Iterator[str]:
        """What is written beside the record, one after the other; how each was refused."""
        for make in (
            lambda: write_summary(state, folder),
            lambda: write_folder(folder / "report", {MARK: b"{}", "page.html": bytes(100_000)}),
        ):
            try:
                make()
            except RecordError as error:
                yield str(error)
        if export([f"search={folder}", f"out={study}"]) != 0:
            yield capsys.readouterr().err

    assert list(write()) == []
    before = files(disk.folder)
    assert len(before) == 5
    disk.fill()
    refused = list(write())
    assert len(refused) == 3, refused
    assert "No space left on device" in refused[0]
    assert "No space left on device" in refused[1]
    assert "full" in refused[2]
    assert f"tightrope show {folder}" in refused[0]
    assert "again" in refused[1]
    assert files(disk.folder) == before

    said: list[str] = []
    ended = SearchEnded(reason="finished")
    with RecordWriter(folder, on_wait=said.append, retry_seconds=0.05) as record:
        assert not record.append(ended.model_copy(update={"message": "x" * 10_000}), wait=False)
        long = [ended.model_copy(update={"message": str(number) * 10_000}) for number in range(3)]
        assert_waits(record, long, disk.free)
    assert len(said) == 1
    assert "waiting for storage" in said[0]
    recorded = [event.model_dump_json() for event in read_events(folder)]
    assert recorded == [event.model_dump_json() for event in (*events, *long)]
    assert list(write()) == []


def assert_waits(record: RecordWriter, events: Sequence[Event], mend: Callable[[], None]) -> None:
    """That these events are written, but not before the storage is mended."""
    writer = threading.Thread(target=lambda: [record.append(event) for event in events], daemon=True)
    writer.start()
    writer.join(0.5)
    assert writer.is_alive(), "it waits"
    mend()
    writer.join(10)
    assert not writer.is_alive()


@pytest.mark.parametrize(
    "refused",
    [
        {"write": errno.EROFS, "setattr": errno.EROFS},
        {"fsync": errno.EIO, "setattr": errno.EIO},  # the line is whole, and cannot be taken back
        {"getattr": errno.ESTALE, "read": errno.ESTALE, "write": errno.ESTALE, "setattr": errno.ESTALE},
    ],
    ids=lambda refused: os.strerror(refused["setattr"]),
)
def test_the_record_waits_for_storage_that_is_read_only_broken_or_away(
    refused: dict[str, int], tmp_path: Path
) -> None:
    said: list[str] = []
    events = make_events(1)
    with (
        refusing_disk(tmp_path / "disk") as disk,
        RecordWriter(disk.folder, on_wait=said.append, retry_seconds=0.05) as record,
    ):
        assert record.append(events[0])
        disk.refuse(**refused)
        assert_waits(record, events[1:], disk.refuse)
        assert read_events(disk.folder) == events
    (line,) = said
    assert f"({os.strerror(refused['setattr'])}); waiting for storage" in line


def test_where_waiting_does_not_help_the_record_is_broken_and_nothing_more_is_written(tmp_path: Path) -> None:
    events = make_events(1)
    with refusing_disk(tmp_path / "disk") as disk, RecordWriter(disk.folder) as record:
        assert record.append(events[0])
        disk.refuse(write=errno.EPERM)
        with pytest.raises(RecordError, match=r"cannot be written \(Operation not permitted\)"):
            record.append(events[1])
        disk.refuse()
        with pytest.raises(RecordError):
            record.append(events[2], wait=False)
        assert record.broken is not None
        assert read_events(disk.folder) == events[:1]
