"""Brings a worker what the driver's machine has: the search's folder, and the files that the options name."""

from __future__ import annotations

import socket
from pathlib import Path

from filelock import FileLock

import trainables
from trainables.contents import path_digest
from trainables.errors import UserError
from trainables.messages import Distant, GroupSettings
from trainables.models.preparers import cache_dir
from trainables.progress import amount
from trainables.replacement import replacement
from trainables.serving.storage import CHUNK, DistantStorage, FolderStorage, Line, Say, Storage, copy_here
from trainables.versions import differences, training_versions


def storage_of(settings: GroupSettings, line: Line, say: Say) -> Storage:
    """The search's folder where this machine has it, or by way of the driver's machine."""
    folder = Path(settings.folder)
    if settings.distant is None or (folder / settings.distant.marker).is_file():
        return FolderStorage(folder, say)
    return DistantStorage(line, say)


def check_versions(distant: Distant) -> None:
    """Refuses to serve with other packages or other code than the search was begun with.

    Raises:
        UserError: They differ.
    """
    if differing := differences(training_versions(), distant.versions, distant.host):
        raise UserError(
            f"The node {socket.gethostname()} has {', '.join(differing)}.",
            hint="Install the same versions on every node, or results depend on which node trains a trial.",
        )


class Inputs:
    """Finds what the options name: where it lies, or where this machine keeps a copy of it.

    Copies are kept by content, so that there is one of each however many searches and workers use it.

    Args:
        distant: Says what lies where on the driver's machine.
        line: To that machine.
        now: Called with what is being done, in words that follow "while".

    Attributes:
        copies: See `GroupSettings.copies`.
    """

    def __init__(self, distant: Distant, line: Line, now: Say = lambda text: None) -> None:
        self._distant = distant
        self._line = line
        self._now = now
        self.copies = [(str(Path(trainables.__file__).parent), distant.code)]

    def place(self, path: str) -> str:
        """See `trainables.trainable.Place`.

        Raises:
            UserError: It cannot be copied to this machine.
        """
        digest = self._distant.inputs.get(path)
        if digest is None or path_digest(Path(path)) == digest:
            return path
        folder = cache_dir() / "inputs" / digest[:32]
        copy = folder / Path(path).name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                if path_digest(copy) != digest:
                    self._copy(path, digest, copy)
        except FileNotFoundError as error:
            raise UserError(f"{path} is not on {self._distant.host} any more: {error}.") from error
        except OSError as error:
            raise UserError(
                f"{path} could not be copied from {self._distant.host} to {folder} on "
                f"{socket.gethostname()}: {error.strerror or error}.",
                hint="Set TIGHTROPE_CACHE on the nodes to a writable folder with free space.",
            ) from error
        self.copies.append((str(copy), path))
        return str(copy)

    def _copy(self, path: str, digest: str, copy: Path) -> None:
        what, said = f"copying {path} from {self._distant.host}", 0

        def progress(done: int, total: int) -> None:
            nonlocal said
            if total > CHUNK and done // CHUNK > said:
                said = done // CHUNK
                self._now(f"{what}: {amount(done, total)}")

        self._now(what)
        with replacement(copy, sync=True) as making:
            copy_here(self._line, path, making, progress)
            if path_digest(making) != digest:
                raise UserError(
                    f"{path} on {self._distant.host} has changed since the search began.",
                    hint="Repeat the command once nothing writes to it.",
                )
