"""`tightrope completion bash`: a script that completes verbs, keys and names, for the shell to source."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from search.config.known import all_keys
from search.config.library import choices
from search.config.origins import dotted
from search.config.overrides import GROUPS
from search.config.schema import config_model
from search.errors import ConfigError, Problem
from search.output import say
from search.simulate.options import CHANGEABLE, OWN
from search.verb import run_verb
from tightrope.init import KEYS
from tightrope.verbs import VERBS
from trainables.nearest import did_you_mean
from trainables.specs import TRAINABLES

USAGE = """\
usage: tightrope completion bash|zsh

Prints a script that completes verbs, keys and names. For every shell from now on:

  bash:  echo 'source <(tightrope completion bash)' >> ~/.bashrc
  zsh:   echo 'source <(tightrope completion zsh)' >> ~/.zshrc
"""
SHELLS = ("bash", "zsh")
_CONFIGURED = ("run", "plan", "config", "audit")
"""Verbs that take any key of a search."""
_CONTROLLED = ("stop", "pause", "resume", "clone")
_SEARCHES = ("show", *_CONTROLLED, "compare", "export", "report", "checklist", "investigate", "track", "rm")
"""Verbs that take folders of searches."""
_FLAGS = ("--plan", "--json", "--allow-code", "--help")
_TAKEN = {
    "simulate": (*(f"{key}=" for key in (*OWN, *CHANGEABLE)), "--json", "--help"),
    "export-optuna": ("search=", "out=", "--help"),
    "init": (*(f"{key}=" for key in KEYS), "--allow-code", "--help"),
}
"""What other verbs take."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the script; returns the exit code."""
    return run_verb(arguments, USAGE, _print)


def _print(words: list[str]) -> int:
    if len(words) != 1 or words[0] not in SHELLS:
        word = words[0] if words else "SHELL"
        message = "is not a shell that can be completed" if words else "is missing"
        problem = Problem(word, message, "after the verb", did_you_mean(word, SHELLS))
        raise ConfigError([problem], "command line")
    say(script(words[0]))
    return 0


def script(shell: str) -> str:
    """The script for a shell."""
    names = {key: listed for key, listed in choices().items() if key != "guards"}
    text = (
        _BASH.replace("@VERBS", _words([*VERBS, "--help", "--version"]))
        .replace("@KEYS", _words([*(f"{key}=" for key in _keys()), *_FLAGS]))
        .replace("@SHELLS", _words(SHELLS))
        .replace("@TAKEN", "\n".join(f"      {verb}) {_offer(taken)} ;;" for verb, taken in _TAKEN.items()))
        .replace("@CONFIGURED", "|".join(_CONFIGURED))
        .replace("@SEARCHES", "|".join(_SEARCHES))
        .replace("@NAMES", "\n".join(f"      {key}) names={_words(names[key])} ;;" for key in names))
    )
    return text if shell == "bash" else _ZSH + text


def _keys() -> list[str]:
    """What can be given of a search of any trainable: values by dotted key, and sections chosen by name."""
    keys = {key for name in TRAINABLES for key in all_keys(config_model(name))}
    sections = {key[:-1] for key in keys}
    return ["space", *sorted(dotted(key) for key in keys if key not in sections or dotted(key) in GROUPS)]


def _words(words: Iterable[str]) -> str:
    return shlex.quote("\n".join(words))


def _offer(words: Iterable[str]) -> str:
    return f'COMPREPLY=($(compgen -W {_words(words)} -- "$word"))'


_ZSH = """\
autoload -U +X compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
"""

_BASH = """\
# completion of tightrope
_tightrope() {
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" verb="${COMP_WORDS[1]}"
  local key="" head="" names="" searches="" IFS=$'\\n'
  COMPREPLY=()
  searches=$(cd runs 2>/dev/null && compgen -d -P runs/)
  # To bash `=` is a word, to zsh it is part of one.
  if [[ $word == "=" ]]; then
    key="$before" word=""
  elif [[ $before == "=" ]]; then
    key="${COMP_WORDS[COMP_CWORD-2]}"
  elif [[ $word == *=* ]]; then
    key="${word%%=*}" head="${word%%=*}=" word="${word#*=}"
  fi
  if [[ -n $key ]]; then
    case "$key" in
      search|compare|warm_start) names="$searches" ;;
@NAMES
    esac
    COMPREPLY=($(compgen -P "$head" -W "$names" -- "$word") $(compgen -P "$head" -f -- "$word"))
    compopt -o filenames 2>/dev/null
  elif [[ $before == "--allow-code" ]]; then
    COMPREPLY=($(compgen -f -- "$word"))
    compopt -o filenames 2>/dev/null
  elif (( COMP_CWORD == 1 )); then
    COMPREPLY=($(compgen -W @VERBS -- "$word"))
  else
    case "$verb" in
      @CONFIGURED) COMPREPLY=($(compgen -W @KEYS -- "$word")) ;;
@TAKEN
      @SEARCHES)
        COMPREPLY=($(compgen -W "$searches" -- "$word"))
        compopt -o filenames 2>/dev/null
        ;;
      completion) COMPREPLY=($(compgen -W @SHELLS -- "$word")) ;;
    esac
  fi
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace 2>/dev/null
  fi
}
complete -F _tightrope tightrope
"""
