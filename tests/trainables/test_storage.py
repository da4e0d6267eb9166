"""What travels between machines arrives whole, by content and once, or says why not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.groups.depot import Depot
from search.groups.dispatcher import Dispatcher
from tests.disks import small_disk
from tests.trainables.conforming import DirectLine
from trainables.contents import path_digest
from trainables.embedded import model_dir
from trainables.errors import UserError
from trainables.messages import Distant, GroupSettings
from trainables.serving import storage
from trainables.serving.checkpoints import check_seal
from trainables.serving.place import Inputs, check_versions
from trainables.serving.storage import DistantStorage
from trainables.versions import training_versions


@contextmanager
def small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "CHUNK", 5)
        patch.setattr("search.groups.depot.CHUNK", 5)
        yield


files = st.dictionaries(
    st.sampled_from(["a", "b.json", "good/adapter", "good/deep/x", "bad/adapter"]),
    st.binary(max_size=23),
    min_size=1,
)


@given(files=files)
def test_a_folder_is_at_the_other_end_what_it_was(
    files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("search")
    distant = DistantStorage(DirectLine(root))

    def write(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    with small_chunks():
        distant.keep("trials/0000/rung-0", write)
        check_seal(root / "trials/0000/rung-0")
        with distant.reading("trials/0000/rung-0") as copy:
            assert {name: (copy / name).read_bytes() for name in files} == files
            check_seal(copy)
        assert not copy.exists()
        distant.keep_file("items.parquet", lambda path: path.write_bytes(b"".join(files.values())) and None)
        with distant.reading("items.parquet") as copy:
            assert copy.read_bytes() == b"".join(files.values()) == (root / "items.parquet").read_bytes()
    with pytest.raises(FileNotFoundError), distant.reading("trials/0000/rung-1"):
        pass


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "trials/../../x", ""])
def test_names_cannot_leave_the_folder_of_the_search(name: str, tmp_path: Path) -> None:
    depot = Depot(tmp_path / "search")
    with pytest.raises(ValueError, match="not below"):
        depot.keep(name, {"": [b"x"]})
    with pytest.raises(ValueError, match="not below"):
        depot.listing(name)
    with pytest.raises(ValueError, match="not below"):
        depot.read("trials", name or "..", 0)
    assert not list(tmp_path.iterdir())


class Counting(DirectLine):
    """Counts what is read."""

    reads = 0

    def read(self, name: str, file: str, offset: int) -> bytes:
        """See `Line`."""
        self.reads += 1
        return super().read(name, file, offset)


def _distant(*paths: Path) -> Distant:
    return Distant(
        "none",
        {str(path): str(path_digest(path)) for path in paths},
        training_versions(),
        "/code/trainables",
        "driver",
    )


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that only the driver's machine has, as far as `elsewhere` says."""
    monkeypatch.setenv("TIGHTROPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "there/model").mkdir(parents=True)
    (tmp_path / "there/model/config.json").write_text("{}")
    (tmp_path / "there/model/weights").write_bytes(bytes(100))
    (tmp_path / "there/data.jsonl").write_text("{}\n")
    return tmp_path / "there"


def _elsewhere(monkeypatch: pytest.MonkeyPatch, there: Path) -> None:
    """Has this machine see nothing below `there` but through a line."""

    def digest(path: Path) -> str | None:
        return None if path.is_relative_to(there) else path_digest(path)

    monkeypatch.setattr("trainables.serving.place.path_digest", digest)


def test_inputs_come_once_by_content_and_are_left_where_they_are_the_same(
    there: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = (there / "model", there / "data.jsonl")
    distant = _distant(*paths)
    line = Counting(tmp_path / "search", [str(path) for path in paths])
    assert Inputs(distant, line).place(str(paths[0])) == str(paths[0])
    assert Inputs(distant, line).place("org/name") == "org/name"
    assert line.reads == 0
    _elsewhere(monkeypatch, there)
    inputs = Inputs(distant, line)
    copies = [Path(inputs.place(str(path))) for path in paths]
    settings = GroupSettings("lora", None, 0, 1, 0, None, "", 1, False, 1, 1, (), copies=tuple(inputs.copies))
    named = [
        settings.on_driver(name) for name in (str(copies[0]), f"{copies[0]}/x", str(model_dir()), "org/name")
    ]
    assert named == [str(paths[0]), f"{paths[0]}/x", "/code/trainables/embedded/model", "org/name"]
    for copy, path in zip(copies, paths, strict=True):
        assert copy.name == path.name, "its ending says what it is"
        assert path_digest(copy) == distant.inputs[str(path)]
    once = line.reads
    assert [Path(Inputs(distant, line).place(str(path))) for path in paths] == copies
    assert line.reads == once
    (copies[1]).write_text("spoiled")
    assert path_digest(Path(Inputs(distant, line).place(str(paths[1])))) == distant.inputs[str(paths[1])]


def test_an_input_that_has_changed_or_has_no_room_is_refused_in_words(
    there: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = there / "data.jsonl"
    distant = _distant(data)
    line = DirectLine(tmp_path / "search", [str(data)])
    _elsewhere(monkeypatch, there)
    data.write_text("{}\n{}\n")
    with pytest.raises(UserError, match="has changed since the search began"):
        Inputs(distant, line).place(str(data))
    data.unlink()
    with pytest.raises(UserError, match="is not on driver any more"):
        Inputs(distant, line).place(str(data))
    data.write_text("{}\n")
    with small_disk(tmp_path / "disk", 1) as disk:
        disk.fill()
        monkeypatch.setenv("TIGHTROPE_CACHE", str(disk.folder / "cache"))
        with pytest.raises(UserError, match="TIGHTROPE_CACHE"):
            Inputs(distant, line).place(str(data))
        assert not [path for path in disk.folder.rglob("*data*") if path.is_file()]


def test_other_versions_and_other_code_are_refused() -> None:
    same = _distant()
    check_versions(same)
    theirs = {"torch": "0.0.1", "code": "0123456789ab", "something": "7.1"}
    with pytest.raises(UserError) as refused:
        check_versions(replace(same, versions=dict(same.versions) | theirs))
    torch, code, something = str(refused.value).splitlines()[0].partition(" has ")[2].split("), ")
    assert torch == f"torch {same.versions['torch']} (driver: 0.0.1"
    assert code == f"other code of Tightrope, {same.versions['code']} (driver: 0123456789ab"
    assert something == "no something (driver: 7.1)."


def test_what_is_sent_again_while_the_disk_is_full_is_written_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And it is there once any of the calls returns."""
    written = []
    free = threading.Event()

    def keep(depot: Depot, name: str, parts: Mapping[str, Sequence[bytes]]) -> None:
        free.wait(10)
        written.append(name)

    monkeypatch.setattr(Depot, "keep", keep)

    async def send() -> None:
        dispatcher = Dispatcher(str(tmp_path))
        calls = [asyncio.ensure_future(dispatcher.keep("rung-0", {"": [b"x"]})) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert not any(call.done() for call in calls)
        calls[0].cancel()
        free.set()
        await asyncio.gather(*calls[1:])
        assert written == ["rung-0"]
        free.clear()
        abandoned = asyncio.ensure_future(dispatcher.keep("rung-0", {"": [b"x"]}))
        await asyncio.sleep(0.05)
        abandoned.cancel()
        free.set()
        while len(written) < 2:
            await asyncio.sleep(0.01)
        await dispatcher.keep("rung-0", {"": [b"x"]})
        assert written == ["rung-0"] * 3, "one that has been trained again is written again"

    asyncio.run(send())
