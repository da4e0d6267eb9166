"""Everything that can be found wrong with a model's folder before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.errors import UserError
from trainables.models.folder.architectures import (
    causal_models,
    is_known,
    supports_checkpointing,
    supports_sdpa,
    transformers_version,
)
from trainables.models.folder.reading import (
    damaged,
    optional_object,
    read_object,
    text_part,
)
from trainables.models.folder.tokenizer import SETTINGS, check_tokenizer
from trainables.models.folder.weights import Shapes, embedding_rows, named_files, read_shapes

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
# transformers continues without them if they cannot be read.
_MORE_JSON = ("generation_config.json", "special_tokens_map.json", "added_tokens.json")
_TRUST = "model.trust_remote_code=true model.revision=<commit>"
_CAUSAL = "Give a causal language model, such as llama, qwen3 or gemma3."
_LLAMA_LIKE = frozenset(
    {"llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3", "granite", "olmo2"}
)
_MOST_LAYERS = 10_000
_BLOCK = "model.layers."
_PROJECTIONS = (*(f"self_attn.{name}" for name in "qkvo"), "mlp.gate", "mlp.up", "mlp.down")
# Their attention sees what comes after, unless they are configured as decoders.
_LOOKING_AHEAD = frozenset(
    {"bert", "bert-generation", "big_bird", "camembert", "data2vec-text", "electra", "ernie", "megatron-bert"}
    | {"rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "xlm", "xlm-roberta"}
    | {"xlm-roberta-xl", "xmod", "xlnet", "cpmant"}
)


_PREDICTING = ("CausalLM", "LMHead", "ConditionalGeneration", "Decoder")
"""What the names of classes that predict text contain."""
_DEQUANTISED = ("mxfp4", "gguf")
_REQUANTISING = ("rwkv",)
"""Types whose code scales weights as it runs, and brings quantised ones into another format."""


def check_folder(
    folder: Path, *, code: bool = False, weights: bool = True, hub_id: str = "", quantise: bool = False
) -> None:
    """Refuses a model that is damaged, of a kind that is not trained, or would have code or a pickle run.

    Args:
        folder: Model folder in Hugging Face format.
        code: Whether the model's own code is trusted.
        weights: Whether the weights must be there; else only their names are looked at.
        hub_id: Of a hub model's snapshot.
        quantise: Whether its weights are to be quantised.

    Raises:
        UserError: Names the file, and what to do.
    """
    config = check_description(folder, code=code, hub_id=hub_id, quantise=quantise)
    if (folder / ADAPTER).is_file():
        raise damaged(
            folder / ADAPTER,
            "there is an adapter beside the model, which would be loaded with it",
            "Move it elsewhere, or merge it (merge_and_unload) and save the merged model.",
        )
    if code:
        _check_code(folder / SETTINGS, hub_id)
    for name in _MORE_JSON:
        optional_object(folder / name)
    _check_ends(folder / "generation_config.json")
    rows = None
    if weights:
        shapes = read_shapes(folder, config)
        _check_blocks(folder, config, shapes)
        rows = embedding_rows(shapes)
        _check_rows(folder, config, rows)
    elif any(folder.glob("*.safetensors*")) or "transformers_weights" in config:
        named_files(folder, config)
    check_tokenizer(folder, rows)


def check_description(
    folder: Path, *, code: bool = False, hub_id: str = "", quantise: bool = False
) -> Mapping[str, Any]:
    """The same of config.json alone, which it returns.

    Raises:
        UserError: Likewise.
    """
    if not (folder / CONFIG).is_file():
        raise _no_model(folder)
    config = read_object(folder / CONFIG)
    if code:
        _check_code(folder / CONFIG, hub_id)
    _check_kind(folder, config, code)
    _check_quantisation(folder / CONFIG, config, quantise)
    return config


def has_weights(folder: Path) -> bool:
    """Whether all files of weights are there that the folder names."""
    try:
        return all((folder / name).is_file() for name in named_files(folder, read_object(folder / CONFIG)))
    except UserError:
        return False


def takes_sdpa(folder: Path) -> bool | None:
    """Whether the model's class takes torch's scaled dot-product attention; None where it is not known."""
    try:
        return supports_sdpa(str(read_object(folder / CONFIG).get("model_type")))
    except UserError:
        return None


def takes_checkpointing(folder: Path) -> bool | None:
    """Whether the model's class can compute its blocks again; None where it is not known."""
    try:
        return supports_checkpointing(str(read_object(folder / CONFIG).get("model_type")))
    except UserError:
        return None


def _no_model(folder: Path) -> UserError:
    if (folder / ADAPTER).is_file():
        base = optional_object(folder / ADAPTER).get("base_model_name_or_path")
        return UserError(
            f"{folder} is an adapter, not a model: it has {ADAPTER} but no {CONFIG}.",
            hint=f"Give the model that it was trained on ({base}), or merge the two (merge_and_unload) and "
            "save the result.",
        )
    return UserError(
        f"{folder} is not a model's folder: it has no {CONFIG}.",
        hint="Give a folder written by save_pretrained, with config.json, weights as safetensors and the "
        "tokenizer.",
    )


def _check_code(path: Path, hub_id: str) -> None:
    """Code that a pinned revision does not pin: of another repository, which moves on by itself."""
    named = optional_object(path).get("auto_map")
    entries = named.values() if isinstance(named, dict) else ()
    for entry in entries:
        for name in entry if isinstance(entry, list) else [entry]:
            if isinstance(name, str) and "--" in name and name.split("--")[0] != hub_id:
                raise damaged(
                    path,
                    f"its auto_map names code of another repository ({name}), which model.revision does not "
                    "pin",
                    "Put the code into the model's folder, and remove the part before -- from auto_map.",
                )


def _check_kind(folder: Path, config: Mapping[str, Any], code: bool) -> None:
    """The model is a causal language model that transformers knows."""
    path = folder / CONFIG
    kind = config.get("model_type")
    auto_map = config.get("auto_map")
    if code and isinstance(auto_map, dict) and "AutoModelForCausalLM" in auto_map:
        return
    if not isinstance(kind, str):
        raise damaged(path, "it does not name the type of the model (model_type)")
    known = causal_models()
    looks_ahead = kind in _LOOKING_AHEAD and config.get("is_decoder") is not True
    if looks_ahead or config.get("is_encoder_decoder") is True:
        raise damaged(
            path,
            f"a model of type {kind} does not generate text from left to right, so it cannot be trained",
            _CAUSAL,
        )
    if kind in known or not known:
        _check_class(path, config)
        return
    version = transformers_version()
    if isinstance(config.get("text_config"), dict):
        raise damaged(
            path,
            f"the text part of a multimodal model of type {kind} cannot be loaded by transformers {version}",
            (
                "Give a text-only model of the family; the supported multimodal types are gemma3, gemma4, "
                "llama4 and qwen3_5."
            ),
        )
    if is_known(kind):
        raise damaged(path, f"a model of type {kind} is not a causal language model", _CAUSAL)
    where = "or check model_type"
    if isinstance(auto_map, dict):
        where = f"or, because the model has its own code: {_TRUST}"
    raise damaged(
        path,
        f"transformers {version} does not support models of type {kind!r}",
        f"A newer version may: pip install -U transformers; {where}.",
    )


def _check_class(path: Path, config: Mapping[str, Any]) -> None:
    """The weights were saved by a class that predicts text: others load as one, if embeddings are tied."""
    classes = config.get("architectures")
    named = [name for name in classes if isinstance(name, str)] if isinstance(classes, list) else []
    if named and not any(predicts in name for name in named for predicts in _PREDICTING):
        raise damaged(
            path,
            f"the weights are those of a {', '.join(named)}, which does not predict text",
            f"{_CAUSAL} If this model is one, name its class in architectures.",
        )


def _check_quantisation(path: Path, config: Mapping[str, Any], quantise: bool) -> None:
    """Models are given in full precision, which transformers makes of some on its own."""
    if quantise and (kind := config.get("model_type")) in _REQUANTISING:
        raise damaged(
            path,
            f"models of type {kind} cannot be quantised: their code changes weights while it runs",
            "Remove model.quantization.",
        )
    quantisation = text_part(config).get("quantization_config") or config.get("quantization_config")
    if not quantisation:
        return
    method = quantisation.get("quant_method") if isinstance(quantisation, dict) else None
    kind = str(method or "of an unknown kind")[:40]
    if quantise:
        raise damaged(
            path,
            f"the weights are quantised already ({kind}), so model.quantization cannot quantise them",
            "Give the original model in full precision (bfloat16 or float32), or remove model.quantization.",
        )
    if method not in _DEQUANTISED:
        raise damaged(
            path,
            f"the weights are quantised ({kind}), which is not supported",
            "Give the original model in full precision (bfloat16 or float32).",
        )


def _check_ends(path: Path) -> None:
    """Tokens that end a reply are tokens."""
    ends = optional_object(path).get("eos_token_id")
    if ends is not None and not all(type(end) is int for end in (ends if isinstance(ends, list) else [ends])):
        raise damaged(path, f"its eos_token_id is neither the id of a token nor a list of ids: {ends!r}")


def _check_blocks(folder: Path, config: Mapping[str, Any], shapes: Shapes) -> None:
    """Of the commonest architectures no projection is missing; of others that is seen in loading."""
    layers = config.get("num_hidden_layers")
    known = config.get("model_type") in _LLAMA_LIKE and "quantization_config" not in config
    if not known or type(layers) is not int or not any(name.startswith(_BLOCK) for name in shapes):
        return
    blocks = range(min(layers, _MOST_LAYERS))
    names = (f"{_BLOCK}{block}.{name}_proj.weight" for block in blocks for name in _PROJECTIONS)
    if missing := [name for name in names if name not in shapes]:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise damaged(folder, f"the files lack the weight {missing[0]}{more}, which would be random")


def _check_rows(folder: Path, config: Mapping[str, Any], rows: int | None) -> None:
    size = text_part(config).get("vocab_size")
    # More rows are no fault: some families have tokens of images beyond those of text.
    if rows is not None and isinstance(size, int) and size > rows:
        raise damaged(
            folder / CONFIG, f"it declares a vocabulary of {size:,} tokens, but the weights have {rows:,}"
        )
