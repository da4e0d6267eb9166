"""The report of a search: its files, and where they go."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from analysis.render import headline, setting
from analysis.report.build import Made, make, shown
from analysis.report.cards import cards
from analysis.report.context import Context
from analysis.report.export import table, to_csv, to_parquet
from analysis.report.files import MARK, write_folder
from analysis.report.page import page
from analysis.report.text import plain
from trainables.text import map_text

PAGE = "report.html"
_BESIDE = "Files beside this page"


def write(context: Context, out: Path) -> Path:
    """Makes all files of the report and puts them into a folder, whole or not at all.

    Returns:
        Path of the page.

    Raises:
        RecordError: The search has not begun, or the folder cannot be written.
    """
    began = time.perf_counter()
    summary = context.summary
    made = make(cards(), context)
    files = {
        f"{card.card.name}-{name}.png": picture for card in made for name, picture in card.pictures.items()
    }
    trials = table(context.state)
    files |= {"trials.csv": to_csv(trials), "trials.parquet": to_parquet(trials)}
    facts = {
        "Made": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        _BESIDE: ", ".join(sorted([MARK, *files])),
    }
    title, subtitle = map_text((headline(summary), setting(summary)), shown(context))
    files[PAGE] = page(title, subtitle, made, facts, [_BESIDE]).encode()
    data = _data(summary, made) | {"seconds": time.perf_counter() - began}
    files[MARK] = (json.dumps(data, indent=1, allow_nan=False) + "\n").encode()
    write_folder(out, files)
    return out / PAGE


def _data(summary: dict[str, Any], made: list[Made]) -> dict[str, Any]:
    return {
        "summary": plain(summary),
        "cards": {
            card.card.name: {
                "title": card.card.title,
                "state": card.state,
                "message": card.message,
                "texts": list(card.findings.texts) if card.findings else [],
                "data": card.data,
            }
            for card in made
        },
    }
