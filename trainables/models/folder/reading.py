"""Reading the small files of a model's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.errors import UserError

FETCH_AGAIN = "Fetch the model again, or give another one."


def damaged(path: Path, what: str, hint: str = FETCH_AGAIN) -> UserError:
    """The error that names a file and what is wrong with it."""
    return UserError(f"{path}: {what}.", hint=hint)


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        UserError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise damaged(path, f"it cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise damaged(path, "it is not UTF-8") from error


def read_object(path: Path) -> Mapping[str, Any]:
    """A file's JSON object.

    Raises:
        UserError: It cannot be read, or is no JSON object.
    """
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise damaged(path, "it is not JSON") from error
    if not isinstance(content, dict):
        raise damaged(path, "it is not a JSON object")
    return content


def optional_object(path: Path) -> Mapping[str, Any]:
    """As `read_object`; empty where there is no such file."""
    return read_object(path) if path.is_file() else {}


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a config.json the settings of the language model: multimodal models nest them."""
    nested = config.get("text_config")
    return nested if isinstance(nested, dict) else config
