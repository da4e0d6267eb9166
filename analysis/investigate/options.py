"""The command line's options."""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis.investigate.errors import InputError
from analysis.investigate.from_table import Columns
from analysis.investigate.shares import read_share
from search.output import Parser

_EPILOG = """\
examples:
  python -m analysis.investigate runs/alignment runs/alignment-70b
  python -m analysis.investigate --table results.csv --lr lr --rank r --loss train_loss \\
      --capability accuracy --base 0.271 --items 400
"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of `python -m analysis.investigate`."""
    parser = Parser(
        prog="python -m analysis.investigate",
        description="Is a loss of capability real, or an artifact of the evaluation?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "searches",
        nargs="*",
        metavar="SEARCH",
        help="folders of searches, or their names in runs, the one in question first",
    )
    add("--parameter", default="lr", help="parameter under investigation (default: lr)")
    add("--group", default="rank", help="parameter whose values are examined separately (default: rank)")
    add("--json", action="store_true", help="print JSON")
    add("--out", type=Path, metavar="FILE", help="write the page to a Markdown file")
    table = parser.add_argument_group("a table of other results (CSV or Parquet, one row per trial)")
    add = table.add_argument
    add("--table", type=Path, metavar="FILE")
    add("--lr", metavar="COLUMN", help="the parameter under investigation")
    add("--loss", metavar="COLUMN")
    add("--capability", metavar="COLUMN", help="share of right answers")
    add("--rank", metavar="COLUMN", help="the parameter whose values are examined separately")
    add("--model", metavar="COLUMN", help="the model; each model is a separate search")
    add("--base", action="append", default=[], metavar="[MODEL=]VALUE", help="the base model's capability")
    add("--base-row", metavar="COLUMN=VALUE", help="the rows of the base model")
    add("--items", metavar="NUMBER|COLUMN", help="number of items behind each capability")
    add("--unparseable", metavar="COLUMN", help="share of replies that could not be parsed")
    add("--likelihood", metavar="COLUMN", help="accuracy by likelihood of the options")
    add("--steps", metavar="COLUMN", help="optimizer steps trained")
    add("--chance", metavar="VALUE", help="share of right answers by random guessing")
    add("--decimal", choices=(".", ","), help="decimal sign (default: the one that the numbers use)")
    add("--percent", action="store_true", help="shares without a percent sign are percentages")
    return parser


def columns_of(options: argparse.Namespace) -> Columns:
    """The table's columns as named.

    Raises:
        InputError: One that is needed is not named, or a value cannot be read.
    """
    for name in ("lr", "loss", "capability"):
        if getattr(options, name) is None:
            raise InputError(f"--table needs --{name} COLUMN.")
    percent = True if options.percent else None
    return Columns(
        lr=options.lr,
        loss=options.loss,
        capability=options.capability,
        rank=options.rank,
        model=options.model,
        unparseable=options.unparseable,
        likelihood=options.likelihood,
        steps=options.steps,
        base=dict(_base(text, percent) for text in options.base),
        base_row=_base_row(options.base_row),
        items=int(options.items) if options.items and options.items.isdecimal() else options.items,
        chance=None if options.chance is None else read_share(options.chance, "--chance", percent),
        percent=percent,
    )


def _base(text: str, percent: bool | None) -> tuple[str, float]:
    model, _, value = text.rpartition("=")
    return model, read_share(value, "--base", percent)


def _base_row(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    column, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--base-row {text}: write COLUMN=VALUE, for example lr=0.")
    return column, value
