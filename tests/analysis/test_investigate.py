"""The verdict: a true effect is real, noise is undecided, and nothing is said that the data do not bear."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.investigate import InputError, Investigation, investigate
from analysis.investigate.__main__ import main
from analysis.investigate.checks import CHECKS
from analysis.investigate.render import to_markdown
from search.record import SearchState
from tests.analysis.investigate_records import (
    LRS,
    Damage,
    Scene,
    both_lost,
    format_lost,
    knowledge_lost,
    make_scene,
    no_effect,
    record,
    state_of,
)
from tests.records import make_events, trial_events


def looked_into(*scenes: Scene) -> Investigation:
    states = [state_of(scene, name=f"search-{i}") for i, scene in enumerate(scenes)]
    return investigate(states, [None] * len(states))


def outcomes(found: Investigation) -> dict[str, str]:
    return {check.key: check.outcome for check in found.checks}


def falling(strength: float) -> Damage:
    def damage(lr: float, chance: random.Random) -> tuple[float, float]:
        return 0.98, 1 - strength * LRS.index(lr) / 2

    return damage


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_a_true_effect_is_real(strength: float) -> None:
    found = [looked_into(make_scene(falling(strength), seed=seed)) for seed in range(6)]
    assert [one.verdict for one in found] == ["real"] * 6
    assert all(one.faults == () for one in found)
    assert all(outcomes(one)["a"] == outcomes(one)["e"] == "pass" for one in found)


@pytest.mark.parametrize("end", [1e-3, 1e-5])
def test_a_fall_at_one_end_only_is_real(end: float) -> None:
    """At the end of the better loss nine trials are enough; at the other it takes more."""

    def damage(lr: float, chance: random.Random) -> tuple[float, float]:
        return 0.98, 0.5 if lr == end else 1.0

    ranks = (4, 8, 16) if end == 1e-3 else (2, 4, 8, 16, 32)
    found = [looked_into(make_scene(damage, seed=seed, ranks=ranks)) for seed in range(4)]
    assert [one.verdict for one in found] == ["real"] * 4
    together = "a better loss costs capability" in found[0].checks[0].sentence
    assert together is (end == 1e-3)


def test_a_fall_in_the_middle_is_no_trend_and_is_said() -> None:
    def damage(lr: float, chance: random.Random) -> tuple[float, float]:
        return 0.98, 0.4 if lr == 1e-4 else 1.0

    found = looked_into(make_scene(damage, seed=0))
    assert found.verdict == "undecided"
    assert "5 trials are below the base model beyond the noise of the items" in found.reasons[1]


def test_noise_is_undecided() -> None:
    verdicts = Counter(looked_into(make_scene(seed=seed)).verdict for seed in range(40))
    assert verdicts["artifact"] == 0
    assert verdicts["real"] <= 1
    found = looked_into(make_scene(seed=0))
    assert "no significant loss of capability" in found.headline
    assert re.search(r"No trial falls by more than \d+\.\d points", " ".join(found.reasons))


def test_a_search_that_gains_capability_lost_nothing() -> None:
    def gain(lr: float, chance: random.Random) -> tuple[float, float]:
        return {1e-5: 0.55, 1e-4: 0.75, 1e-3: 0.98}[lr], 1.0

    scene = make_scene(gain, seed=1)
    scene.base = make_scene(lambda lr, chance: (0.3, 1.0), seed=1).runs[0].model
    scene.base.outcomes = ["wrong" if one == "unparseable" else one for one in scene.base.outcomes]
    found = looked_into(scene)
    assert found.verdict == "undecided"
    assert "nothing was lost" in found.checks[0].sentence


def test_gains_above_a_base_within_noise_of_the_lower_end_lose_nothing() -> None:
    """The lower end sits at the base model, give or take noise, and the rest rises above it."""

    def gain(lr: float, chance: random.Random) -> tuple[float, float]:
        return {1e-5: 0.6, 1e-4: 0.75, 1e-3: 0.95}[lr], 1.0

    verdicts = []
    for seed in range(12):
        scene = make_scene(gain, seed=seed, ranks=(2, 4, 8, 16, 32, 64, 128))
        scene.base = make_scene(lambda lr, chance: (0.6, 1.0), seed=seed).runs[0].model
        scene.base.outcomes = ["wrong" if one == "unparseable" else one for one in scene.base.outcomes]
        found = looked_into(scene)
        assert found.checks[0].statistics[1].value > 0
        verdicts.append((found.verdict, "no loss is shown" in found.checks[0].sentence))
    assert [verdict for verdict, _ in verdicts].count("real") <= 1
    assert any(shown for _, shown in verdicts), "some lie below the base model by no more than noise"


def test_three_trials_are_too_few_and_it_says_how_many_are_needed() -> None:
    found = looked_into(make_scene(knowledge_lost, seed=0, ranks=(8,)))
    assert found.verdict == "undecided"
    assert outcomes(found)["b"] == "not applicable"
    assert outcomes(found)["c"] == "not applicable"
    assert any("trials are needed; there are 3" in text for text in found.needed)
    assert "beyond the noise of the items: trial 1 and trial 2" in found.reasons[1]


def test_grades_and_recommendation() -> None:
    found = looked_into(make_scene(knowledge_lost, seed=1))
    names = [level.grade.name for level in found.levels if level.grade]
    assert names == ["maintained", "moderate", "catastrophic"]
    assert all(
        level.low is not None and level.low <= (level.retention or 0) <= (level.high or 0)
        for level in found.levels
    )
    assert "1.0e-03" in found.winner
    assert "catastrophic" in found.winner
    assert found.recommended.params["lr"] == 1e-5


def test_a_trial_whose_repetition_breaks_a_bound_is_not_recommended() -> None:
    state = state_of(make_scene(knowledge_lost, seed=1))
    first = investigate([state], [None]).recommended.label
    assert first is not None
    chosen = state.trials[int(first.removeprefix("trial "))]
    broken = {"train_loss": 1.0, "capability": 0.1, "retention": 0.2}
    proposed, *measured = trial_events(
        len(state.trials), broken, sampled=chosen.proposed.sampled, repeats=chosen.number
    )
    state.apply(proposed)
    assert investigate([state], [None]).recommended.label == first, "it has not been measured"
    for event in measured:
        state.apply(event)
    assert investigate([state], [None]).recommended.label not in (None, first)


@pytest.mark.parametrize(
    ("damage", "lost"),
    [(format_lost, "format"), (knowledge_lost, "knowledge"), (both_lost, "both"), (no_effect, "neither")],
)
@pytest.mark.parametrize("by_item", [False, True])
def test_knowledge_or_format(damage: Damage, lost: str, by_item: bool, tmp_path: Path) -> None:
    folder = tmp_path if by_item else None
    found = investigate([state_of(make_scene(damage, seed=0), folder)], [folder])
    assert found.finding.lost == lost
    assert " on exam, change from the base model: by generation" in found.finding.sentence
    paired = [one for one in found.finding.statistics if "paired with the base model" in one.method]
    assert bool(paired) is by_item


def test_knowledge_at_chance_cannot_be_lost(tmp_path: Path) -> None:
    """The base model itself guesses by likelihood: that it still does proves nothing."""
    scene = make_scene(format_lost, seed=0)
    for model in (scene.base, *(run.model for run in scene.runs)):
        model.likelihood = [i % 4 == 0 for i in range(len(model.likelihood))]
    found = investigate([state_of(scene, tmp_path)], [tmp_path])
    assert found.verdict == "real"
    assert found.finding.lost == "undecided"
    assert "no better than random guessing" in found.finding.sentence


class TestSecondSearch:
    def test_the_same_trend_confirms(self) -> None:
        found = looked_into(*(make_scene(knowledge_lost, seed=seed) for seed in range(3)))
        assert outcomes(found)["d"] == "pass"
        assert found.studies == ("search-0 (embedded)", "search-1 (embedded)", "search-2 (embedded)")
        assert len(found.checks[3].statistics) == 2

    def test_noise_does_not_confirm_and_is_said(self) -> None:
        found = looked_into(make_scene(knowledge_lost, seed=0), make_scene(seed=1))
        assert outcomes(found)["d"] == "fail"
        assert found.verdict == "real"
        assert "not confirmed on a second search" in found.reasons[-1]

    def test_other_data_are_told(self) -> None:
        states = [state_of(make_scene(knowledge_lost, seed=seed), name=f"search-{seed}") for seed in range(3)]
        for state, data in zip(states, "aab", strict=True):
            base = state.baselines["base"]
            state.baselines["base"] = base.model_copy(update={"fingerprints": {"data": data}})
        (detail,) = investigate(states, [None] * 3).checks[3].details
        assert detail == "search-2 (embedded) has other texts or items than search-0 (embedded)."

    def test_one_search_cannot_be_confirmed(self) -> None:
        assert outcomes(looked_into(make_scene()))["d"] == "not applicable"

    def test_equal_names_are_told_apart(self) -> None:
        states = [state_of(make_scene(seed=seed)) for seed in range(2)]
        assert investigate(states, [None, None]).studies == ("demo (embedded)", "demo (embedded), 2")


def test_a_searched_space_stopped_early_is_compared_step_by_step() -> None:
    """Values of lr on no grid, stopped by scheduler and guards: the trials that broke are not left out."""
    found = investigate([SearchState.from_events(make_events(40, seed=2))], [None])
    assert outcomes(found)["a"] == "pass"
    assert found.checks[0].statistics[1].value < 0
    assert 2 <= len(found.levels) <= 4


def test_another_parameter() -> None:
    state = state_of(make_scene(seed=0))
    found = investigate([state], [None], parameter="rank", group="lr")
    assert (found.parameter, found.group) == ("rank", "lr")


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    ranks=st.integers(1, 4),
    damage=st.sampled_from([no_effect, format_lost, knowledge_lost]),
    base=st.sampled_from([0.05, 0.3, 0.9]),
)
def test_any_search_gives_a_page_and_strict_json(seed: int, ranks: int, damage: Damage, base: float) -> None:
    found = looked_into(make_scene(damage, seed=seed, base=base, ranks=range(1, ranks + 1)))
    data = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert data["verdict"] in ("real", "artifact", "undecided")
    assert [check["key"] for check in data["checks"]] == list(CHECKS) == list("abcde")
    assert found.reasons
    page = to_markdown(found)
    assert page.startswith(f"# Is the loss of capability real? {found.verdict.upper()}")
    assert "nan" not in page.lower()


def test_it_says_the_same_again() -> None:
    scene = make_scene(falling(0.3), seed=9)
    assert looked_into(scene) == looked_into(scene)


class TestCommandLine:
    def test_folders_give_a_page_on_paper_and_on_screen(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = record(make_scene(format_lost, seed=0), tmp_path / "one")
        page = tmp_path / "page.md"
        assert main([str(folder), "--out", str(page)]) == 0
        assert re.sub(r"\\([|*<`\[\\])", r"\1", page.read_text()) == capsys.readouterr().out
        assert "REAL" in page.read_text().splitlines()[0]
        assert "Knowledge or format: format." in page.read_text()

    def test_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = record(make_scene(seed=0), tmp_path / "one")
        assert main([str(folder), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"] == "undecided"

    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            ([], "nothing to investigate"),
            (["{folder}", "--parameter", "rnak"], "did you mean rank?"),
            (["{folder}/none"], "There is no search"),
            (["{folder}", "--table", "x.csv"], "cannot be given together"),
            (["{folder}", "--out", "{folder}/no/page.md"], "cannot be written"),
        ],
    )
    def test_wrong_input(
        self, words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = record(make_scene(seed=0, ranks=(8,)), tmp_path / "one")
        assert main([word.format(folder=folder) for word in words]) == 2
        assert complaint in capsys.readouterr().err

    def test_a_search_without_trials(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        scene = make_scene(seed=0)
        scene.runs.clear()
        assert main([str(record(scene, tmp_path / "one"))]) == 2
        assert "no trial with a measured capability" in capsys.readouterr().err

    def test_a_parameter_without_an_order(self) -> None:
        state = state_of(make_scene(seed=0))
        for trial in state.trials.values():
            trial.params["kind"] = "a"
        with pytest.raises(InputError, match="not a number"):
            investigate([state], [None], parameter="kind")
