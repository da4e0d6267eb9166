"""Markdown of a run: `python -m benchmarks.gpu.table RESULTS.jsonl [--write]`.

RESULTS.jsonl is the file that `python -m benchmarks.gpu` wrote. With --write the page goes to
docs/results/gpu.md, which a rehearsal is refused.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.gpu.run import CONDITIONS, END, NOT_RUN, ROW

PAGE = Path("docs/results/gpu.md")

COMMANDS = """    python -m benchmarks.gpu
    python -m benchmarks.gpu.table build/gpu/TIME.jsonl --write"""

REHEARSAL = (
    "**This is a rehearsal on a CPU with small shapes. It shows that the measurements run; nothing in it is "
    "a claim about a GPU.**"
)

_TEXT = "text"
"""Key of what a row says in lines of its own."""

Line = dict[str, Any]


def page(lines: Sequence[Line]) -> str:
    """All of a run.

    Args:
        lines: What the run wrote, in its order; it may have been cut off anywhere.
    """
    given: Line = next((line for line in lines if line["kind"] == CONDITIONS), {})
    parts = [
        (name, list(own)) for name, own in groupby((x for x in lines if "part" in x), lambda x: x["part"])
    ]
    pieces = ["# On a GPU", *([REHEARSAL] if given.get("rehearsal") else []), f"Made by\n\n{COMMANDS}"]
    pieces += ["## Conditions", _conditions(given), "## Parts", _overview(parts)]
    for name, own in parts:
        pieces += _part(name, own)
    return "\n\n".join(pieces) + "\n"


def _conditions(given: Line) -> str:
    if not given:
        return "Not known: the run ended before they were."
    shown = {key: value for key, value in given.items() if key not in ("kind", "rehearsal")}
    return _table([shown], upright=True)


def _overview(parts: Sequence[tuple[str, Sequence[Line]]]) -> str:
    rows = []
    for name, own in parts:
        last = own[-1]
        aims = [line["met"] for line in own if "met" in line]
        rows.append(
            {
                "part": name,
                "shows": last.get("claim"),
                "aims met": f"{sum(aims)} of {len(aims)}" if aims else None,
                "seconds": last.get("seconds"),
                "end": _end(last),
            }
        )
    return _table(rows)


def _end(last: Line) -> str:
    if last["kind"] == NOT_RUN:
        return f"not run: {last['reason']}"
    if last["kind"] == END:
        return f"failed: {last['reason']}" if "reason" in last else "done"
    return "failed: the run ended before it did"


def _part(name: str, own: Sequence[Line]) -> Iterator[str]:
    yield f"## {name}"
    rows = [
        {key: value for key, value in line.items() if key not in ("kind", "part")}
        for line in own
        if line["kind"] == ROW
    ]
    for _, alike in groupby(rows, key=lambda row: (_TEXT in row, list(row))):
        together = list(alike)
        if _TEXT in together[0]:
            yield from (_text(row) for row in together)
        else:
            yield _table(together)
    if own[-1]["kind"] != END or "reason" in own[-1]:
        yield f"**{_end(own[-1])}**".replace("**failed", "**Failed").replace("**not", "**Not")
    if "trace" in own[-1]:
        yield f"```\n{own[-1]['trace'].rstrip()}\n```"


def _text(row: Line) -> str:
    facts = "; ".join(f"{key}: {_shown(value)}" for key, value in row.items() if key != _TEXT)
    return f"{facts}\n\n```\n{row[_TEXT].rstrip()}\n```"


def _table(rows: Sequence[Line], upright: bool = False) -> str:
    """Rows with the same keys; `upright` gives every key a line of its own."""
    if not rows:
        return "Nothing was measured."
    if upright:
        body = [[key, _shown(value)] for key, value in rows[0].items()]
        heads = ["", ""]
    else:
        heads = [key.replace("_", " ") for key in rows[0]]
        body = [[_shown(value, key) for key, value in row.items()] for row in rows]
    lines = ["| " + " | ".join(cells) + " |" for cells in [heads, ["---"] * len(heads), *body]]
    return "\n".join(lines)


def _shown(value: Any, key: str = "") -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        yes = "yes" if value else "no"
        return f"**{yes}**" if key == "met" and not value else yes
    if isinstance(value, float):
        return f"{value:,.4g}" if 1e-3 <= abs(value) < 1e6 or not value else f"{value:.2e}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, dict):
        return ", ".join(f"{each}: {_shown(one)}" for each, one in value.items())
    if isinstance(value, list):
        return ", ".join(_shown(each) for each in value)
    return str(value).replace("|", "\\|").replace("\n", " ")


def read(file: Path) -> list[Line]:
    """The lines of a run; a last one that was cut off is left out."""
    lines = []
    for text in file.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def main() -> None:
    """Prints the page, or writes it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu.table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--write", action="store_true", help=f"to {PAGE}")
    options = parser.parse_args()
    lines = read(options.results)
    if not options.write:
        print(page(lines), end="")
        return
    if not any(line["kind"] == CONDITIONS and not line["rehearsal"] for line in lines):
        parser.error(f"{options.results} is a rehearsal's, or was cut off at once: {PAGE} is of a GPU")
    PAGE.write_text(page(lines))


if __name__ == "__main__":
    main()
