"""An adapter in llama.cpp's format, by llama.cpp's own converter."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tightrope.export.refused import ExportRefusedError

CONVERTER = "convert_lora_to_gguf.py"
FILE = "adapter.gguf"


def find_converter(given: str | None) -> Path:
    """The converter.

    Args:
        given: Its path, or that of llama.cpp's folder; None looks for it on PATH.

    Raises:
        ExportRefusedError: It is not there.
    """
    if given is None:
        on_path = shutil.which(CONVERTER)
        if on_path is not None:
            return Path(on_path)
        raise ExportRefusedError(
            f"{CONVERTER} of llama.cpp is not on PATH.", hint="Name it: gguf=path/to/llama.cpp."
        )
    path = _converter_at(given)
    if not path.is_file():
        raise ExportRefusedError(
            f"There is no {path}.", hint="Name llama.cpp's folder: gguf=path/to/llama.cpp."
        )
    return path


def is_converter(given: str) -> bool:
    """Whether a path is that of the converter, or of llama.cpp's folder."""
    path = _converter_at(given)
    return path.name == CONVERTER and path.is_file()


def _converter_at(given: str) -> Path:
    path = Path(given).expanduser()
    return path / CONVERTER if path.is_dir() else path


def convert(converter: Path, adapter: Path, base: Path) -> None:
    """Writes `adapter.gguf` into the adapter's folder.

    Args:
        converter: As `find_converter` gives it.
        adapter: Folder in PEFT format.
        base: Folder with the base's configuration.

    Raises:
        ExportRefusedError: The converter failed.
    """
    command = [sys.executable, converter, "--base", base, "--outfile", adapter / FILE, adapter]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode == 0 and (adapter / FILE).is_file():
        return
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    raise ExportRefusedError(
        f"{CONVERTER} failed: {lines[-1].strip() if lines else f'exit code {done.returncode}'}",
        hint="It needs llama.cpp's Python packages, and does not know every model.",
    )
