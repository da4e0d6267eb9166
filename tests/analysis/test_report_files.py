"""The report's folder: whole or not at all, whatever comes between."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.report.files import MARK, write_folder
from search.errors import RecordError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_exchange_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "report"
    write_folder(folder, {MARK: b"old"})
    real = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if target == folder and ".old" not in self.name:
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(RecordError, match="No space left"):
        write_folder(folder, {MARK: b"new"})
    assert (folder / MARK).read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize("which", [1, 2])
def test_ctrl_c_within_the_exchange_leaves_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    folder = tmp_path / "report"
    write_folder(folder, {MARK: b"old"})
    real, calls = Path.rename, []

    def interrupt(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == which:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_folder(folder, {MARK: b"new"})
    assert (folder / MARK).read_bytes() == b"old"
    assert names(tmp_path) == ["report"]


def left_by_a_kill(tmp_path: Path) -> Path:
    """What is there between the two renames."""
    for name, content in ((".report.abcdefg1.old", b"old"), (".report.abcdefg1.new", b"new")):
        (tmp_path / name).mkdir()
        (tmp_path / name / MARK).write_bytes(content)
    return tmp_path / "report"


def test_a_report_that_a_kill_left_under_another_name_comes_back(tmp_path: Path) -> None:
    folder = left_by_a_kill(tmp_path)
    with pytest.raises(RecordError, match="cannot be written"):
        write_folder(folder, {"no/such/place": b"new"})
    assert (folder / MARK).read_bytes() == b"old"
    assert names(tmp_path) == ["report"]


def test_what_kills_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = left_by_a_kill(tmp_path)
    for name in (".report.old", ".report.mine", ".reports.abcdefg1.old", "report.abcdefg1.old"):
        (tmp_path / name).mkdir()
    write_folder(folder, {MARK: b"newest"})
    assert (folder / MARK).read_bytes() == b"newest"
    assert names(tmp_path) == [
        ".report.mine",
        ".report.old",
        ".reports.abcdefg1.old",
        "report",
        "report.abcdefg1.old",
    ]


def test_a_link_leads_to_the_report_and_stays(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "near"
    link.symlink_to(tmp_path / "far" / "report")
    for content in (b"first", b"second"):
        write_folder(link, {MARK: content})
        assert link.is_symlink()
        assert (tmp_path / "far" / "report" / MARK).read_bytes() == content
    assert names(tmp_path / "far") == ["report"]


def test_a_place_that_cannot_be_looked_at_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be written"):
        write_folder(tmp_path / ("x" * 300), {MARK: b"new"})
    assert names(tmp_path) == []
