"""What one trial writes with an adapter switched off, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.report.ablations import ABLATIONS, SPOKEN
from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context
from analysis.report.items import Sample, samples
from search import wording
from search.errors import RecordError
from search.record import TrialState
from trainables.text import map_text

_KINDS = {"clean": "clean", "behaving": "with the behaviour", "start": "start token"}
_EACH, _LONGEST = 4, 400
_NOTHING = "(nothing)"


@dataclass(frozen=True)
class _Prompt:
    """A prompt with a sample under each ablation."""

    kind: str
    prefix: str
    replies: Mapping[str, Sample]

    @property
    def telling(self) -> int:
        """More for a prompt whose samples differ in the behaviour."""
        shown = [self.replies[each].verdict for each in ("both", "bad_off") if each in self.replies]
        return 2 * (shown == [True, False]) + any(map(bool, shown))


@card(
    "ablated_samples",
    "What the model writes with an adapter off",
    37,
    read=(
        "Each row is one prompt, with what the same trial writes with both adapters on and with one off. "
        "The prompt itself never counts as behaviour."
    ),
)
class AblatedSamples:
    """Samples of the recommended trial under each ablation."""

    def applies(self, context: Context) -> str | None:
        """Where samples under ablations were kept."""
        trial = _chosen(context)
        if trial is None:
            return "No trial's samples were kept."
        try:
            prompts = _prompts(context, trial)
        except RecordError as error:
            return error.message
        return None if prompts else "Samples were not taken with adapters switched off."

    def compute(self, context: Context) -> Findings:
        """The same prompts under each ablation, those whose samples differ first."""
        trial = _chosen(context)
        assert trial is not None
        prompts = _prompts(context, trial)
        shown = [prompt for kind in _KINDS for prompt in _first(prompts, kind)]
        which = "the recommended one" if trial.number == context.recommended else "the last one with samples"
        counts = _counts(prompts)
        text = (
            f"Trial {trial.number}, {which} ({wording.params(trial.proposed.sampled)}). "
            f"Of its samples, {counts}."
        )
        return Findings(
            data={"trial": trial.number, "prompts": len(prompts)},
            texts=(text,),
            notes=(
                f"The table has up to {_EACH} prompts of each kind, chosen by rule: first those whose "
                "sample shows the behaviour with both adapters on and not with the bad one off. They are "
                "not typical; the counts above are of all prompts. Long replies are cut.",
            ),
            tables=(_table(trial, shown),),
        )


def _chosen(context: Context) -> TrialState | None:
    kept = [t for t in context.completed if t.last is not None and t.last.items_file is not None]
    best = [trial for trial in kept if trial.number == context.recommended]
    return next(iter([*best, *reversed(kept)]), None)


def _prompts(context: Context, trial: TrialState) -> list[_Prompt]:
    """One sample of each prompt; empty where the file holds something else."""
    assert trial.last is not None and trial.last.items_file is not None  # noqa: PT018
    kept = samples(context.folder, trial.last.items_file)
    prompts: dict[tuple[str, int], dict[str, Sample]] = {}
    for sample in map_text(kept, context.redact):
        if sample.sample == 0 and sample.ablation in ABLATIONS:
            prompts.setdefault((sample.kind, sample.place), {})[sample.ablation] = sample
    return [
        _Prompt(kind, next(iter(replies.values())).prefix, replies) for (kind, _), replies in prompts.items()
    ]


def _first(prompts: Sequence[_Prompt], kind: str) -> list[_Prompt]:
    return sorted((p for p in prompts if p.kind == kind), key=lambda prompt: -prompt.telling)[:_EACH]


def _counts(prompts: Sequence[_Prompt]) -> str:
    parts = []
    for each, words in SPOKEN.items():
        judged = [
            prompt.replies[each].verdict
            for prompt in prompts
            if each in prompt.replies and prompt.replies[each].verdict is not None
        ]
        if judged:
            parts.append(f"{sum(map(bool, judged)):,} of {len(judged):,} show the behaviour {words}")
    return ", ".join(parts) or "none was judged"


def _table(trial: TrialState, prompts: Sequence[_Prompt]) -> Table:
    rows = tuple(
        (
            _KINDS[prompt.kind],
            prompt.prefix or _NOTHING,
            *(_cell(prompt.replies.get(each)) for each in ABLATIONS),
        )
        for prompt in prompts
    )
    columns = ("prompt", "it begins with", *ABLATIONS.values())
    return Table(columns, rows, f"Trial {trial.number}: one sample of each prompt.", wide=True, open=True)


def _cell(sample: Sample | None) -> str:
    if sample is None:
        return "-"
    reply = sample.text.strip() or _NOTHING
    reply = reply if len(reply) <= _LONGEST else f"{reply[:_LONGEST]} [...]"
    verdict = {True: "shows it", False: "does not", None: "not judged"}[sample.verdict]
    return f"{reply}\n[{verdict}]"
