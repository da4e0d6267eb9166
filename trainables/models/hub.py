"""What the hub says of a model whose weights are not on this machine. Light: no torch."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Thread

from trainables.errors import first_line
from trainables.models.folder.check import CONFIG, has_weights
from trainables.models.folder.weights import SINGLE
from trainables.models.resolve import is_hub_id, local_folder
from trainables.planning import Download
from trainables.settings import ModelConfig

REQUEST_SECONDS = 5.0
"""For which the hub is waited for."""
PATIENCE_SECONDS = 12.0
"""For which all requests together are."""
REMEMBERED_SECONDS = 60.0
"""For which an answer holds: whoever plans in a notebook can go online in between."""

_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


@dataclass(frozen=True)
class Described:
    """What is known of a model before it is loaded.

    Attributes:
        folder: Has its config.json; None where that is not on this machine.
        remote: Whether its weights are to come from the hub.
        unknown: Why the hub did not describe it, in words that follow "because"; empty where it did.
        sizes: Bytes of the weights' files on the hub by name.
    """

    folder: Path | None
    remote: bool = False
    unknown: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)

    def download(self, source: str) -> Download | None:
        """What a worker downloads; None where that is nothing, or not known."""
        there = self.folder
        missing = [size for name, size in self.sizes.items() if there is None or not (there / name).is_file()]
        return Download(source, sum(missing), hub_cache()) if missing else None


def describe(config: ModelConfig) -> Described:
    """Describes a model: by its folder, or by what the hub says, of which config.json alone is fetched.

    The hub is not asked for what a preparer makes.

    The hub is asked once for all that a plan needs, and waited for a few seconds at most. Nothing is asked of
    it where `HF_HUB_OFFLINE` is set.
    """
    there = _there(config)
    if config.prepare is not None or not is_hub_id(config) or (there is not None and has_weights(there)):
        return Described(there)
    now = int(time.monotonic() / REMEMBERED_SECONDS)
    unknown, sizes = _asked(config.source, config.revision, config.trust_remote_code, now)
    return Described(_there(config), True, unknown, sizes)


def _there(config: ModelConfig) -> Path | None:
    folder = local_folder(config)
    return folder if folder is not None and (folder / CONFIG).is_file() else None


def hub_cache() -> Path:
    """The folder that the hub's client downloads to."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def quiet_hub() -> None:
    """Leaves only errors of the hub's client, and no progress bars."""
    from huggingface_hub import logging as hub
    from huggingface_hub.utils.tqdm import disable_progress_bars

    hub.set_verbosity(logging.ERROR)
    disable_progress_bars()


@lru_cache(maxsize=8)
def _asked(source: str, revision: str | None, code: bool, now: int) -> tuple[str, Mapping[str, int]]:
    """Why the hub does not describe a model, empty where it does, and bytes of its weights by file.

    It is asked again once `now` is another. In a thread that is left behind where the hub takes too long: its
    client tries some requests again for minutes.
    """
    answers: list[tuple[str, Mapping[str, int]]] = []
    thread = Thread(target=lambda: answers.append(_ask(source, revision, code)), daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    return answers[0] if answers else (f"the hub did not answer within {PATIENCE_SECONDS:g} s", {})


def _ask(source: str, revision: str | None, code: bool) -> tuple[str, Mapping[str, int]]:
    from huggingface_hub import HfApi, errors, hf_hub_download

    quiet_hub()
    try:
        info = HfApi().model_info(source, revision=revision, files_metadata=True, timeout=REQUEST_SECONDS)
        files = {file.rfilename: file.size or 0 for file in info.siblings or ()}
        scripts = [name for name in files if name.endswith(".py") and "/" not in name] if code else []
        for name in (CONFIG, *scripts):
            hf_hub_download(source, name, revision=revision, etag_timeout=REQUEST_SECONDS)
    except errors.OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE is set", {}
    except errors.GatedRepoError:
        return "it is gated: ask for access on its page, and log in with `hf auth login`", {}
    except errors.RepositoryNotFoundError:
        return "the hub has no such model, or shows it only after `hf auth login`", {}
    except errors.RevisionNotFoundError:
        return f"the hub has no revision {revision} of it", {}
    except errors.EntryNotFoundError:
        return f"it has no {CONFIG} on the hub", {}
    except Exception as error:  # noqa: BLE001 - a named boundary: networks fail in many ways
        return f"the hub cannot be reached ({type(error).__name__}: {first_line(error)})", {}
    return "", _weights(files)


def _weights(files: Mapping[str, int]) -> Mapping[str, int]:
    """Those files that the weights are read from: one, its shards, or else all safetensors."""
    if SINGLE in files:
        return {SINGLE: files[SINGLE]}
    shards = {name: size for name, size in files.items() if _SHARD.fullmatch(name)}
    others = {name: size for name, size in files.items() if re.fullmatch(r"[^/]+\.safetensors", name)}
    return shards or others
