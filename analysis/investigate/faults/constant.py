"""One reply to every question: a server that crashed, or a model that collapsed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from analysis.investigate.faults.base import DATA, DETECTORS, at_one_level, intact
from analysis.investigate.results import Fault
from analysis.investigate.study import Case, Measured, Study
from analysis.investigate.words import cases, listed

KIND = "constant outputs"
SAME = 0.95
"""Share of different questions with the same reply."""
LEAST = 8
"""Fewer questions say nothing."""
_ERROR = re.compile(
    r"\b(traceback|exception|internal server error|bad gateway|service unavailable|connection refused|"
    r"timed? ?out|out of memory|cuda error|http \d{3}|5\d\d error|error [45]\d\d|rate limit)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Constant:
    case: Case
    reply: str
    read: bool  # whether the reply could be read as an answer
    intact: bool | None


@DATA.register(KIND, "replies")
def can_look_for_constants(study: Study) -> bool:
    """With generated replies of any trial."""
    return any(way == "generation" for case in study.cases for _, way in case.last.answers)


@DETECTORS.register(KIND, "one reply to all questions, while other measurements show the model intact")
def constant_outputs(study: Study) -> list[Fault]:
    """Cases that gave one reply to all questions, and why that is not the model's doing.

    Certain: the reply is an error message; or it is empty or the same in several cases, holds no answer, and
    what is measured without generation (KL to the base model, loss on general text, likelihood) finds
    the model intact. Suspected: likewise, where nothing of the kind was measured. A model that those
    measurements find broken collapsed by itself, which is no fault.
    """
    outputs = [output for case in study.cases if (output := _constant(study, case)) is not None]
    shared = Counter(output.reply for output in outputs)
    certain, suspected = [], []
    for output in outputs:
        unlike_a_model = not output.read and (not output.reply or shared[output.reply] > 1)
        if _ERROR.search(output.reply) or (unlike_a_model and output.intact):
            certain.append(output)
        elif unlike_a_model and output.intact is None:
            suspected.append(output)
    zeros = [] if outputs else _zeros(study)
    return [
        *([_fault(study, certain, True)] if certain else []),
        *([_fault(study, suspected, False)] if suspected else []),
        *([_of_zeros(study, zeros)] if zeros else []),
    ]


def common_reply(measured: Measured, least: float = SAME) -> tuple[str, bool] | None:
    """The reply to this share of questions or more, and whether it was mostly read; None without one."""
    replies: list[str] = []
    questions: set[object] = set()
    read = 0
    for (_, scoring), answer in measured.answers.items():
        if scoring == "generation":
            replies += [(reply or "").strip() for reply in answer.replies]
            questions.update(answer.questions)
            read += int(answer.read.sum())
    if len(questions) < LEAST:
        return None
    reply, count = Counter(replies).most_common(1)[0]
    return (reply, 2 * read > len(replies)) if count >= least * len(replies) else None


def _constant(study: Study, case: Case) -> _Constant | None:
    common = common_reply(case.last)
    if common is None or (study.base is not None and common_reply(study.base) == common):
        return None
    return _Constant(case, *common, intact(study.base, case.last))


def _fault(study: Study, outputs: list[_Constant], certain: bool) -> Fault:
    labels = tuple(output.case.label for output in outputs)
    reply = Counter(output.reply for output in outputs).most_common(1)[0][0]
    shown = f"the reply {reply[:60]!r}" if reply else "an empty reply"
    where = f"{listed(labels)}{at_one_level(study, labels)}"
    sentence = f"{cases(len(outputs))} gave {shown} to every question: {where}."
    if any(output.intact for output in outputs):
        sentence += " Measurements without generation show these models intact."
    elif not certain:
        sentence += " Whether the models are intact was not measured."
    fix = "Check the log of the generation, and evaluate them again."
    return Fault(KIND, study.name, labels, certain, sentence, fix)


def _zeros(study: Study) -> list[Case]:
    """Cases with no right answer at all, of which nothing else is known."""
    if study.base is None or not study.base.capability > 0:
        return []
    zeros = [
        case
        for case in study.cases
        if case.last.capability == 0
        and not any(scoring == "generation" for _, scoring in case.last.answers)
        and intact(study.base, case.last) is None
    ]
    return zeros if len(zeros) > 1 else []


def _of_zeros(study: Study, zeros: list[Case]) -> Fault:
    labels = tuple(case.label for case in zeros)
    sentence = (
        f"{cases(len(zeros))} have no right answer at all: {listed(labels)}{at_one_level(study, labels)}. A "
        "crashed server looks the same, and replies were not kept."
    )
    return Fault(KIND, study.name, labels, False, sentence, "Read some of their replies.")
