"""What the report says in words: plain, with numbers that agree from card to card."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import analysis.report.cards  # noqa: F401  registers them
from analysis.report.base_comparison import mean_kept, one_rule
from analysis.report.card import CARDS, Findings
from analysis.report.chart import HeatmapChart, Plot, per_row
from analysis.report.context import Context, interval, value
from analysis.report.glossary import meanings
from analysis.report.groups import by
from analysis.report.words import ended_by, spoken
from search.judging.confirmation import confirmation
from search.judging.grades import grade
from search.record import Event, RungReached, SearchState, TrialProposed, TrialState
from search.record.events import RecordedTrainable
from search.record.explained import explanation
from tests.analysis.report_records import LRS, SKILL, state_of, whole
from tests.records import make_config
from trainables.evaluation.metrics import METRICS
from trainables.evaluation.metrics.own import OWN


def found(context: Context, name: str) -> Findings:
    card = CARDS[name].card
    assert card.applies(context) is None
    return card.compute(context)


def changed(folder: Path, change: Callable[[Event], Event | None]) -> Context:
    events = [new for event in whole(folder, repeats=0) if (new := change(event)) is not None]
    return Context(SearchState.from_events(events), folder)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("words")
    return Context(state_of("whole", folder), folder)


def asked_all(skills: Sequence[str]) -> RecordedTrainable:
    """What a record of `lora` says where everything is measured of each skill."""
    configured = [
        {"name": name, "path": f"{name}.jsonl", "scoring": ["generation", "likelihood", "likelihood_norm"]}
        for name in skills
    ]
    configured.append({"name": "task", "path": "lm_eval:task", "scoring": ["harness"], "at": "last"})
    capability = {
        "skills": configured,
        "general_text": "general.txt",
        "kl_prompts": 4,
        "think_section": True,
        "facts": {"path": "embedded:beliefs/real.jsonl"},
        "metrics": [{"name": "kind", "source": "mine.py:kind", "direction": "max"}],
    }
    return explanation("lora", make_config(capability=capability).options)


def test_a_metric_has_one_description_in_report_and_docs() -> None:
    table = Path("docs/search.md").read_text().split("| metric | what it is |")[1].split("\n\n")[0]
    documented = dict(re.findall(r"^\| `(.+?)` \| (.+) \| .+ \|$", table, re.MULTILINE))
    known = asked_all(["facts"])
    described = meanings(["train_loss", "retention", *(metric.name for metric in known.metrics)], known)
    assert set(documented) <= set(described)
    lines = {name: line for name, line in METRICS.lines().items() if name != OWN}
    assert set(described) >= set(lines)
    assert "mine.py:kind" in described["kind"], "each metric of a user is explained by itself"
    for name, line in lines.items():
        assert line.endswith(".")
        assert described[name].startswith(line)
        assert documented.get(name, line).startswith(line)


def test_the_page_on_the_report_has_every_card_by_its_title() -> None:
    page = Path("docs/report.md").read_text().partition("## Where a number comes from")[0]
    missing = [
        card.title
        for card in map(CARDS.__getitem__, CARDS)
        if not re.search(
            rf"(^\d\. \*\*|\| |[;?] ){re.escape(card.title.format(score='capability'))}", page, re.M
        )
    ]
    assert missing == []


def test_metrics_of_skills_are_explained_once(context: Context) -> None:
    measured = ["train_loss", "a_generation", "b_generation", "b_f1", "unheard"]
    texts = meanings(measured, asked_all(["a", "b", "c"]))
    assert list(texts) == ["train_loss", "<skill>_generation", "<skill>_f1"]
    assert texts["<skill>_generation"].endswith("Of a, b.")
    assert f"Of {SKILL}." in found(context, "vocabulary").data["metrics"]["<skill>_likelihood"]


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("scheduler", "stopped by the scheduler"),
        ("guard retention", "stopped by the retention guard"),
        ("limits", "stopped by limits"),
        ("not promoted", "paused and not continued"),
        ("out of memory", "out of memory"),
    ],
)
def test_causes_are_said_in_words(cause: str, words: str) -> None:
    assert ended_by(cause) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59.94, "59.9 s"), (59.96, "1 min 0 s"), (225, "3 min 45 s"), (3600, "1 h 0 min"), (7385, "2 h 3 min")],
)
def test_times_have_units(seconds: float, words: str) -> None:
    assert spoken(seconds) == words


def plain_words(context: Context) -> str:
    (plain,) = [text for text in found(context, "verdict").texts if text.startswith("In plain words")]
    return plain


def test_the_verdict_is_said_in_plain_words(tmp_path: Path) -> None:
    context = changed(tmp_path, lambda event: event)
    best = context.state.trials[context.recommended or 0]
    plain = plain_words(context)
    assert plain.startswith("In plain words (its one run): ")
    assert f"{value(best, 'retention'):.0%} of what the base model scores" in plain


def test_the_plain_words_are_of_the_repetitions_where_the_recommendation_is(context: Context) -> None:
    """Else the one run, chosen for being good, would promise more than the caveats allow."""
    confirmed = confirmation(context.state)
    assert confirmed is not None
    own = next(one for one in confirmed.candidates if one.trial == context.recommended).estimates["retention"]
    assert own.mean != value(context.state.trials[context.recommended or 0], "retention")
    plain = plain_words(context)
    assert plain.startswith("In plain words (means of 2 repetitions): ")
    assert f"{own.mean:.0%} of what" in plain


def test_the_verdict_begins_with_the_three_words_and_says_what_would_decide(context: Context) -> None:
    verdict, summary = found(context, "verdict"), context.summary
    (held,) = summary["constraints"]
    words = f"retention >= 0.95 is {held['word']}, {held['measured']}."
    assert verdict.texts[0] == f"Use trial {context.recommended}: {words}"
    assert f"Settings: {summary['settings']}." in verdict.texts[1]
    assert sum(held["measured"] in text for text in (*verdict.texts, *verdict.notes)) == 1
    if held["decide"] is not None:
        assert any(held["decide"] in note for note in verdict.notes)
    if summary["deciding"] is not None:
        command = f"{summary['deciding']['key']}={summary['deciding']['value']}"
        assert any(note.endswith(command) for note in verdict.notes)


def test_the_price_has_units(context: Context) -> None:
    (price,) = [text for text in found(context, "verdict").texts if text.startswith("What the search cost")]
    assert "of working time" in price
    assert f"{len(context.trials)} trials did" in price
    assert "2 repetitions of the best did" in price


def test_a_lucky_trial_among_broken_ones_is_not_praised_without_a_word(tmp_path: Path) -> None:
    """It is recommended at a learning rate that another card calls catastrophic."""
    best: list[int] = []

    def lucky(event: Event) -> Event:
        if isinstance(event, TrialProposed) and event.sampled == {"lr": LRS[2], "rank": 16}:
            best.append(event.trial)
        if isinstance(event, RungReached) and event.trial in best:
            own = event.intervals["retention"]._replace(low=0.93, high=1.02)
            kept = {"retention": 0.97, "capability": 0.88}
            intervals = event.intervals | {"retention": own}
            return event.model_copy(update={"metrics": event.metrics | kept, "intervals": intervals})
        return event

    context = changed(tmp_path, lucky)
    assert [context.recommended] == best
    (note,) = [note for note in found(context, "verdict").notes if "this one among them" in note]
    row = next(row for row in found(context, "change").data["groups"] if best[0] in row["trials"])
    assert row["grade"] == "catastrophic"
    assert f"at lr {row['lr']}" in note
    assert "catastrophic" in note
    assert str(mean_kept(context, [context.state.trials[number] for number in row["trials"]])) in note


def test_one_trial_has_the_interval_by_which_the_search_decided(context: Context) -> None:
    for trial in context.completed:
        kept, own = mean_kept(context, [trial]), interval(trial, "retention")
        assert own is not None
        assert kept.data() == {
            "value": value(trial, "retention"),
            "low": own.low,
            "high": own.high,
            "n": own.n,
            "n_of": "questions",
        }


def test_a_mean_of_several_trials_has_one_interval_on_every_card(context: Context, tmp_path: Path) -> None:
    both = Context(context.state, context.folder, (state_of("single", tmp_path), tmp_path))
    groups: list[dict[str, Any]] = found(both, "change").data["groups"]
    compared = found(both, "comparison").data["searches"][0]["by_lr"]
    assert [one["kept"] for one in compared] == [one["retention"] for one in groups]
    assert all(one["kept"]["n_of"] == "questions" for one in compared)
    for card in ("change", "comparison"):
        assert set(one_rule(both)) < set(found(both, card).notes)
    for one in groups:
        assert one["grade"] == str(getattr(grade(one["retention"]["value"]), "name", None))


def test_without_a_base_model_means_have_students_interval(tmp_path: Path) -> None:
    context = Context(state_of("no_baseline", tmp_path), tmp_path)
    kept = mean_kept(context, context.completed)
    assert kept.of == "trials"
    assert kept.estimate.n == len(context.completed)
    assert kept.estimate.low is not None
    assert math.isnan(mean_kept(context, []).estimate.value)


def test_many_values_are_eight_ranges_whatever_the_card() -> None:
    trials = [
        TrialState(
            number, TrialProposed(trial=number, sampled={"lr": 1e-5 * 1.3**number}, params={}, time=0.0)
        )
        for number in range(20)
    ]
    assert len(by(trials, "lr", most=12)) == len(by(trials, "lr")) == 8


def test_wide_maps_stand_below_each_other() -> None:
    def chart(columns: int) -> HeatmapChart:
        names = tuple(map(str, range(columns)))
        return HeatmapChart("x", "y", "z", names, ("a",), ((1.0,) * columns,), (("1",) * columns,))

    def plot(columns: int) -> Plot:
        return Plot("maps", "Maps", "Two maps.", (chart(columns), chart(columns)))

    assert (per_row(plot(3).charts), plot(3).tall) == (2, False)
    assert (per_row(plot(8).charts), plot(8).tall) == (1, True)


def test_ten_ranks_are_ten_rows(tmp_path: Path) -> None:
    ranks = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)

    def other(event: Event) -> Event:
        if isinstance(event, TrialProposed):
            sampled = {"lr": LRS[event.trial % 3], "rank": ranks[event.trial % 10]}
            return event.model_copy(update={"sampled": sampled, "params": sampled})
        return event

    maps = found(changed(tmp_path, other), "heatmaps").data["maps"]
    assert maps[0]["rows"] == [str(rank) for rank in ranks]


def test_nothing_saved_is_no_chart(context: Context) -> None:
    own = found(context, "saved")
    assert own.plots == ()
    assert "no trial was stopped early" in own.texts[0]


def test_one_rung_is_no_curve(tmp_path: Path) -> None:
    def last_only(event: Event) -> Event | None:
        return None if isinstance(event, RungReached) and event.rung < 2 else event

    names = [plot.name for plot in found(changed(tmp_path, last_only), "curves").plots]
    assert names == ["curves-training"]


def test_replies_are_shown_without_empty_lines(context: Context) -> None:
    for table in found(context, "samples").tables:
        assert all("\n\n" not in cell for row in table.rows for cell in row)
