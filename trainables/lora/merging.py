"""How trainables whose artifact is an adapter merge it into the base. Light: no torch until it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def merge(options: Any, adapter: Path, to: Path) -> str | None:
    """See `trainables.lora.merge.merge_adapter`; the base is `options.model`."""
    from trainables.lora.merge import merge_adapter

    return merge_adapter(options.model, adapter, to)
