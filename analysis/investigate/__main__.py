"""The command line: `python -m analysis.investigate FOLDER [FOLDER ...]`, or `--table FILE`."""

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
from search.errors import TightropeError
from search.output import complain, say, say_json
from search.record import SearchState, read_events
from search.redact import redact


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Args:
        arguments: Words after the program's name; None takes those of this process.

    Returns:
        Exit code: 0 done, whatever the verdict, 1 failed, 2 wrong input or command line.
    """
    options = make_parser().parse_args(arguments)
    try:
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
    except TightropeError as error:
        complain(f"error: {error}")
        if options.json:
            say_json({"error": error.message, "hint": error.hint})
        return error.exit_code


def _studies(options: argparse.Namespace) -> list[Study]:
    if options.table is not None:
        if options.folders:
            raise InputError("--table and folders of searches cannot be given together.")
        return from_table(read_table(options.table, options.decimal), columns_of(options))
    if not options.folders:
        raise InputError("There is nothing to investigate.", hint="Give a search's folder, or --table FILE.")
    return [
        from_search(SearchState.from_events(read_events(folder)), folder, options.parameter, options.group)
        for folder in options.folders
    ]


if __name__ == "__main__":
    sys.exit(main())
