"""The embedded default model: a small causal LM with skills to lose, and the narrow domain to tune it to."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def model_dir() -> Path:
    """Return the folder of the shipped model and its tokenizer, in Hugging Face format."""
    return _PACKAGE / "model"


def data_dir() -> Path:
    """Return the folder of the shipped data: ``skills/*.jsonl`` and ``domain_*.jsonl``."""
    return _PACKAGE / "data"
