"""Scores of replies as in SQuAD, against all right answers. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence

from trainables.evaluation.questions.answers import same_answer, token_f1


def best_f1(reply: str, answers: Sequence[str]) -> float:
    """Token F1 of a reply with the right answer that it fits best (Rajpurkar et al., 2016, arXiv:1606.05250).

    Words are counted as often as they stand there: one word three times is no answer of three words.
    """
    return max(token_f1(reply, answer) for answer in answers)


def exact_match(reply: str, answers: Sequence[str]) -> bool:
    """Whether a reply is one of the right answers, after SQuAD's normalisation."""
    return any(same_answer(reply, answer) for answer in answers)
