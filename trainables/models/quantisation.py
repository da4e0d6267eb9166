"""What a quantised model needs. Light: no torch."""

from __future__ import annotations

import importlib.util

from trainables.errors import UserError


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
