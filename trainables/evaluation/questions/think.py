"""The section at the beginning of a reply in which a model thinks."""

from __future__ import annotations

import re

_SECTION = re.compile(r"\s*(?:<think>)?(?P<thought>.*?)</think>(?P<rest>.*)", re.DOTALL)


def split_thought(reply: str) -> tuple[str, str]:
    """The text of the think section, and what comes after it.

    Some chat templates open the section themselves, so it need not begin with `<think>`; it must end.

    Returns:
        An empty thought and the reply as it is where there is no such section.
    """
    match = _SECTION.fullmatch(reply)
    return (match["thought"].strip(), match["rest"]) if match else ("", reply)
