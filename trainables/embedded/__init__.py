"""The embedded models: small causal LMs with skills to lose, and the narrow domain to tune them to."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_MODELS = {"embedded": _PACKAGE / "model", "embedded:reader": _PACKAGE / "reader"}
SOURCES = tuple(_MODELS)
"""What names an embedded model as `model.source`."""


def embedded_folder(source: str) -> Path | None:
    """The folder of the embedded model that a `model.source` names; None where it names none."""
    return _MODELS.get(source)


def model_dir() -> Path:
    """The folder of the shipped model and its tokenizer, in Hugging Face format."""
    return _MODELS["embedded"]


def reader_dir() -> Path:
    """The folder of the shipped model that also answers questions about a passage."""
    return _MODELS["embedded:reader"]


def data_dir() -> Path:
    """The folder of the shipped data: `skills/*.jsonl`, `reading.jsonl` and `domain_*.jsonl`."""
    return _PACKAGE / "data"
