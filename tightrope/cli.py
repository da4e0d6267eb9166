"""The console script `tightrope VERB [key=value ...]`: finds the verb's module and hands over the words."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module, metadata

from search.dialect import SCRIPT
from tightrope.verbs import VERBS
from trainables.nearest import did_you_mean


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Args:
        arguments: Words after the program's name; None takes those of this process.

    Returns:
        The verb's exit code; 2 where there is no such verb.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words[0] if words else ""
    if name in VERBS:
        verb = VERBS[name]
        code: int = import_module(verb.module).main([*verb.words, *words[1:]])
        return code
    if name in ("--help", "-h", "help"):
        _write(help_text())
        return 0
    if name == "--version":
        _write(f"{SCRIPT} {metadata.version('tightrope')}\n")
        return 0
    # What the terminal must not obey is spelled out only by what is slow to import.
    from search.output import complain
    from search.verb import WRONG

    complain(_refusal(name) if words else help_text())
    return WRONG


def help_text() -> str:
    """Every verb in a line."""
    width = max(map(len, VERBS))
    lines = [f"  {verb.name:<{width}}  {verb.line}" for verb in VERBS.values()]
    return "\n".join([_HEAD, *lines, "", _FOOT])


def _refusal(word: str) -> str:
    key, equals, _ = word.partition("=")
    if equals and not word.startswith("-"):
        hint = f"a verb comes first: {SCRIPT} run {key}=..."
    else:
        hint = did_you_mean(word, (*VERBS, "--help", "--version"))
    return f"error: there is no verb {word!r}\n  hint: {hint}"


def _write(text: str) -> None:
    """Writes to standard output, whose reader may be gone."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        return


_HEAD = f"""\
usage: {SCRIPT} VERB [key=value ...]

Searches LoRA hyperparameters without breaking the model.
"""
_FOOT = f"""\
  {SCRIPT} VERB --help      what a verb takes
  {SCRIPT} --version        the version

Examples:
  {SCRIPT} run space=demo
  {SCRIPT} plan space=demo model=org/name task=my.jsonl capability=questions.jsonl
  {SCRIPT} compare runs/first runs/second

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration.
"""


if __name__ == "__main__":
    sys.exit(main())
