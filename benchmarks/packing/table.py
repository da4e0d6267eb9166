"""Markdown of finished runs: `python -m benchmarks.packing.table OUTPUT [OUTPUT ...]`.

Each OUTPUT is what a run of `python -m benchmarks.packing` printed; its last line is read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_NAMES = {
    "mixed": "PEFT, mixed batch",
    "packed_one_pass": "packed, one pass",
    "whole_logits": "packed, one pass, whole logits",
    "shared_rows": "packed, one pass, shared rows",
    "packed_auto_limits": "packed, limits as measured",
    "auto": "`slots=auto`",
}


def table(result: dict[str, Any]) -> str:
    """One run: its conditions, and a line for each cell."""
    ranks = "/".join(str(rank) for rank in result["ranks"])
    conditions = (
        f"{result['model']}, {result.get('dtype', '')}, rank {ranks}; {result['device']}, "
        f"{result['threads']} of {result['cores']} threads, load {result['load_average']:.1f} before; "
        f"torch {result['torch']}, transformers {result['transformers']}, peft {result['peft']}; "
        f"{result['repeats']} repeats."
    )
    rows = [row for row in result["rows"] if "ways" in row]
    ways = [way for way in _NAMES if any(way in row["ways"] for row in rows)]
    lines = [
        conditions,
        "",
        "| length | batch | K | plain PEFT in turn, tokens/s | "
        + " | ".join(_NAMES[way] for way in ways)
        + " | slots chosen |",
        "|---" * (5 + len(ways)) + "|",
    ]
    for row in rows:
        cells = [_cell(row["ways"].get(way)) for way in ways]
        slots = ", ".join(str(each) for each in row.get("auto_slots", []))
        first = f"| {row['length']} | {row['batch_size']} | {row['slots']} "
        lines.append(
            f"{first}| {row['ways']['plain']['tokens_per_second']:,.0f} | {' | '.join(cells)} | {slots} |"
        )
    for row in result["rows"]:
        if "skipped" in row:
            lines.append(f"\nNot measured: batch {row['batch_size']}, K {row['slots']}: {row['skipped']}.")
    return "\n".join(lines)


def _cell(way: dict[str, Any] | None) -> str:
    if way is None:
        return ""
    ratio = way["ratio"]
    return (
        f"**{ratio['median']:.2f}x** ({ratio['min']:.2f} to {ratio['max']:.2f}; {way['padding']:.0%} padding)"
    )


def main() -> None:
    """Prints the tables of the runs named on the command line."""
    for name in sys.argv[1:]:
        print(table(json.loads(Path(name).read_text().splitlines()[-1])), end="\n\n")


if __name__ == "__main__":
    main()
