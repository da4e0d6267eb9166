"""The chat template of a model's folder: where it lies, and whether it renders a question at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.models.folder.reading import damaged, optional_object, read_text

_PROGRAM = Path(__file__).with_name("render.py")  # its import takes longer than what it does
_QUESTION = "Who keeps the light"
_PATIENCE = 60.0  # seconds, for a machine on which the program hardly gets to compute
_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
_HINT = "Correct the template, or remove it: without a template, questions are used as they are."


def special_token(settings: Mapping[str, Any], name: str) -> str | None:
    """The text of a special token in a tokenizer_config.json."""
    token = settings.get(name)
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def find_template(folder: Path, settings: Mapping[str, Any]) -> tuple[Path, str] | None:
    """The template that the tokenizer takes, and the file that it is in; None where there is none.

    Args:
        folder: Model folder.
        settings: Its tokenizer_config.json.

    Raises:
        UserError: A file is damaged.
    """
    for name in ("chat_template.jinja", "chat_template.json"):
        if (folder / name).is_file():
            path = folder / name
            if path.suffix == ".jinja":
                return path, read_text(path)
            settings = optional_object(path)
            break
    else:
        path = folder / "tokenizer_config.json"
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    if template is None:
        return None
    if not isinstance(template, str):
        raise damaged(path, "its chat_template is not text", _HINT)
    return path, template


def check_template(folder: Path, settings: Mapping[str, Any]) -> None:
    """Renders one question.

    Args:
        folder: Model folder.
        settings: Its tokenizer_config.json.

    Raises:
        UserError: The template is none, raises, takes seconds, or leaves the question out.
    """
    if (place := find_template(folder, settings)) is None:
        return
    path, template = place
    # Classes of tokenizers have tokens that their files do not give.
    special = {name: special_token(settings, name) or "" for name in _SPECIAL}
    variables = {
        "messages": [{"role": "user", "content": _QUESTION}],
        "add_generation_prompt": True,
        "tools": None,
        "documents": None,
    }
    asked = json.dumps({"template": template, "variables": special | variables})
    command = [sys.executable, "-P", str(_PROGRAM)]
    try:
        done = subprocess.run(
            command, input=asked, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise damaged(path, "the chat template does not terminate", _HINT) from None
    if done.returncode == -signal.SIGVTALRM:
        raise damaged(path, "the chat template does not terminate", _HINT)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it was killed"])[0]
        raise damaged(path, f"the chat template cannot be rendered for one question ({said[:200]})", _HINT)
    if _QUESTION not in done.stdout:
        raise damaged(path, "the chat template leaves out the text of a message", _HINT)
