"""Just enough of a shell command line: its simple commands, their assignments and options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

_ASSIGNMENT = re.compile(r"^([A-Za-z_]\w*)=(.*)$", re.DOTALL)
_SEPARATOR = re.compile(r"^[;&|()]+$")


@dataclass(frozen=True)
class SimpleCommand:
    """One program with its arguments and the variables that the line has set for it."""

    words: tuple[str, ...]
    variables: dict[str, str]

    def runs(self, *program: str) -> bool:
        """Whether `program` (a name and its first arguments) is what runs here."""
        for start, word in enumerate(self.words):
            if word.rpartition("/")[2] == program[0]:
                return self.words[start + 1 : start + len(program)] == program[1:]
        return False

    def option(self, *names: str) -> str | None:
        """Value of an option, given as `--name=value` or `--name value`; None where it is absent."""
        for index, word in enumerate(self.words):
            name, equals, value = word.partition("=")
            if name in names:
                return value if equals else next(iter(self.words[index + 1 :]), "")
        return None


def simple_commands(line: str) -> Iterator[SimpleCommand]:
    """Splits a command line at `;`, `&`, `|`, parentheses and line ends, quotes respected.

    A variable that is assigned in front of a program counts for that program, an exported one for what
    follows as well.
    """
    exported: dict[str, str] = {}
    for words in _split(line):
        if words[0] == "export":
            matches = [match for word in words if (match := _ASSIGNMENT.match(word))]
            exported |= {match[1]: match[2] for match in matches}
        leading: dict[str, str] = {}
        for word in words:
            match = _ASSIGNMENT.match(word)
            if match is None and word != "env":
                break
            if match is not None:
                leading[match[1]] = match[2]
        yield SimpleCommand(tuple(words), exported | leading)


def _split(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:  # An open quote: the shell refuses the line as well, so look at its plain words.
        words = line.split()
    current: list[str] = []
    for word in words:
        if not _SEPARATOR.match(word):
            current.append(word)
        elif current:
            yield current
            current = []
    if current:
        yield current
