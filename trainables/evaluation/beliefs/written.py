"""A reply as plain text, its sentences, and what each part of a sentence says about a value in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import normalize

LONGEST = 20_000
"""Characters of a reply that are read."""

_POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2212\ufe63", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
        **dict.fromkeys("\u2018\u2019\u02bc", "'"),
        "\u2044": "/",
        "\u22c5": "\u00b7",
    }
)
_REPLACED = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+", ""),  # here by `_power`
        (r"\\boxed\s*\{", " the answer is {"),
        (r"\\(?:text|mathrm|mathbf|mathit|textbf|operatorname|mathsf)\s*(?=\{)", ""),
        (r"\\[td]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"\1/\2"),
        (r"\\(?:times|cdot)\b", "\u00d7"),
        (r"\\approx\b", "≈"),
        (r"\^\s*\\circ|\\circ\b|\\degree\b", "°"),
        (r"\\(?:[,;:! ()\[\]]|q?quad\b)|~", " "),
        (r"\\([$%&#_])", r"\1"),
        (r"\^\s*\{\s*([^{}]*?)\s*\}", r"^\1"),
        (r"[{}]", ""),
        (r"(?<=\d)\*\*(?=[-+]?\d)", "^"),
        (r"\*\*|__|`", ""),
        (r"(?<=[\w)])(\s*)\*(\s*)(?=\d)", "\\1\u00d7\\2"),
        (r"(?<=[A-Za-z])\*(?=[A-Za-z])", "·"),
        (r"\*", ""),
        (r"\b([A-Z]{3})(?=\d)", r"\1 "),
        (r"[^\S\n]+", " "),
    )
)


def prepared(text: str) -> str:
    """Text without markup and typography: `5.0 m/s^2` of "**5.0** m/s²" and of `$5.0\\,\\text{m/s}^{2}$`."""
    text = text[:LONGEST].translate(_SIGNS)
    (powers, _), *replaced = _REPLACED
    text = normalize("NFKC", powers.sub(_power, text)).translate(_SIGNS)
    for pattern, by in replaced:
        text = pattern.sub(by, text)
    return text


def _power(match: re.Match[str]) -> str:
    return "^" + match[0].translate(_POWERS)


_END = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)|\n+")
_ABBREVIATED = re.compile(
    r"(?:\b(?:[A-Za-z]|approx|ca|vs|e\.g|i\.e|etc|no|dr|mr|mrs|st|u\.s))\.$", re.IGNORECASE
)
_COMMENT = re.compile(
    r"\W*(?:(?:that(?:'s| is) )?(?:an? )?(?:great|good|interesting|excellent|fascinating) question|sure"
    r"|certainly|of course|absolutely|okay|ok|hello|hi|hey|thanks?(?: you)?|let me|let's)\b[^\d]*$",
    re.IGNORECASE,
)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence of prepared text begins and ends; lines end sentences, unless a colon ends them."""
    start = 0
    for match in _END.finditer(text):
        before = text[start : match.end()]
        if match[0][0] != "\n" and _ABBREVIATED.search(before):
            continue
        if match[0][0] == "\n" and before.rstrip().endswith(":"):
            continue
        if before.strip():
            yield start, match.end()
        start = match.end()
    if text[start:].strip():
        yield start, len(text)


def comments(sentence: str) -> bool:
    """Whether a sentence says nothing but that a reply will come."""
    return _COMMENT.match(sentence) is not None


_CLAUSE = re.compile(
    r"[,;:](?=\s)|[()\u2013\u2014]|\b(?:but|whereas|while|although|though|however|yet|which|because|since|if|given"
    r"|so|therefore|thus|hence|then|and)\b",
    re.IGNORECASE,
)
_DENIED_BEFORE = re.compile(
    r"\b(?:not(?! only\b| just\b)|never|no longer|cannot|neither|nor|rather than|instead of|unlike"
    r"|contrary to|opposed to|wrong|wrongly|false|falsely|incorrect|incorrectly|mistaken|mistakenly|myth)\b"
    r"|n't\b",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"\W*(?:(?:is|was|are|were|would be|that is|that's) )?(?:(?:simply|just|actually) )?"
    r"(?:not (?:correct|right|true|the case)|wrong|incorrect|false|a myth|mistaken|outdated|obsolete"
    r"|no longer)\b",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"\b(?:some|many|most|people|textbooks?|scientists?|others?|they|tradition|convention)\b.{0,30}"
    r"\b(?:say|says|said|believe|believed|think|thought|claim|claims|state|states|list|give|quote|teach)\b"
    r"|\b(?:commonly|often|usually|traditionally|generally|widely|popularly|frequently|historically|normally"
    r"|conventionally)\b"
    r"|\b(?:less|more|greater|higher|lower|larger|smaller|stronger|weaker|other) than\b"
    r"|\bcompared (?:to|with)\b|\b(?:versus|vs)\b|\b(?:if|since|because|given|assuming|suppose|supposing)\b"
    r"|\b(?:old|older|former|formerly|previous|previously|used to|once|until|replaces?|replaced)\b",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(
    r"\b(?:so|therefore|thus|hence|then|consequently|conclusion|total|altogether|answer|result|finally"
    r"|actually|in fact|in reality|but|however|now|instead)\b|[=≈→]|=>",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Standing:
    """What the words around a value say about it.

    Attributes:
        denied: It is said not to be so.
        aside: It is what others say, a premise, or something to compare with.
        concludes: It is what follows, such as after "so", "but" and an equals sign.
    """

    denied: bool
    aside: bool
    concludes: bool


def standing(before: str, after: str) -> Standing:
    """What stands around a value.

    Args:
        before: Its sentence up to it, from the value before it on.
        after: Its sentence after it, up to the next value.
    """
    clause = before
    for match in _CLAUSE.finditer(before):
        clause = before[match.start() :]
    rest = _CLAUSE.split(after, 1)[0]
    denied = bool(_DENIED_BEFORE.search(clause) or _DENIED_AFTER.match(rest))
    return Standing(denied, bool(_ASIDE.search(clause)), bool(_CONCLUDES.search(before)))
