"""The command line: `python -m analysis.investigate SEARCH [SEARCH ...]`, or `--table FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from analysis.investigate.errors import InputError
from analysis.investigate.from_search import from_search
from analysis.investigate.from_table import from_table
from analysis.investigate.options import columns_of, make_parser
from analysis.investigate.render import to_markdown, to_text
from analysis.investigate.run import investigate_studies
from analysis.investigate.study import Study
from analysis.investigate.table_file import read_table
from search.output import say, say_json
from search.recorded import open_search
from search.redact import redact
from search.verb import carry_out


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Args:
        arguments: Words after the program's name; None takes those of this process.

    Returns:
        Exit code: 0 done, whatever the verdict, 1 failed, 2 wrong input or command line.
    """
    options = make_parser().parse_args(arguments)
    return carry_out(lambda: _show(options), options.json)


def _show(options: argparse.Namespace) -> int:
    investigation = investigate_studies(_studies(options))
    if options.out is not None:
        try:
            options.out.write_text(redact(to_markdown(investigation)), encoding="utf-8")
        except OSError as error:
            raise InputError(f"--out {options.out} cannot be written ({error.strerror}).") from error
    if options.json:
        say_json(investigation.as_dict())
    else:
        say(to_text(investigation))
    return 0


def _studies(options: argparse.Namespace) -> list[Study]:
    if options.table is not None:
        if options.searches:
            raise InputError("--table and searches cannot be given together.")
        return from_table(read_table(options.table, options.decimal), columns_of(options))
    if not options.searches:
        raise InputError("There is nothing to investigate.", hint="Give a search, or --table FILE.")
    return [
        from_search(state, folder, options.parameter, options.group)
        for folder, state in map(open_search, options.searches)
    ]


if __name__ == "__main__":
    sys.exit(main())
