"""Other tools' names for what has a name here.

From W&B sweeps, Optuna, Ray Tune, Hydra's sweepers, Ax, Hyperopt and Keras Tuner for searches; from
transformers, PEFT and TRL for training.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

KEYS: Mapping[str, str] = {
    **dict.fromkeys(("min", "minimum", "min_value", "lower", "lower_bound", "start", "from"), "low"),
    **dict.fromkeys(("max", "maximum", "max_value", "upper", "upper_bound", "stop", "end", "to"), "high"),
    **dict.fromkeys(("bounds", "range", "interval"), "low"),
    **dict.fromkeys(("values", "options", "categories", "categorical", "choice", "grid_search"), "choices"),
    **dict.fromkeys(("distribution", "dist", "_type", "kind", "sampling", "prior", "value_type"), "type"),
    **dict.fromkeys(("log", "log_scale", "is_log", "logarithmic"), "type"),
    **dict.fromkeys(("q", "quantization", "step_size"), "step"),
    **dict.fromkeys(("num", "n_points", "grid_points"), "points"),
    **dict.fromkeys(("condition", "conditions", "depends_on"), "when"),
}
"""Keys of a parameter, and the key that is meant."""

_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("uniform", "real", "double", "continuous", "interval", "range", "number"), "float"),
    **dict.fromkeys(("loguniform", "log", "logfloat", "loguniformvalues", "reallog", "logreal"), "log-float"),
    **dict.fromkeys(("qloguniform", "qloguniformvalues", "reverseloguniform", "loginterval"), "log-float"),
    **dict.fromkeys(("integer", "intuniform", "randint", "qrandint", "discrete", "uniformint"), "int"),
    **dict.fromkeys(("quniform", "quniformvalues", "discreteuniform", "int", "whole"), "int"),
    **dict.fromkeys(("choice", "choices", "category", "enum", "values", "grid", "gridsearch"), "categorical"),
    **dict.fromkeys(("ordinal", "bool", "boolean", "list", "options"), "categorical"),
    **dict.fromkeys(("samplefrom", "function", "lambda", "derived", "formula"), "expression"),
}
"""Kinds of parameters, without what stands between their words, and the type that is meant."""

_CONSTANTS = ("constant", "fixed", "const")
_NORMAL = ("normal", "lognormal", "qnormal", "qlognormal", "randn", "qrandn", "gaussian")

SETTINGS: Mapping[str, str] = {
    **dict.fromkeys(("n_trials", "num_samples", "run_cap", "max_trials", "max_evals"), "trials"),
    **dict.fromkeys(("sampler", "method", "search_alg", "algorithm", "tuner", "strategy"), "searcher"),
    **dict.fromkeys(("pruner", "early_terminate", "early_stopping", "stopper"), "scheduler"),
    **dict.fromkeys(("metric", "metrics", "direction", "directions", "goal"), "objectives"),
    **dict.fromkeys(("timeout", "time_budget_s", "max_time", "time_budget"), "limits.hours"),
    **dict.fromkeys(("study_name", "experiment_name", "run_name"), "name"),
    **dict.fromkeys(("storage", "storage_path", "output_dir", "output"), "out"),
    **dict.fromkeys(("n_jobs", "max_concurrent_trials", "max_concurrent"), "workers.groups"),
    **dict.fromkeys(("max_steps", "max_t", "num_steps"), "budget.steps"),
    **dict.fromkeys(("reduction_factor",), "budget.eta"),
    **dict.fromkeys(("search_space", "param_space", "space_config", "params"), "parameters"),
    **dict.fromkeys(("base_model", "model_name_or_path", "model_id", "model_name"), "model"),
    **dict.fromkeys(("dataset", "dataset_name", "train_file", "data", "train_data"), "task"),
    **dict.fromkeys(("max_seq_length", "max_seq_len", "seq_len", "cutoff_len"), "task.max_length"),
    **dict.fromkeys(("tracking_uri", "mlflow_tracking_uri"), "tracking.uri"),
    **dict.fromkeys(("random_seed", "random_state"), "seed"),
}
"""Keys of a configuration, and the key that is meant."""

TRAINED: Mapping[str, str] = {
    **dict.fromkeys(("learning_rate", "learningrate"), "lr"),
    **dict.fromkeys(("r", "lora_r", "lora_rank", "lora_dim"), "rank"),
    **dict.fromkeys(("lora_alpha",), "alpha"),
    **dict.fromkeys(("lora_dropout",), "dropout"),
    **dict.fromkeys(("use_rslora",), "rslora"),
    **dict.fromkeys(("dora", "peft_use_dora"), "use_dora"),
    **dict.fromkeys(("lora_plus_ratio", "lora_plus_lr_ratio", "lora_plus"), "loraplus_lr_ratio"),
    **dict.fromkeys(("lora_target_modules", "modules", "targets"), "target_modules"),
    **dict.fromkeys(("layers_to_transform", "num_layers"), "layers"),
    **dict.fromkeys(("per_device_train_batch_size", "train_batch_size", "batchsize", "bs"), "batch_size"),
    **dict.fromkeys(("max_grad_norm", "gradient_clipping", "grad_clip"), "clip"),
    **dict.fromkeys(("warmup_ratio", "warmup_steps", "num_warmup_steps"), "warmup"),
    **dict.fromkeys(("lr_scheduler_type", "lr_scheduler", "lr_schedule"), "schedule"),
    **dict.fromkeys(("wd", "l2"), "weight_decay"),
}
"""Parameters of a trainable, and the one that is meant."""

_OTHERS = ("mu", "sigma", "mean", "std", "probabilities", "weights", "default", "value", "step")
_LOG = ("log", "log_scale", "is_log", "logarithmic")
_CALL = re.compile(r"(?:[\w.]*\.)?(\w+)\((.*)\)\s*")
_PREFIXES = ("suggest", "hp", "tune", "optuna")


def is_foreign(key: str) -> bool:
    """Whether an unknown key of a parameter belongs to another tool."""
    return key.lower() in KEYS or key.lower() in _OTHERS


def meant_parameter(name: str, data: Any) -> str | None:
    """What to write in place of a parameter in another tool's notation; None where it is not in one.

    Args:
        name: The parameter.
        data: What is given for it, as plain data.
    """
    if isinstance(data, str) and (call := _CALL.fullmatch(data)) is not None:
        data = _from_call(call[1], call[2])
    if isinstance(data, list):
        return _choices_hint(data)
    if not isinstance(data, Mapping):
        return f"to fix it write fixed.{name}={_shown(data)}" if not isinstance(data, str) else None
    return _meant(name, {str(key).lower(): value for key, value in data.items()})


def _meant(name: str, data: Mapping[str, Any]) -> str | None:
    kind = next((_plain(data[key]) for key in _names_for("type") if isinstance(data.get(key), str)), "")
    if kind in _NORMAL or "sigma" in data:
        return f"normal distributions are not supported: write {_range('float or log-float', data)}"
    if kind in _CONSTANTS or ("value" in data and kind != "expression"):
        value = data.get("value")
        return f"to fix it write fixed.{name}={'VALUE' if value is None else _shown(value)}"
    if "default" in data:
        return f"points: [{{{name}: {_shown(data['default'])}}}] is tried first; remove it here"
    if data.keys() & {"probabilities", "weights"}:
        return "all choices are equally likely at first; remove it"
    choices = next((data[key] for key in _names_for("choices") if key in data), None)
    if isinstance(choices, list):
        return _choices_hint(choices)
    meant = _KINDS.get(kind, kind if kind in ("float", "int", "categorical", "expression") else "")
    log = any(data.get(key) is True for key in _LOG)
    if any(data.get(key) is False for key in _LOG):
        return "remove it: type: float is not logarithmic"
    low, high = _ends(data)
    if meant == "int" and log:
        return f"write {{type: categorical, choices: [{_shown(low)}, ..., {_shown(high)}]}}"
    if log:
        meant = "log-float"
    if not meant and low is not None and high is not None:
        meant = "int" if isinstance(low, int) and isinstance(high, int) else "float"
    if meant in ("float", "log-float", "int"):
        if meant != "int" and data.keys() & {"q", "step", "quantization", "step_size"}:
            return f"only type: int has steps: write {_range(meant, data)}, or list the values as choices"
        return f"write {_range(meant, data)}"
    if meant == "categorical":
        return "write {type: categorical, choices: [...]}"
    return "write {type: expression, value: '2 * rank'} or the like" if meant == "expression" else None


def _names_for(key: str) -> list[str]:
    """Other tools' names for a key, then ours: a word of the command line may override a space file's key."""
    return [*(foreign for foreign, ours in KEYS.items() if ours == key), key]


def _plain(kind: str) -> str:
    """`tune.loguniform`, `LogUniform` and `log_uniform` alike: `loguniform`."""
    word = re.sub(r"[\W_]", "", kind.rpartition(".")[2].lower())
    prefix = next((prefix for prefix in _PREFIXES if word.startswith(prefix)), "")
    return word.removeprefix(prefix) or word


def _ends(data: Mapping[str, Any]) -> tuple[Any, Any]:
    for key in ("bounds", "range", "interval"):
        if isinstance(ends := data.get(key), list) and len(ends) == 2:
            return ends[0], ends[1]
    low, high = (next((data[key] for key in _names_for(end) if key in data), None) for end in ("low", "high"))
    return low, high


def _range(kind: str, data: Mapping[str, Any]) -> str:
    low, high = _ends(data)
    step = next((data[key] for key in _names_for("step") if key in data), None)
    steps = f", step: {_shown(step)}" if kind == "int" and step is not None else ""
    return f"{{type: {kind}, low: {_shown(low)}, high: {_shown(high)}{steps}}}"


def _choices_hint(choices: list[Any]) -> str:
    return f"write {{type: categorical, choices: {_shown(choices)}}}"


def _shown(value: Any) -> str:
    """A value as YAML on one line; `...` where it is not known."""
    if value is None:
        return "..."
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_shown(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from_call(name: str, arguments: str) -> dict[str, Any]:
    """`loguniform(1e-5, 1e-2)` as keys; Hydra writes `tag(log, interval(1e-5, 1e-2))`."""
    if name == "tag" and (inner := _CALL.fullmatch(arguments.partition(",")[2].strip())) is not None:
        return _from_call(inner[1], inner[2]) | {"log": arguments.lstrip().startswith("log")}
    words = [word.strip() for word in arguments.strip("[] ").split(",") if word.strip()]
    values = [word.partition("=")[2] or word for word in words if word not in ("log=True", "log=true")]
    data: dict[str, Any] = {"type": name}
    if _KINDS.get(_plain(name)) == "categorical":
        return data | {"choices": values}
    if len(values) < len(words):
        data["log"] = True
    return data | dict(zip(("low", "high"), values, strict=False))
