"""Taking credentials out of URLs, to hand them on by themselves."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit, urlunsplit

from search.redact import HIDDEN


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
    if userinfo == HIDDEN:
        return clean, None, None
    user, _, password = userinfo.partition(":")
    return clean, unquote(user), unquote(password)
