"""The words and marks of a text, and the phrases that stand around questions and answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import normalize

from trainables.evaluation.contamination.words import WORD

_TOKEN = re.compile(rf"{WORD}|[^\w\s]")
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4\u0060", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
    }
)
"""Quotes, dashes and characters without width, of which compatibility normalisation leaves many."""


def tokens(text: str) -> list[str]:
    """Words and marks, whatever their typography; marks count, for `3+4` is not `3*4`."""
    if not text.isascii():
        text = normalize("NFKC", text.translate(_PLAIN))
    return _TOKEN.findall(text.casefold().replace("`", "'"))


_LEADS = frozenset(
    tokens("a answer answers response reply assistant the correct is it that so was in on at are were 答案是")
)
_LEAD_TOKENS = 12
_ANNOUNCING = frozenset(
    tokens(
        "answer answers ans response reply solution explanation assistant ai bot output model gpt inst"
        " 答 案 解 析 antwort lösung réponse respuesta solución risposta resposta ответ 정답 답"
    )
)
_BEFORE_ROLE = frozenset("<|>[#*")
_AFTER_ROLE = frozenset(":>|]=.")
_QUOTES = frozenset("'\"")
_WRAPPING = frozenset(
    tokens(
        "question q instruction input user human prompt problem query task s end inst 问题 回答 解"
        " please answer solve the this following"
    )
)
_UNANNOUNCED = _WRAPPING - frozenset(tokens("please answer solve the this following"))
_DIVERTING = (
    "classif", "categori", "translat", "rewrit", "rephras", "reword", "paraphras", "summar", "extract",
    "convert", "reformulat", "transcrib", "proofread", "翻",
)  # fmt: skip
_DIVERTING_TOKENS = 30
_LISTING = frozenset(tokens("options option choices choice answers text label labels 选项"))
_CONCLUDING = frozenset(tokens("answer ans 案"))


def spaced(text: str) -> str:
    """Words and marks with one space between them."""
    return " ".join(tokens(text))


def holds(text: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the part stands in the text, as whole words."""
    return f" {' '.join(part)} " in f" {' '.join(text)} "


def follows(after: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the part comes next, after nothing but marks and words that lead to an answer."""
    for start in range(_LEAD_TOKENS):
        if list(after[start : start + len(part)]) == list(part):
            return True
        if start >= len(after) or not (after[start] in _LEADS or not after[start].isalnum()):
            return False
    return False


def concludes(after: Sequence[str], part: Sequence[str]) -> bool:
    r"""Whether the part is what a solution first says its result to be: "####", "\boxed{", "answer is"."""
    for start, token in enumerate(after):
        then = after[start + 1] if start + 1 < len(after) else ""
        result = token == "boxed" or list(after[start : start + 4]) == ["#"] * 4
        if result or (token in _CONCLUDING and then in (":", "=", "is", "是")):
            return follows(after[start + 1 :], part)
    return False


def lists(after: Sequence[str], options: Sequence[Sequence[str]]) -> bool:
    """Whether the options come next and in order, with nothing but marks and labels between them."""
    start = 0
    for option in options:
        while list(after[start : start + len(option)]) != list(option):
            if start >= len(after) or not (len(after[start]) == 1 or after[start] in _LISTING):
                return False
            start += 1
        start += len(option)
    return bool(options)


def announces(after: Sequence[str]) -> bool:
    """Whether what comes next announces an answer, as "A:" and "### Response" do, and one is there."""
    bare = [token for token in after if token not in _QUOTES]
    for start, token in enumerate(bare[:_LEAD_TOKENS]):
        before, then = bare[start - 1] if start else "", bare[start + 1] if start + 1 < len(bare) else ""
        announced = token in _ANNOUNCING and (before in _BEFORE_ROLE or then in _AFTER_ROLE)
        if announced or (token == "a" and then == ":"):
            return any(each.isalnum() for each in bare[start + 1 :])
        if token.isalnum() and token not in _UNANNOUNCED:
            return False
    return False


def diverts(before: Sequence[str]) -> bool:
    """Whether what comes before a question asks for something else than its answer, as a translation."""
    return any(token.startswith(_DIVERTING) for token in before[-_DIVERTING_TOKENS:])


def wraps(outside: Sequence[str]) -> bool:
    """Whether these are nothing but marks, numbers and words that a template puts around a question."""
    known = _WRAPPING | _ANNOUNCING | {"a"}
    return all(token in known or token.isdigit() or not token.replace("_", "").isalnum() for token in outside)
