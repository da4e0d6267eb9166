"""What a plan says of the weights that are downloaded first, and whether there is room for them."""

from __future__ import annotations

import shutil
from pathlib import Path

from search.errors import Problem
from trainables.planning import Download
from trainables.progress import size_text


def download_note(download: Download, here: bool) -> str:
    """In a sentence.

    Args:
        download: What is downloaded.
        here: Whether the workers are on this machine, else on a cluster's nodes.
    """
    what = f"{size_text(download.size)} of weights of {download.source} are downloaded when the search starts"
    if not here:
        return f"{what}, once on each node."
    return f"{what}, to {download.folder}, which has {size_text(_free(download.folder))} free."


def download_problems(download: Download | None, here: bool) -> list[Problem]:
    """That this machine has no room for it."""
    if download is None or not here or (free := _free(download.folder)) >= download.size:
        return []
    message = f"the weights of {download.source} take {size_text(download.size)}, and {download.folder} has "
    message += f"{size_text(free)} free"
    hint = "Free some, or set HF_HUB_CACHE to a folder on a larger disk."
    return [Problem("model.source", message, "this machine", hint)]


def _free(folder: Path) -> int:
    """Free bytes on the disk that a folder is on, or will be."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free
