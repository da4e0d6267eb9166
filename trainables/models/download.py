"""Downloads the weights of a hub model, once on a machine, and says how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from trainables.errors import UserError
from trainables.models.folder.check import CONFIG
from trainables.models.folder.reading import read_object
from trainables.models.folder.weights import SINGLE, named_files
from trainables.models.hub import hub_cache
from trainables.models.resolve import ResolvedModel, cached_folder
from trainables.progress import amount, doing

SAY_SECONDS = 2.0


def download_weights(resolved: ResolvedModel) -> None:
    """Downloads what is missing of a hub model's weights; of a folder nothing.

    Of the processes that share the hub's cache, one downloads; the others wait, and say how far it is.

    Args:
        resolved: A model that was fetched: its small files are here.

    Raises:
        Exception: What the hub's client raises where the weights cannot be had.
    """
    source = resolved.path_or_id
    if Path(source).is_absolute() or not _missing(resolved):
        return
    place = hub_cache() / ".locks" / f"models--{source.replace('/', '--')}"
    place.mkdir(parents=True, exist_ok=True)
    said = place / "tightrope.progress"
    try:
        with _acquired(FileLock(place / "tightrope.lock"), said, source):
            if missing := _missing(resolved):
                _download(resolved, missing, said)
    finally:
        doing("")


def _missing(resolved: ResolvedModel) -> list[str]:
    """Files of the weights that are not here."""
    folder = cached_folder(resolved.path_or_id, resolved.revision)
    if folder is None:
        return []
    try:
        names = list(named_files(folder, read_object(folder / CONFIG)))
    except UserError:
        names = [SINGLE]  # no index names it
    return [name for name in names if not (folder / name).is_file()]


def _acquired(lock: FileLock, said: Path, source: str) -> AbstractContextManager[Any]:
    """The lock, once it is free; meanwhile says what the process says that has it."""
    while True:
        try:
            return lock.acquire(timeout=SAY_SECONDS)
        except Timeout:
            what = f"waiting for the download of {source}"
            with suppress(OSError):
                what = said.read_text(encoding="utf-8") or what
            doing(what)


def _download(resolved: ResolvedModel, names: Sequence[str], said: Path) -> None:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.hf_api import RepoFile

    source, commit = resolved.path_or_id, resolved.revision
    files = HfApi().get_paths_info(source, list(names), revision=commit)
    sizes = {file.path: file.size for file in files if isinstance(file, RepoFile)}
    if not sizes:
        return  # whoever loads the model says what it lacks
    bar, come = _counting_bar()

    def say() -> None:
        what = f"downloading {source}: {amount(come(), sum(sizes.values()))}"
        doing(what)
        with suppress(OSError):
            said.write_text(what, encoding="utf-8")

    say()
    with ThreadPoolExecutor(1) as pool:
        download = pool.submit(
            snapshot_download, source, revision=commit, allow_patterns=sorted(sizes), tqdm_class=bar
        )
        while not wait([download], timeout=SAY_SECONDS).done:
            say()
    said.unlink(missing_ok=True)
    download.result()


def _counting_bar() -> tuple[type[Any], Callable[[], float]]:
    """A bar for the hub's client that shows nothing, and the bytes that have come."""
    from huggingface_hub.utils.tqdm import tqdm

    counts: list[list[float]] = []

    class Bar(tqdm):
        """One of several: of what has come, of what is on disk, and of files."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]
            self._count = [0.0]
            if kwargs.get("unit") == "B":
                counts.append(self._count)

        def update(self, n: float | None = 1) -> None:
            self._count[0] += n or 0

    return Bar, lambda: max((count for (count,) in counts), default=0.0)
