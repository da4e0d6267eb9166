"""The model card of an exported trial, in the form of the Hugging Face hub; every number is the record's."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import yaml

from analysis.described import section_name, skills_of
from analysis.markdown import escape
from analysis.render import rest_of
from analysis.report.cards.verdict import plainly
from analysis.report.words import bracketed, number, with_interval
from search import wording
from search.redact import redact
from tightrope.export.base import Base
from tightrope.export.choice import Chosen
from tightrope.export.findings import VERDICTS, Finding, confirmed, findings
from tightrope.export.merged import parts_of
from trainables.data.sources import EMBEDDED, looks_local
from trainables.settings import HARNESS
from trainables.text import printable


def model_card(chosen: Chosen, base: Base | None, names: Collection[str], notes: Sequence[str] = ()) -> str:
    """The card, as Markdown with front matter.

    Args:
        chosen: The trial.
        base: Its base; None where the search has no model.
        names: Of the files of the exported folder.
        notes: What was done to the files, a sentence each.
    """
    measured = findings(chosen)
    parts = [
        _front_matter(chosen, base, names),
        _head(chosen, base, names, notes),
        _beside_base(chosen, measured),
        _certainty(chosen),
        _searched(chosen),
        _use(chosen, base, names),
        _limits(chosen, base),
        _made(chosen),
    ]
    return redact("\n\n".join("\n".join(part) for part in parts) + "\n")


def _front_matter(chosen: Chosen, base: Base | None, names: Collection[str]) -> Iterator[str]:
    tags = ["tightrope", "hyperparameter-search"]
    fields: dict[str, Any] = {}
    if base is not None:
        fields["base_model"] = printable(base.name)
        if base.revision is not None:
            fields["base_model_revision"] = printable(base.revision)
    if "adapter_config.json" in names:
        fields |= {"library_name": "peft", "base_model_relation": "adapter"}
        tags.insert(0, "lora" if "rank" in chosen.trial.params else "peft")
    elif "config.json" in names:
        fields |= {"library_name": "transformers", "base_model_relation": "finetune"}
    fields |= {"pipeline_tag": "text-generation", "tags": tags}
    yield "---"
    yield yaml.safe_dump(fields, sort_keys=False, allow_unicode=True).rstrip()
    yield "---"


def _head(chosen: Chosen, base: Base | None, names: Collection[str], notes: Sequence[str]) -> Iterator[str]:
    context, trial = chosen.context, chosen.trial
    search = context.summary["search"]
    yield f"# {escape(search['name'])}, trial {trial.number}"
    yield ""
    what = context.trainable.artifact
    text = f"This {escape(what)} comes from a search over {_plural(context.trials, 'trial')}"
    if base is not None:
        at = f" at revision {escape(base.revision)}" if base.revision else ""
        text += f" on the base model **{escape(base.name)}**{at} ({escape(base.kind)})"
    task = section_name(context.config, "task")
    yield f"{text}{'' if task is None else f', tuned to the task {escape(task)}'}."
    for warning in chosen.warnings:
        yield ""
        yield f"> **Warning:** {escape(warning)}"
    for note in notes:
        yield ""
        yield escape(note)
    yield from _parts(chosen, names)


def _parts(chosen: Chosen, names: Collection[str]) -> Iterator[str]:
    """What each folder of the exported one holds, with a warning where loading it does harm."""
    parts = parts_of(chosen) if "adapter_config.json" in names else {}
    held = {name: part for name, part in parts.items() if name == "." or name in names}
    if held.keys() <= {"."}:
        return
    for name, part in held.items():
        if part.harmful:
            yield ""
            yield f"> **Warning:** do not load `{name}/` unless you want what it does; see below."
    yield ""
    for name, part in held.items():
        load = f'PeftModel.from_pretrained(base, "."{"" if name == "." else f", subfolder={name!r}"})'
        yield f"- {'This folder itself' if name == '.' else f'`{name}/`'}: {escape(part.meaning)} `{load}`"


def _plural(items: Sequence[object], noun: str) -> str:
    return wording.plural(len(items), noun)


def _beside_base(chosen: Chosen, measured: Sequence[Finding]) -> Iterator[str]:
    yield "## What it keeps and what it breaks"
    yield ""
    if plain := plainly(chosen.context, chosen.trial):
        yield escape(plain)
        yield ""
    yield from _verdicts(measured)
    yield "| metric | base model | this trial | change | verdict |"
    yield "|---|---:|---:|---:|---|"
    for each in measured:
        cells = (
            each.metric,
            "1" if each.ratio and math.isnan(each.base) else with_interval(each.base, each.around_base),
            with_interval(each.value, each.around),
            _change(each),
            each.verdict,
        )
        yield f"| {' | '.join(map(escape, cells))} |"
    yield ""
    yield (
        "Brackets are 95% intervals over the n items of the evaluation. A change is paired item by item "
        "where the items were recorded, else computed as if the two evaluations shared none. Verdicts:"
    )
    yield ""
    given = {each.verdict for each in measured}
    yield from (f"- {verdict}: {meaning}." for verdict, meaning in VERDICTS.items() if verdict in given)
    if explained := [each for each in measured if each.meaning]:
        yield ""
        yield from (f"- {escape(each.metric)}: {escape(each.meaning)}" for each in explained)


def _verdicts(measured: Sequence[Finding]) -> Iterator[str]:
    for verdict, title in (
        ("worse", "Worse than the base model"),
        ("no clear difference", "No clear difference to the base model"),
        ("better", "Better than the base model"),
    ):
        names = [each.metric for each in measured if each.verdict == verdict]
        if names:
            yield f"- {title}: {', '.join(map(escape, names))}"
    yield ""


def _change(each: Finding) -> str:
    change = each.value - (1.0 if each.ratio and math.isnan(each.base) else each.base)
    if not math.isfinite(change):
        return "-"
    return bracketed(change, None if each.change is None else (each.change.low, each.change.high))


def _certainty(chosen: Chosen) -> Iterator[str]:
    context, summary = chosen.context, chosen.context.summary
    yield "## How sure the choice is"
    yield ""
    for held in chosen.constraints:
        yield f"- {escape(held['constraint'])}: **{held['word']}**{escape(rest_of(held))}"
    if chosen.constraints:
        yield ""
    if chosen.recommended:
        yield f"The search recommends this trial: {escape(summary['reason'])}"
    else:
        yield f"The search does not recommend this trial. What it says: {escape(summary['reason'])}"
    means = list(confirmed(chosen))
    if means:
        yield ""
        yield f"It was trained again {_times(means[0][2])} with new seeds; means over these repetitions:"
        yield ""
        yield "| metric | mean | 95% interval |"
        yield "|---|---:|---:|"
        for metric, mean, n in means:
            interval = wording.around(mean["low"], mean["high"], n)
            ends = "-" if interval is None else wording.bracket(interval)
            yield f"| {escape(metric)} | {number(mean['mean'])} | {escape(ends)} |"
    else:
        yield ""
        yield "No repetition of it has completed: another seed may give other values than those above."
    for caveat in summary["caveats"]:
        yield ""
        yield f"- {escape(caveat)}"
    if (ended := summary["search"]["ended"]) != "finished":
        yield ""
        yield f"The search {'did not end cleanly' if ended is None else f'ended as {ended}'}."
    if context.base is None:
        yield ""
        yield "The base model was not measured, so nothing here is compared with it."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _searched(chosen: Chosen) -> Iterator[str]:
    config, trial = chosen.config, chosen.trial
    searched = config.get("parameters") or {}
    yield "## What was searched"
    yield ""
    yield "| parameter | this trial | searched |"
    yield "|---|---:|---|"
    for name, value in trial.params.items():
        drawn = "fixed" if name != "seed" or name in (config.get("fixed") or {}) else "drawn for each trial"
        across = _range(searched[name]) if name in searched else drawn
        yield f"| {escape(name)} | {escape(wording.scalar(value))} | {escape(across)} |"
    yield ""
    steps = trial.last.step if trial.last else 0
    objectives = ", ".join(map(wording.objective, chosen.context.objectives))
    yield f"It was trained for {wording.plural(steps, 'optimizer step')}. Objectives: {escape(objectives)}."
    yield ""
    yield from (f"- {escape(f'{label}: {text}')}" for label, text in _data(config))


def _range(parameter: Mapping[str, Any]) -> str:
    """What a parameter was searched over, in words."""
    match parameter.get("type"):
        case "categorical":
            return ", ".join(wording.scalar(choice) for choice in parameter["choices"])
        case "expression":
            return str(parameter["value"])
        case kind:
            log = ", log scale" if kind == "log-float" else ""
            return f"{wording.scalar(parameter['low'])} to {wording.scalar(parameter['high'])}{log}"


def _data(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was trained and evaluated on, by name: paths are of a machine that readers do not have."""
    task = config.get("task")
    if isinstance(task, Mapping):
        for key, label in (("train", "training data"), ("heldout", "held-out data")):
            if task.get(key):
                yield label, _names(task[key])
    for skill in skills_of(config):
        limit = f", at most {skill['limit']} items" if skill.get("limit") else ""
        yield f"skill {skill['name']}", f"{_names(skill.get('path', ''))}{limit}"
    capability = config.get("capability")
    if isinstance(capability, Mapping) and capability.get("general_text"):
        yield "general text", _names(capability["general_text"])


def _names(source: str | Sequence[str]) -> str:
    """Sources without the folders that they lie in."""
    if not isinstance(source, str):
        return ", ".join(map(_names, source))
    if source.startswith(HARNESS):
        return f"{HARNESS}{PurePath(source.removeprefix(HARNESS)).name}"
    return PurePath(source).name if looks_local(source) and not source.startswith(EMBEDDED) else source


def _use(chosen: Chosen, base: Base | None, names: Collection[str]) -> Iterator[str]:
    remote = ", trust_remote_code=True" if base is not None and base.config.trust_remote_code else ""
    yield "## How to use it"
    yield ""
    if "config.json" in names:
        yield "In this folder, with `transformers`:"
        yield ""
        yield "    from transformers import AutoModelForCausalLM, AutoTokenizer"
        yield ""
        yield f'    model = AutoModelForCausalLM.from_pretrained("."{remote})'
        yield f'    tokenizer = AutoTokenizer.from_pretrained("."{remote})'
        return
    if base is None or "adapter_config.json" not in names:
        load = chosen.context.trainable.load.replace("{folder}", ".")
        yield "In this folder:"
        yield ""
        yield f"    {printable(load)}"
        return
    source = base.name if base.hub and base.config.prepare is None else "path/to/the/base"
    revision = f", revision={base.revision!r}" if base.revision else ""
    yield "In this folder, with `transformers` and `peft`:"
    yield ""
    yield "    from peft import PeftModel"
    yield "    from transformers import AutoModelForCausalLM, AutoTokenizer"
    yield ""
    yield f"    base = AutoModelForCausalLM.from_pretrained({source!r}{revision}{remote})"
    yield '    model = PeftModel.from_pretrained(base, ".")'
    yield f'    tokenizer = AutoTokenizer.from_pretrained("."{remote})'


def _limits(chosen: Chosen, base: Base | None) -> Iterator[str]:
    config = chosen.config
    skills = [str(skill["name"]) for skill in skills_of(config)]
    capability = config.get("capability")
    general = isinstance(capability, Mapping) and capability.get("general_text")
    yield "## What it was not tested for"
    yield ""
    if skills:
        yield f"- Any ability but the held-out skills {', '.join(map(escape, skills))}: the rest may be lost."
    else:
        yield "- Held-out skills: no questions were put."
    if not general:
        yield "- Text of no particular domain: its loss was not measured."
    yield "- Safety: refusals, bias, toxicity and resistance to jailbreaks."
    yield "- Contexts longer than those of the data above, and languages that the data do not have."
    loaded = "in 4 bits (NF4)" if base is not None and base.config.quantization else "unquantised"
    yield f"- Other bases, other quantisation (the base was {loaded}), and software not listed below."


def _made(chosen: Chosen) -> Iterator[str]:
    started = chosen.context.state.started
    assert started is not None
    versions = ", ".join(f"{name} {version}" for name, version in started.versions.items())
    day = datetime.fromtimestamp(started.time, UTC).date().isoformat()
    yield "## How it was made"
    yield ""
    yield f"- Search `{escape(started.search_id)}`, begun on {day}, seed {chosen.config.get('seed')}."
    names = [escape(str(chosen.config.get(key))) for key in ("trainable", "space")]
    yield f"- Trainable {names[0]}, space {names[1]}."
    yield f"- Versions: {escape(versions) if versions else 'not recorded'}."
