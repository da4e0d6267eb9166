"""A record whose lines were changed, doubled, left out or moved is refused by the number of the line."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.errors import RecordError
from search.record import Event, RecordReader, RecordWriter, SearchEnded, TrialFinished, read_events
from search.record.files import EVENTS
from tests.records import make_events, write_record

EVENTS_MADE = [event for event in make_events(5) if not isinstance(event, TrialFinished)][:14]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("whole")
    write_record(folder, EVENTS_MADE)
    return (folder / EVENTS).read_bytes().splitlines(keepends=True)


def written(folder: Path, lines: list[bytes]) -> Path:
    (folder / EVENTS).write_bytes(b"".join(lines))
    return folder


def refusal(folder: Path) -> RecordError:
    with pytest.raises(RecordError) as caught:
        read_events(folder)
    return caught.value


@given(data=st.data())
def test_a_line_doubled_left_out_or_moved_is_named(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines) - 2))
    to = data.draw(st.integers(at + 1, len(lines) - 1))
    damages: dict[str, tuple[list[bytes], int]] = {
        "doubled": ([*lines[:to], lines[at], *lines[to:]], to + 1),
        "left out": ([*lines[:at], *lines[at + 1 :]], at + 1),
        "swapped": ([*lines[:at], lines[to], *lines[at + 1 : to], lines[at], *lines[to + 1 :]], at + 1),
    }
    kind = data.draw(st.sampled_from(sorted(damages)))
    damaged, line = damages[kind]
    error = refusal(written(tmp_path_factory.mktemp("damaged"), damaged))
    assert f"{EVENTS}:{line} does not follow from the lines before it" in error.message
    assert error.hint is not None
    assert "from a copy" in error.hint


@given(data=st.data())
def test_an_event_that_was_edited_is_named(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    digit = data.draw(st.sampled_from([i for i, byte in enumerate(lines[at]) if chr(byte).isdigit()]))
    edited = bytearray(lines[at])
    edited[digit] = ord("7") if edited[digit] != ord("7") else ord("3")
    folder = written(tmp_path_factory.mktemp("edited"), [*lines[:at], bytes(edited), *lines[at + 1 :]])
    assert f"{EVENTS}:{at + 1} " in refusal(folder).message


@settings(max_examples=30)
@given(st.integers(0, len(EVENTS_MADE)), st.integers(0, len(EVENTS_MADE)))
def test_a_record_from_before_there_were_hashes_is_read_continued_and_covered(
    tmp_path_factory: pytest.TempPathFactory, old: int, torn: int
) -> None:
    plain = [event.model_dump_json().encode() + b"\n" for event in EVENTS_MADE[:old]]
    folder = written(tmp_path_factory.mktemp("older"), [*plain, b'{"event":"sea'[:torn]])
    assert read_events(folder) == EVENTS_MADE[:old]
    write_record(folder, EVENTS_MADE[old:])
    assert read_events(folder) == EVENTS_MADE
    lines = (folder / EVENTS).read_bytes().splitlines(keepends=True)
    assert lines[:old] == plain
    if 1 < old < len(lines):
        refused = written(folder, [lines[1], lines[0], *lines[2:]])
        with pytest.raises(RecordError):
            read_events(refused)
    if 0 < old < len(lines):
        without = written(folder, [*lines, plain[0]])
        assert f"{EVENTS}:{len(lines) + 1} has no hash" in refusal(without).message


def test_a_reader_that_follows_checks_across_its_calls(tmp_path: Path, lines: list[bytes]) -> None:
    reader, seen = RecordReader(tmp_path), list[Event]()
    with RecordWriter(tmp_path) as record:
        for event in EVENTS_MADE[:5]:
            record.append(event)
            seen += reader.read_new()
    assert seen == EVENTS_MADE[:5]
    with (tmp_path / EVENTS).open("ab") as file:
        file.write(lines[3])
    with pytest.raises(RecordError, match=f"{EVENTS}:6 does not follow"):
        list(reader.read_new())


def add_member(event: dict[str, object]) -> None:
    event["invented_later"] = 1


def change_kind(event: dict[str, object]) -> None:
    event["event"] = "invented_later"


@pytest.mark.parametrize("change", [add_member, change_kind])
@pytest.mark.parametrize("sealed", [True, False])
def test_a_newer_record_asks_for_an_upgrade(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, object]], None],
    sealed: bool,
) -> None:
    event = json.loads(SearchEnded(reason="finished").model_dump_json())
    change(event)
    if sealed:
        monkeypatch.setattr(SearchEnded, "model_dump_json", lambda self: json.dumps(event))
        write_record(tmp_path, [*EVENTS_MADE[:3], SearchEnded(reason="finished")])
    else:
        dumped = [each.model_dump_json() for each in EVENTS_MADE[:3]]
        (tmp_path / EVENTS).write_text("\n".join([*dumped, json.dumps(event), ""]))
    error = refusal(tmp_path)
    assert f"{EVENTS}:4 is not an event of this version" in error.message
    assert error.hint is not None
    assert "upgrade tightrope" in error.hint
    assert "copy" not in error.hint


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refusing(fd: int, kind: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refusing)
    with pytest.raises(RecordError, match="gives no lock") as caught:
        RecordWriter(tmp_path)
    assert os.strerror(number) in caught.value.message
    assert "Another process" not in str(caught.value)


def test_a_kill_in_the_middle_of_a_line_leaves_a_record_that_goes_on(
    tmp_path: Path, lines: list[bytes]
) -> None:
    for cut in range(1, len(lines[5]), 23):
        folder = tmp_path / str(cut)
        folder.mkdir()
        written(folder, [*lines[:5], lines[5][:cut]])
        write_record(folder, EVENTS_MADE[5:])
        assert read_events(folder) == EVENTS_MADE
        shutil.rmtree(folder)
