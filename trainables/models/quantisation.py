"""What a quantised model needs. Light: no torch."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trainables.errors import UserError


@contextmanager
def without_bitsandbytes() -> Iterator[None]:
    """Has PEFT, if it is imported in here, take bitsandbytes for not installed until `with_bitsandbytes`.

    Wherever it is installed PEFT imports it, and with it torch's compiler: a quarter of a worker's start-up.
    """
    if "bitsandbytes" in sys.modules:
        yield
        return
    sys.modules["bitsandbytes"] = None  # type: ignore[assignment]
    try:
        yield
        for asked in _answers_of_peft():
            asked()  # PEFT keeps the answer
    finally:
        del sys.modules["bitsandbytes"]


def with_bitsandbytes() -> None:
    """Has PEFT look for bitsandbytes again."""
    for asked in _answers_of_peft():
        asked.cache_clear()


def _answers_of_peft() -> list[Any]:
    peft = sys.modules.get("peft.import_utils")
    return [] if peft is None else [peft.is_bnb_available, peft.is_bnb_4bit_available]


def require_bitsandbytes() -> None:
    """Checks that bitsandbytes can be imported; nothing is.

    Raises:
        UserError: It is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            "model.quantization: nf4 needs the package bitsandbytes, which is not installed.",
            hint="pip install 'tightrope[quantized]'",
        )
