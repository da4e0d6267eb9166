"""Taking credentials out of text and out of URLs."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

_HIDDEN = "***"
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
    return _QUERY_SECRET.sub(rf"\1{_HIDDEN}", _USERINFO.sub(rf"\1{_HIDDEN}@", text))


def split_credentials(url: str) -> tuple[str, str | None, str | None]:
    """Takes user name and password out of an HTTP URL.

    Returns:
        The URL without them, and both in clear; None where absent, or hidden by `redact`.
    """
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None, None
    clean = urlunsplit(parts._replace(netloc=host))
    if userinfo == _HIDDEN:
        return clean, None, None
    user, _, password = userinfo.partition(":")
    return clean, unquote(user), unquote(password)
