"""docs/audit.md: its tables are those of the registrations, and its example is a valid file of rules.

With WRITE_DOCS=1 in the environment the tables are written anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from search.audit.library import rules_with, shipped_rules
from search.audit.names import NAMES
from search.audit.quantity import QUANTITIES

PAGE = Path(__file__).parents[3] / "docs/audit.md"


def rules_table() -> str:
    lines = ["| rule | looks at | fires when | severity | source |", "|---|---|---|---|---|"]
    for rule in shipped_rules().values():
        cells = [f"`{rule.id}`", rule.text("title"), f"`{rule.when.text}`", rule.text("severity")]
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in (*cells, rule.text('source')))} |")
    return "\n".join(lines) + "\n"


def names_table() -> str:
    lines = ["| name | unit | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {fact.unit} | {fact.meaning} |" for name, fact in NAMES.items()]
    for name in QUANTITIES:
        entry = QUANTITIES[name]
        derived = f" `{entry.formula.text}`" if entry.formula is not None else ""
        lines.append(f"| `{name}` | {entry.unit} | {entry.meaning}{derived} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("part", "table"), [("names", names_table), ("rules", rules_table)])
def test_the_page_has_every_name_and_rule(part: str, table: object) -> None:
    assert callable(table)
    between = re.compile(rf"(<!-- {part} -->\n)(.*?)(<!-- end of {part} -->)", re.DOTALL)
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("WRITE_DOCS") == "1":
        PAGE.write_text(between.sub(lambda match: match[1] + table() + match[3], page), encoding="utf-8")
        return
    written = between.search(page)
    assert written is not None
    assert written[2] == table()


def test_the_example_is_a_file_of_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example, _ = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(example)
    rules, problems = rules_with("mine.yaml")
    assert problems == []
    assert rules.keys() - shipped_rules().keys() == {"small-rank", "smaller-rank"}
    assert shipped_rules().keys() - rules.keys() == {"shuffling-off"}
