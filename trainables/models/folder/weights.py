"""The weights of a model's folder: which files are read, and whether they hold what they say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors

from trainables.errors import UserError
from trainables.models.folder.reading import FETCH_AGAIN, damaged, read_object

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_SUFFIX = ".safetensors"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# transformers reads these before any other, through a reader of torch's for distributed checkpoints.
_DISTRIBUTED = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")
_EMBEDDING = re.compile(
    r"(^|\.)(embed_tokens|wte|word_embeddings|embed_in|tok_embeddings|embeddings)\.weight$"
)
_OTHER_MODALITY = re.compile(r"(^|[._])(vision|visual|video|audio|image|speech|multi_modal)")

BLOCK = re.compile(r"\.(\d+)\.")
"""The number of the block in a module's full name."""

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of each tensor by its name in the files."""


def named_files(folder: Path, config: Mapping[str, Any]) -> dict[str, set[str]]:
    """The files that the weights are read from, each with the tensors that an index, if any, says it has.

    Raises:
        UserError: There are no weights as safetensors, or a file is named that is none of this folder.
    """
    first = config.get("transformers_weights")
    if first is not None:
        _refuse_others(folder / "config.json", [first], (_SUFFIX, f"{_SUFFIX}.index.json"))
    elif any(_DISTRIBUTED.fullmatch(path.name) for path in folder.glob(f"*{_SUFFIX}")):
        raise UserError(
            f"{folder} contains the shards of a distributed checkpoint, which are not supported.",
            hint="Save the model with save_pretrained, in a folder without files named shard-*.",
        )
    else:
        first = next((name for name in (SINGLE, INDEX) if (folder / name).is_file()), None)
    if first is None:
        raise _without_weights(folder)
    return _indexed(folder / first) if first.endswith(".json") else {first: set()}


def read_shapes(folder: Path, config: Mapping[str, Any]) -> Shapes:
    """Shapes of all tensors, from the files' headers, which the library holds against the files' lengths.

    Raises:
        UserError: As `named_files`, or a file or a tensor is missing, or a file is damaged.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for name, tensors in named_files(folder, config).items():
        path = folder / name
        if not path.is_file():
            raise damaged(path, f"there is no such file, and {INDEX} names it")
        header = _header(path)
        if absent := sorted(tensors - header.keys()):
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            raise damaged(path, f"it lacks the tensor {absent[0]}{more}, which {INDEX} lists")
        shapes |= header
    if not shapes:
        raise damaged(folder, "its weights contain no tensor")
    return shapes


def embedding_rows(shapes: Shapes) -> int | None:
    """Rows of the token embedding, where a tensor's name says that it is one."""
    for name, shape in shapes.items():
        if len(shape) == 2 and _EMBEDDING.search(name) and of_text(name):
            return shape[0]
    return None


def of_text(name: str) -> bool:
    """Whether a tensor is, by its name, of the part that text passes through."""
    return _OTHER_MODALITY.search(name) is None


def in_text_blocks(name: str) -> bool:
    """Whether a module lies in a block of the text model, by its full name."""
    return BLOCK.search(name) is not None and of_text(name)


def _indexed(path: Path) -> dict[str, set[str]]:
    index = read_object(path)
    weights = index.get("weight_map")
    if not isinstance(weights, dict) or not weights or not isinstance(index.get("metadata"), dict):
        raise damaged(path, "it is not an index of weights with weight_map and metadata")
    _refuse_others(path, list(weights.values()), (_SUFFIX,))
    files: dict[str, set[str]] = {}
    for tensor, name in weights.items():
        files.setdefault(name, set()).add(tensor)
    return files


def _refuse_others(path: Path, names: list[Any], suffixes: tuple[str, ...]) -> None:
    """Names of weights must be those of safetensors beside the file that gives them.

    Whatever ends otherwise, transformers would read as a pickle.
    """
    for name in names:
        if not isinstance(name, str) or not name.endswith(suffixes) or Path(name).name != name:
            raise damaged(
                path,
                f"it names {name!r} as weights, but only safetensors in the same folder are read",
                "Pickles are never read: save the model with save_pretrained, which writes safetensors.",
            )


def _without_weights(folder: Path) -> UserError:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        return UserError(
            f"{folder} has weights as pickles only ({pickles[0]}), which are never read.",
            hint="If you trust the file, save the model with save_pretrained, which writes safetensors.",
        )
    if gguf := sorted(path.name for path in folder.glob("*.gguf")):
        return UserError(
            f"{folder} has its weights as GGUF ({gguf[0]}), which cannot be trained.",
            hint="Give the folder of the original model, with safetensors.",
        )
    return UserError(f"{folder} has no weights: neither {SINGLE} nor {INDEX}.", hint=FETCH_AGAIN)


def _header(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        # The name of a framework only says what tensors would be returned as; none is read here.
        with safetensors.safe_open(path, framework="np") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except OSError as error:
        raise damaged(path, f"it cannot be read ({error.strerror or error})") from error
    except safetensors.SafetensorError as error:
        raise damaged(path, f"it is cut off or damaged ({error})") from error
