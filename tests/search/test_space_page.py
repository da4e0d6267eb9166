"""docs/space.md: its tables are those of the schema, and its example is a space.

With WRITE_DOCS=1 in the environment the tables are written anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from search.config.choices import SCHEDULERS, SEARCHERS
from search.config.known import model_types
from search.config.load import load_config
from search.config.schema import Opening, SearchConfig, config_model
from search.config.space import Parameter
from tests.search.config_files import write_space
from trainables.reference import Setting, settings
from trainables.specs import TRAINABLES

PAGE = Path(__file__).parents[2] / "docs/space.md"
_ELSEWHERE = ("parameters", "searcher", "scheduler")
_SHIPPED = ("lora", "routing", "reconstruction", "adaptation")


def table(rows: list[Setting], head: str) -> str:
    lines = [f"| {head} | type | default | meaning |", "|---|---|---|---|"]
    for row in rows:
        kind = f"{row.kind} ({row.range})" if row.range else row.kind
        cells = [f"`{row.name}`", kind, default(row), meaning(row)]
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def default(row: Setting) -> str:
    if row.default is None:
        return "required"
    return "see below" if row.default.startswith("{") and len(row.default) > 2 else f"`{row.default}`"


def meaning(row: Setting) -> str:
    assert row.meaning, f"{row.name} has no meaning"
    text = re.sub(r" \(`(?:search|trainables)\.[\w.]+`\)", "", row.meaning)
    text = re.sub(r"\bNone\b", "`null`", text)
    return text[:1].upper() + text[1:]


def sections(model: type[BaseModel], above: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections in a model, by dotted key; entries of lists and of mappings have a placeholder."""
    for name, field in model.model_fields.items():
        if above or name not in _ELSEWHERE:
            for inner in model_types(field.annotation):
                kind = str(field.annotation)
                key = f"{above}{name}" + (".N" if "tuple[" in kind else ".NAME" if "dict[" in kind else "")
                yield key, inner
                yield from sections(inner, f"{key}.")


def kinds() -> str:
    parts = []
    for model in model_types(Parameter):
        rows = {row.name: row for row in settings(model)}
        summary = (model.__doc__ or "").partition("\n")[0]
        own = [row for name, row in rows.items() if name not in ("when", "type")]
        parts.append(f"**type: {rows['type'].kind}**. {summary}\n\n{table(own, 'key')}")
    return "\n".join(parts)


def keys() -> str:
    shared = config_model("lora")
    belongs = TRAINABLES["lora"].options.model_fields
    rows = [row for row in settings(shared) if row.name not in (*belongs, "space")]
    chosen = {"name": "of the space", "prior": "where it applies"}
    rows = [row._replace(default=chosen.get(row.name, row.default)) for row in rows]
    assert {row.name for row in rows} == {*Opening.model_fields, *SearchConfig.model_fields} - {"space"}
    parts = [table(rows, "key")]
    for key, model in sections(shared, ""):
        if key.split(".")[0] not in belongs:
            parts.append(f"### `{key}`\n\n{table(settings(model), 'key')}")
    return "\n".join(parts)


def plugins() -> str:
    parts = []
    for kind, registry in (("searcher", SEARCHERS), ("scheduler", SCHEDULERS)):
        lines = registry.lines()
        for name in registry:
            rows = [row for row in settings(registry[name]) if row.name != "name"]
            parts.append(
                f"**`{kind}={name}`**: {lines[name]}.\n" + (f"\n{table(rows, 'option')}" if rows else "")
            )
    return "\n".join(parts)


def trainables() -> str:
    parts, shown = [], dict[type[BaseModel], str]()
    for name in _SHIPPED:
        spec = TRAINABLES[name]
        parts.append(f"## Parameters of `{name}`\n\n{table(settings(spec.parameters), 'parameter')}")
        for key, model in sections(spec.options, ""):
            before = shown.setdefault(model, name)
            text = table(settings(model), "key") if before == name else f"As of `{before}`.\n"
            parts.append(f"### `{key}` of `{name}`\n\n{text}")
    return "\n".join(parts)


@pytest.mark.parametrize("part", [kinds, keys, plugins, trainables])
def test_the_page_has_every_key(part: object) -> None:
    assert callable(part)
    name = part.__name__
    between = re.compile(rf"(<!-- {name} -->\n)(.*?)(<!-- end of {name} -->)", re.DOTALL)
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("WRITE_DOCS") == "1":
        PAGE.write_text(
            between.sub(lambda match: f"{match[1]}\n{part()}\n{match[3]}", page), encoding="utf-8"
        )
        return
    written = between.search(page)
    assert written is not None
    assert written[2] == f"\n{part()}\n"


def test_the_example_is_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(example.replace("org/name", "embedded").replace("my.jsonl", "lighthouse"))
    Path("questions.jsonl").write_text('{"question": "Who?", "answer": "I."}\n')
    config = load_config(["space=my.yaml"]).config
    assert config.budget.rung_steps == (30, 90, 270)
    assert set(config.parameters) == {"lr", "rank", "dropout", "alpha"}
