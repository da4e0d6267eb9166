"""Renders a chat template with one question. Run as a program: a JSON object on stdin, the text on stdout.

A program of its own, because a template can run for ever, and only a process can be stopped in any case.
It ends itself after `SECONDS` of computing, whatever else keeps the machine busy.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

SECONDS = 0.5
"""Of computing; the templates of known models take some milliseconds."""

_BYTES = 2**31


class _Generation(Extension):
    """`{% generation %}`, with which templates mark what the model says."""

    tags = {"generation"}  # noqa: RUF012  # as the library declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def environment() -> ImmutableSandboxedEnvironment:
    """What templates are compiled in, like that of `transformers`."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    made.filters["tojson"] = _tojson
    made.globals |= {"raise_exception": _raise, "strftime_now": _now}
    return made


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _tojson(value: Any, ensure_ascii: bool = False, **how: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, **how)


def main() -> None:
    """Renders what stdin says; a template that is none, or raises, ends it with code 1 and one line."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    asked = json.load(sys.stdin)
    try:
        print(environment().from_string(asked["template"]).render(**asked["variables"]))
    except Exception as error:  # noqa: BLE001  # whatever a template does, it is the template's fault
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
