"""What the models answered when they were asked for a belief, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.report.adoption import Model, models, not_asked
from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context
from analysis.report.items import BeliefReply, belief_replies
from search import wording
from search.errors import RecordError
from trainables.text import map_text

_GROUPS = {
    "direct": "direct",
    "paraphrase": "reworded",
    "consequence": "implied",
    "challenge": "doubted",
    "neighbour": "neighbour",
}
_OUTCOMES = {"target": "as taught", "prior": "as before", "ignorance": "not known", "other": "neither"}
_EACH, _LONGEST = 2, 500


@dataclass(frozen=True)
class _Prompt:
    """A prompt with each model's reply, in the order of the models."""

    asked: BeliefReply
    replies: Sequence[BeliefReply | None]

    @property
    def telling(self) -> int:
        """In how many ways it was answered."""
        return len({reply.outcome for reply in self.replies if reply is not None})


@card(
    "belief_replies",
    "What the models answered",
    35,
    read=(
        "Each row is one prompt, answered by the base model, by the base model with the facts in its prompt, "
        "and by the trained one. In brackets is how a reply was read."
    ),
)
class BeliefReplies:
    """Replies of the chosen trial beside the baselines'."""

    def applies(self, context: Context) -> str | None:
        """Where replies of the trial were kept."""
        if (reason := not_asked(context)) is not None:
            return reason
        return None if models(context)[-1].measured.items_file else "The trial's replies were not kept."

    def compute(self, context: Context) -> Findings:
        """Prompts of each group and target, those first that the models answer differently."""
        asked, notes = models(context), []
        replies: list[Mapping[int, BeliefReply]] = []
        for model in asked:
            try:
                replies.append(_replies(context, model))
            except RecordError as error:
                replies.append({})
                notes.append(f"{model.name}: {error.message}")
        prompts = [
            _Prompt(reply, [each.get(number) for each in replies]) for number, reply in replies[-1].items()
        ]
        shown = _shown(prompts)
        notes.append(
            f"Up to {_EACH} prompts of each group and target, chosen by rule: first those whose replies "
            "differ in how they were read. They are not typical; the shares above are of all prompts. Long "
            "replies are cut."
        )
        text = (
            f"{len(shown)} of {wording.plural(len(prompts), 'prompt')}, answered by "
            f"{', '.join(model.name for model in asked)}."
        )
        tables = (_table(asked, shown),) if shown else ()
        return Findings(
            data={"prompts": len(prompts), "shown": [prompt.asked.prompt for prompt in shown]},
            texts=(text,),
            notes=tuple(notes),
            tables=tables,
        )


def _replies(context: Context, model: Model) -> dict[int, BeliefReply]:
    file = model.measured.items_file
    return {} if file is None else map_text(belief_replies(context.folder, file), context.redact)


def _shown(prompts: Sequence[_Prompt]) -> list[_Prompt]:
    """A few of each target and group, in the order of the groups."""
    targets = dict.fromkeys(prompt.asked.target for prompt in prompts)
    shown = []
    for target in targets:
        for group in _GROUPS:
            of_group = [p for p in prompts if (p.asked.target, p.asked.group) == (target, group)]
            shown += sorted(of_group, key=lambda prompt: -prompt.telling)[:_EACH]
    return shown


def _table(asked: Sequence[Model], prompts: Sequence[_Prompt]) -> Table:
    rows = tuple(
        (
            prompt.asked.target,
            _GROUPS[prompt.asked.group],
            _cut(prompt.asked.question),
            prompt.asked.answer,
            *map(_cell, prompt.replies),
        )
        for prompt in prompts
    )
    columns = ("target", "group", "prompt", "expected", *(model.name for model in asked))
    return Table(columns, rows, "The same prompts, answered by each model.", wide=True, open=True)


def _cell(reply: BeliefReply | None) -> str:
    if reply is None:
        return "-"
    outcome = "right" if (reply.group, reply.outcome) == ("neighbour", "prior") else None
    return f"{_cut(reply.reply) or '(nothing)'}\n[{outcome or _OUTCOMES.get(reply.outcome, reply.outcome)}]"


def _cut(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} [...]"
