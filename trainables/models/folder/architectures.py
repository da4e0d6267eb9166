"""What the installed transformers can load, read off its sources: importing it takes seconds."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_CAUSAL = ("modeling_auto.py", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")
_MODULES = ("auto_mappings.py", "SPECIAL_MODEL_TYPE_TO_MODULE_NAME")
_ALL = ("auto_mappings.py", "CONFIG_MAPPING_NAMES")
_CLASS = re.compile(r"^class (\w+)\(([^)]*)\):", re.MULTILINE)


def transformers_version() -> str:
    """Of the installed package."""
    return importlib.metadata.version("transformers")


def causal_models() -> Mapping[str, str]:
    """The class of the causal language model of each model type; empty where it cannot be read off."""
    return _table(*_CAUSAL)


def is_known(model_type: str) -> bool:
    """Whether transformers knows the type, whatever it is."""
    return model_type in _table(*_ALL)


def supports_sdpa(model_type: str) -> bool | None:
    """Whether a type's causal model takes torch's scaled dot-product attention, if that can be read off."""
    return _flag(model_type, "_supports_sdpa")


def supports_checkpointing(model_type: str) -> bool | None:
    """Whether a type's causal model can compute its blocks again for gradients, if that can be read off."""
    return _flag(model_type, "supports_gradient_checkpointing")


def _flag(model_type: str, flag: str) -> bool | None:
    """A class's own attribute, or what it inherits; False by default."""
    name = causal_models().get(model_type)
    module = _table(*_MODULES).get(model_type, model_type.replace("-", "_"))
    root = _root()
    path = root / module / f"modeling_{module}.py" if root else None
    if name is None or path is None or not path.is_file():
        return None
    source = path.read_text(encoding="utf-8")
    heads = [*_CLASS.finditer(source)]
    ends = [head.start() for head in heads[1:]] + [len(source)]
    bodies = {head[1]: (head[2], source[head.end() : end]) for head, end in zip(heads, ends, strict=True)}
    assigned = re.compile(rf"^    {flag} = (True|False)$", re.MULTILINE)
    while name in bodies:
        bases, body = bodies[name]
        if said := assigned.search(body):
            return said[1] == "True"
        name = bases.split(",")[0].strip()
    return False if name == "PreTrainedModel" else None


@cache
def _table(file: str, name: str) -> Mapping[str, str]:
    """A table of texts that a module of transformers assigns as a literal."""
    root = _root()
    path = root / "auto" / file if root else None
    if path is None or not path.is_file():
        return {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call) or not node.value.args:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            pairs: list[tuple[str, str]] = ast.literal_eval(node.value.args[0])
            return dict(pairs)
    return {}


def _root() -> Path | None:
    """The folder of the library's models."""
    package = importlib.util.find_spec("transformers")
    places = package.submodule_search_locations if package else None
    return Path(places[0]) / "models" if places else None
