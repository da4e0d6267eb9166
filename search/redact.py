"""Taking credentials out of text."""

from __future__ import annotations

import re

HIDDEN = "***"
"""What stands where a credential was."""
_TEXT = r"[^\s\"<>\\]"
# One slash is left of two where a URL was taken for a path. The second form is a password with an
# unquoted `/`, `?` or `#`: not a valid URL, but a secret all the same.
_USERINFO = re.compile(
    rf"([a-z][a-z0-9+.-]{{1,30}}:/{{1,2}})(?:(?:(?![/?#]){_TEXT})*@|(?:(?![/?#:]){_TEXT})*:(?!\d*(?:[/?#\s\"]|$)){_TEXT}*@)",
    re.IGNORECASE,
)
_QUERY_SECRET = re.compile(
    r"([?&][\w.-]*(?:token|password|passwd|secret|signature|sig|key)=)[^&\s\"#<>\\]+", re.IGNORECASE
)


def redact(text: str) -> str:
    """Replaces user names, passwords and tokens of every URL in `text` by `***`."""
    # A report has it go over every string of a record, nearly all of which hold no URL.
    if ":/" in text:
        text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    return _QUERY_SECRET.sub(rf"\1{HIDDEN}", text) if "=" in text else text
