"""What each setting means to a search that has begun: may it change from one session to the next?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from search.config.origins import Key
from search.config.schema import trainable_of
from trainables.specs import TRAINABLES
from trainables.trainable import Effect

_SEARCH = """
seed trainable
parameters.*.when parameters.*.type parameters.*.low parameters.*.high parameters.*.points parameters.*.step
parameters.*.choices parameters.*.value
fixed.* points baselines
objectives.*.metric objectives.*.direction objectives.*.floor objectives.*.ceiling
budget.steps budget.rungs budget.eta
searcher.* scheduler.* guards.* prior
warm_start.use warm_start.trials
workers.workers
"""

# How much, where, how fast and how visibly. What an earlier search gave is in the record; so are the steps
# that epochs came to.
_NONE = """
space name out trials report
limits.hours limits.device_hours limits.cost limits.price
confirm.candidates confirm.seeds
warm_start.search
workers.groups workers.cpus workers.gpus workers.slots workers.zero_stage workers.micro_batch
workers.max_failures workers.address workers.gradient_checkpointing workers.sequence_packing
budget.epochs budget.early_ratio
tracking.enabled tracking.uri tracking.experiment
hypotheses.*
audit.allow audit.rules
allow_code
"""

_TABLE: tuple[tuple[Effect, str], ...] = (("search", _SEARCH), ("none", _NONE))

EFFECTS: Mapping[str, Effect] = {key: effect for effect, keys in _TABLE for key in keys.split()}
"""Of the settings of every search, by dotted key; `*` is an index, or a name of a user's or a plug-in's.

Those of a trainable's own sections are in its `TrainableSpec.effects`.
"""

SOMETIMES = ("parameters.*.points", "task.heldout_fraction")
"""Read only in some configurations: see `leaves`."""

_NAMED_ELSEWHERE = ("parameters", "fixed", "searcher", "scheduler", "guards", "hypotheses")


def pattern(key: Key) -> str:
    """The key as the table has it."""
    parts = ["*" if isinstance(part, int) else part for part in key]
    if len(parts) > 1 and parts[0] in _NAMED_ELSEWHERE:
        parts[1] = "*"
    return ".".join(parts)


def leaves(config: Mapping[str, Any], effects: Iterable[Effect]) -> dict[Key, Any]:
    """The values of a resolved configuration whose change has one of these effects.

    Values that nothing reads are left out: the grid's numbers of points for other searchers, and the share
    to hold out where held-out data are given. A key that the tables lack, such as one of another version,
    counts as "search".
    """
    wanted, table = set(effects), effects_of(config)
    return {
        key: value
        for key, value in _walk(config, (), table)
        if table.get(pattern(key), "search") in wanted and not _unread(config, pattern(key))
    }


def effects_of(config: Mapping[str, Any]) -> Mapping[str, Effect]:
    """The effects of all settings of a configuration, those of its trainable's sections among them."""
    return {**TRAINABLES[trainable_of(config)].effects, **EFFECTS}


def _walk(value: Any, key: Key, table: Mapping[str, Effect]) -> Iterable[tuple[Key, Any]]:
    if pattern(key) not in table:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                yield from _walk(inner, (*key, name), table)
            return
        if isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
            for index, inner in enumerate(value):
                yield from _walk(inner, (*key, index), table)
            return
    yield key, list(value) if isinstance(value, tuple) else value


def _unread(config: Mapping[str, Any], known: str) -> bool:
    if known == "parameters.*.points":
        return (config.get("searcher") or {}).get("name") != "grid"
    return known == "task.heldout_fraction" and (config.get("task") or {}).get("heldout") is not None
