"""The command line: `python -m search.audit space=NAME [key=value ...]`."""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from search.audit.check import audit_search
from search.audit.finding import Audit
from search.audit.library import rules_with
from search.audit.rule import Rule
from search.audit.view import audit_lines, explained_rule, rule_lines, verdict_lines
from search.config.load import load_config
from search.config.overrides import parse_words, with_allowed_code
from search.config.wording import config_error
from search.epochs import in_steps
from search.errors import Problem, TightropeError
from search.output import Parser, complain, say, say_json
from search.verb import WRONG, carry_out
from trainables.nearest import did_you_mean

_WORDS = ("audit.rules", "audit.allow")

_EXAMPLES = """\
Audits a configuration: what will spoil its results, from which numbers, and the line to type instead.

Examples:
  python -m search.audit space=demo
  python -m search.audit space=demo parameters.lr.high=0.1 --json
  python -m search.audit --list audit.rules=mine.yaml
  python -m search.audit --explain lora-lr-high
  python -m search.audit --file research.yaml
  python -m search.audit space=my.yaml --allow-code mine.py

Exit codes: 0 nothing critical, 1 something critical that audit.allow does not name, 2 wrong configuration
or command line.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Audits what one command line names.

    Args:
        arguments: Words after the program's name; None takes those of this process.

    Returns:
        Exit code: 0; 1 where something critical is not allowed; 2 for a wrong command line.
    """
    words = sys.argv[1:] if arguments is None else arguments
    return carry_out(lambda: _audit(words), "--json" in words, _error_data)


def _audit(words: Sequence[str]) -> int:
    parser = _parser()
    options = parser.parse_intermixed_args(with_allowed_code(words))
    if not (options.words or options.list or options.explain or options.file):
        complain(parser.format_help())
        return WRONG
    return _run(options)


def _error_data(error: TightropeError) -> dict[str, Any]:
    problems = getattr(error, "problems", ())
    return {"error": error.message, "problems": [asdict(each) for each in problems]}


def _parser() -> Parser:
    parser = Parser(
        prog="python -m search.audit", description=_EXAMPLES, formatter_class=RawDescriptionHelpFormatter
    )
    words = "as for python -m search.run; with --file, facts that the file does not say, such as devices=8"
    parser.add_argument("words", nargs="*", metavar="key=value", help=words)
    parser.add_argument("--list", action="store_true", help="every rule in a line")
    parser.add_argument("--explain", metavar="ID", help="one rule, with its source")
    parser.add_argument("--file", help="audit the configuration of another tool")
    parser.add_argument(
        "--as", dest="tool", metavar="TOOL", help="which tool's, or a file that maps its keys"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return parser


def _run(options: Any) -> int:
    ruling = [word for word in options.words if word.partition("=")[0] in _WORDS]
    if options.explain is not None:
        return _explain(options.explain, _rules(ruling), options.json)
    if options.file is not None:
        return _file(options, ruling)
    if options.list and len(ruling) == len(options.words):
        rules = _rules(ruling)
        if options.json:
            say_json([{"id": rule.id, "file": rule.origin, **rule.body} for rule in rules.values()])
        else:
            say("\n".join(rule_lines(rules)))
        return 0
    resolved = load_config(options.words)
    audit = audit_search(resolved, in_steps(resolved.config))
    return _show(audit, resolved.config.name, options)


def _show(audit: Audit, name: str, options: Any) -> int:
    if options.json:
        say_json(audit.plain())
    else:
        say("\n".join(verdict_lines(audit) if options.list else audit_lines(audit, name)))
    return 1 if audit.refused else 0


def _file(options: Any, ruling: Sequence[str]) -> int:
    """Audits the configuration of another tool, stage by stage."""
    from search.audit.foreign import audit_file

    given = _settings([word for word in options.words if word not in ruling])
    allow = _settings(ruling).get("audit.allow") or ()
    audited = audit_file(options.file, options.tool, _rules(ruling).values(), given, allow)
    if options.json:
        say_json(audited.plain())
    else:
        show = verdict_lines if options.list else partial(audit_lines, name=options.file)
        for stage, audit in audited.stages.items():
            say("\n".join([*([f"{stage}:"] if stage else []), *show(audit)]))
        for note in audited.notes:
            say(f"note: {note}")
    return 1 if audited.refused else 0


def _explain(name: str, rules: Mapping[str, Rule], as_json: bool) -> int:
    if name not in rules:
        hint = did_you_mean(name, rules)
        raise config_error([Problem("--explain", f"there is no rule {name!r}", "command line", hint)])
    if as_json:
        say_json({"id": name, "file": rules[name].origin, **rules[name].body})
    else:
        say("\n".join(explained_rule(rules[name])))
    return 0


def _rules(words: Sequence[str]) -> Mapping[str, Rule]:
    rules, problems = rules_with(_settings(words).get("audit.rules"))
    if problems:
        raise config_error(problems)
    return rules


def _settings(words: Sequence[str]) -> dict[str, Any]:
    overrides, problems = parse_words(words)
    if problems:
        raise config_error(problems)
    return {".".join(map(str, override.key)): override.value for override in overrides}


if __name__ == "__main__":
    sys.exit(main())
