"""Taking credentials out of text, in time that grows with its length."""

from __future__ import annotations

import re
from typing import TypeVar

from trainables.text import map_text

T = TypeVar("T")

HIDDEN = "***"
"""What stands where a credential was."""

# Every pattern below either has a bounded length before what may fail, or can begin only where the one
# before it ended: over hostile text none is tried again and again over the same characters.
_WORD = re.compile(r"[^\s\"<>\\]+")
_SLASHES = re.compile(r":/{1,2}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+\Z", re.IGNORECASE)
_LONGEST_SCHEME = 31
_PATH = re.compile(r"[/?#]")
_PORT = re.compile(r"\d*(?:[/?#]|\Z)")

# MLflow's `viewStateShareKey` names a saved view, and opens nothing.
_QUERY_SECRET = re.compile(
    r"([?&#;](?!viewStateShareKey=)[\w.%\[\]-]{0,64}?"
    r"(?:token|password|passwd|pwd|secret|signature|sig|key|code|auth|credentials?)\]?=)[^&;\s\"#<>\\]+",
    re.IGNORECASE,
)
_NAMED_SECRET = re.compile(
    r"((?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?key"
    r"|(?:access|auth|session|refresh|bearer|hf|hub|github|wandb)[_-]?token|(?<![\w.-])token)"
    r"(?:=[\"']?|\\?[\"'](?::|=)\s?\\?[\"']))(?![\"'\\])[^\s\"'<>\\,;&]+",
    re.IGNORECASE,
)
_HEADER_SECRET = re.compile(
    r"(\bauthorization\\?[\"']?\s?[:=]\s?\\?[\"']?(?:(?:bearer|basic|token)\s)?|\bbearer\s(?=[\w.~+/=-]{16}))[\w.~+/=:-]{8,}",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"hf_(?=[a-z]{0,64}[A-Z0-9])[A-Za-z0-9]{12,}|api_org_[A-Za-z0-9]{16,}"  # Hugging Face
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"  # GitHub, GitLab
    r"|sk-(?=[A-Za-z_-]{0,64}[0-9])[\w-]{16,}"  # OpenAI, Anthropic and others
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{35}|ya29\.[\w-]{20,}"  # AWS, Google
    r"|xox[abeoprs]-[\w-]{10,}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{40,}|dckr_pat_[\w-]{20,}"
    r")|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # a JSON web token
)
_TOKEN_HINTS = (
    "hf_", "api_org_", "gh", "glpat-", "sk-", "AKIA", "ASIA", "AIza", "ya29.", "xox", "npm_", "pypi-",
    "dckr_pat_", "eyJ",
)  # fmt: skip
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)(?:[\w+/=\s]|\\[nr])+")


def redact(text: str) -> str:
    """Replaces by `***` what is a credential by its place in a URL, by its name, or by its form."""
    # A report has it go over every string of a record, nearly all of which hold nothing of the kind.
    if ":/" in text:
        text = _WORD.sub(lambda match: _without_userinfo(match[0]), text)
    if "=" in text:
        text = _QUERY_SECRET.sub(rf"\1{HIDDEN}", text)
    if "=" in text or ":" in text:
        text = _NAMED_SECRET.sub(rf"\1{HIDDEN}", text)
    if any(hint in text for hint in _TOKEN_HINTS):
        text = _TOKEN.sub(HIDDEN, text)
    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub(rf"\1{HIDDEN}", text)
    return _HEADER_SECRET.sub(rf"\1{HIDDEN}", text)


def redacted(value: T) -> T:
    """The value with `redact` applied to every string in it, as `map_text` does."""
    return map_text(value, redact)


def _without_userinfo(word: str) -> str:
    """A word without the user names and passwords of the URLs in it.

    One slash is left of two where a URL was taken for a path. A password may have an unquoted `/`, `?` or
    `#`: that is no valid URL, but a secret all the same, which ends at the word's last `@`.
    """
    last = word.rfind("@")
    if last < 0 or ":/" not in word:
        return word
    parts, done = [], 0
    for match in _SLASHES.finditer(word):
        begin = match.end()
        if match.start() < done or not _SCHEME.search(
            word, max(done, match.start() - _LONGEST_SCHEME), match.start()
        ):
            continue
        path = _PATH.search(word, begin)
        end = path.start() if path else len(word)
        at = word.rfind("@", begin, end)
        if at < 0:
            colon = word.find(":", begin, end)
            if colon < 0 or last < colon or _PORT.match(word, colon + 1):
                continue
            at = last
        parts += [word[done:begin], HIDDEN]
        done = at
    return "".join([*parts, word[done:]])
