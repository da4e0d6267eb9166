"""What each setting means to a search that has begun: may it change from one session to the next?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from search.config.origins import Key

Effect: TypeAlias = Literal["search", "content", "none"]
"""What a change does: another search; nothing, as long as what is named has the same content; nothing."""

_SEARCH = """
seed trainable
model.trust_remote_code model.dtype
task.heldout_fraction task.heldout_examples task.format task.text_field task.prompt_field
task.completion_field task.prompt task.completion task.loss task.max_length
capability.skills.*.name capability.skills.*.scoring capability.skills.*.limit capability.skills.*.match
capability.skills.*.at capability.skills.*.metric capability.skills.*.chat
capability.max_new_tokens capability.general_examples capability.kl_prompts capability.leak_words
capability.think_section
parameters.*.when parameters.*.type parameters.*.low parameters.*.high parameters.*.points parameters.*.step
parameters.*.choices parameters.*.value
fixed.* points baselines
objectives.*.metric objectives.*.direction objectives.*.floor objectives.*.ceiling
budget.steps budget.rungs budget.eta
searcher.name searcher.startup searcher.stopped searcher.population searcher.sequence
scheduler.name scheduler.share scheduler.variant scheduler.brackets scheduler.spread
guards.spike guards.retention guards.degeneration
confirm.candidates confirm.seeds
warm_start.use warm_start.trials
workers.workers
"""

_CONTENT = """
model.source model.prepare model.revision
task.train task.heldout task.split task.subset
capability.skills.*.path capability.general_text
"""

# How much, where, how fast and how visibly. What an earlier search gave is in the record; so are the steps
# that epochs came to.
_NONE = """
space name out trials report
model.name model.attention task.name
capability.batch_size
limits.hours limits.device_hours limits.cost limits.price
warm_start.search
workers.groups workers.cpus workers.gpus workers.slots workers.zero_stage workers.micro_batch
workers.max_failures workers.address workers.gradient_checkpointing workers.sequence_packing
budget.epochs
tracking.enabled tracking.uri tracking.experiment
"""

_TABLE: tuple[tuple[Effect, str], ...] = (("search", _SEARCH), ("content", _CONTENT), ("none", _NONE))

EFFECTS: Mapping[str, Effect] = {key: effect for effect, keys in _TABLE for key in keys.split()}
"""By dotted key; `*` stands for an index, and for a name that the user gives."""

SOMETIMES = ("parameters.*.points", "task.heldout_fraction")
"""Read only in some configurations: see `leaves`."""

_NAMED_BY_USER = ("parameters", "fixed")


def pattern(key: Key) -> str:
    """The key as the table has it."""
    parts = ["*" if isinstance(part, int) else part for part in key]
    if len(parts) > 1 and parts[0] in _NAMED_BY_USER:
        parts[1] = "*"
    return ".".join(parts)


def leaves(config: Mapping[str, Any], effects: Iterable[Effect]) -> dict[Key, Any]:
    """The values of a resolved configuration whose change has one of these effects.

    Values that nothing reads are left out: the grid's numbers of points for other searchers, and the share
    to hold out where held-out data are given. A key that the table lacks, such as one of another version,
    counts as "search".
    """
    wanted = set(effects)
    return {
        key: value
        for key, value in _walk(config, ())
        if EFFECTS.get(pattern(key), "search") in wanted and not _unread(config, pattern(key))
    }


def _walk(value: Any, key: Key) -> Iterable[tuple[Key, Any]]:
    if pattern(key) not in EFFECTS:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                yield from _walk(inner, (*key, name))
            return
        if isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
            for index, inner in enumerate(value):
                yield from _walk(inner, (*key, index))
            return
    yield key, list(value) if isinstance(value, tuple) else value


def _unread(config: Mapping[str, Any], known: str) -> bool:
    if known == "parameters.*.points":
        return (config.get("searcher") or {}).get("name") != "grid"
    return known == "task.heldout_fraction" and (config.get("task") or {}).get("heldout") is not None
