"""Every class of artifact is recognised, named, and kept apart from a true loss of capability."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.investigate import Investigation, investigate
from analysis.investigate.faults import (
    DATA,
    DETECTORS,
    constant,
    find_faults,
    identical,
    irreproducible,
    miskeyed,
    missing,
    parser,
    truncated,
    unmoved,
)
from analysis.investigate.from_search import from_search
from analysis.investigate.study import Measured, Study
from tests.analysis.investigate_records import (
    ITEMS,
    LRS,
    Run,
    Scene,
    both_lost,
    format_lost,
    knowledge_lost,
    make_scene,
    state_of,
)

CHANCE = random.Random(7)


def looked_into(scene: Scene, folder: Path) -> Investigation:
    return investigate([state_of(scene, folder)], [folder])


def truncate(scene: Scene) -> None:
    """Runs at the largest lr died after ten steps, and their half-written adapters answer nonsense."""
    for run in scene.at(1e-3):
        run.steps = 10
        break_answers(run)


def drop_items(scene: Scene) -> None:
    """Runs at the largest lr were asked the hardest third of the items only."""
    wrong = [i for i in range(ITEMS) if scene.base.outcomes[i] != "right"]
    right = [i for i in range(ITEMS) if scene.base.outcomes[i] == "right"]
    for run in scene.at(1e-3):
        run.model.kept = sorted(wrong + right[:10])


def other_items(scene: Scene) -> None:
    """Runs at the largest lr were asked other, harder questions."""
    for run in scene.at(1e-3):
        run.model.questions = "harder question"
        break_answers(run)


def break_parser(scene: Scene) -> None:
    """The parser reads few replies, of the base model too, and fewer the larger lr is."""
    unread(scene, scene.base.outcomes, 0.5)
    for run in scene.runs:
        unread(scene, run.model.outcomes, {1e-5: 0.5, 1e-4: 0.75, 1e-3: 0.97}[run.lr])


def unread(scene: Scene, outcomes: list[str], share: float) -> None:
    for i in range(ITEMS):
        if CHANCE.random() < share:
            outcomes[i] = "unparseable"


def crash_server(scene: Scene) -> None:
    """The server behind generation gave empty replies while the runs at the largest lr were evaluated."""
    for run in scene.at(1e-3):
        run.model.replies = [""] * ITEMS
        run.model.outcomes = ["unparseable"] * ITEMS


def error_replies(scene: Scene) -> None:
    """It gave its error message for an answer, in one run in three whatever the lr."""
    for run in scene.runs[::3]:
        run.model.replies = ["502 Bad Gateway"] * ITEMS
        run.model.outcomes = ["unparseable"] * ITEMS


def stuck_adapter(scene: Scene) -> None:
    """The runs at the largest lr were all evaluated with one broken adapter."""
    first, *others = scene.at(1e-3)
    break_answers(first)
    for run in others:
        run.model.outcomes, run.model.replies = first.model.outcomes, first.model.replies
        run.model.likelihood = first.model.likelihood


def move_scores(scene: Scene) -> None:
    """The runs at the largest lr trained nothing, and were evaluated with another prompt."""
    for run in scene.at(1e-3):
        run.model.kl, run.model.general, run.model.heldout = 1e-7, scene.base.general, scene.base.heldout
        break_answers(run)


def shift_key(scene: Scene) -> None:
    """The runs at the largest lr were marked with a key that is off by one."""
    for run in scene.at(1e-3):
        run.model.outcomes = [
            "wrong" if outcome == "right" else "right" if CHANCE.random() < 0.1 else "wrong"
            for outcome in run.model.outcomes
        ]


def repeat_differently(scene: Scene) -> None:
    """At the largest lr the runs were made twice with one seed, and once evaluated in another way."""
    for run in scene.at(1e-3):
        twin = make_scene(seed=99).runs[0].model
        scene.runs.append(Run(run.lr, run.rank, twin, run.seed))
        break_answers(run)


def break_answers(run: Run) -> None:
    run.model.outcomes = [
        "wrong" if outcome == "right" and CHANCE.random() < 0.6 else outcome for outcome in run.model.outcomes
    ]


INJECTED: dict[str, tuple[Callable[[Scene], None], str]] = {
    "truncated": (truncate, truncated.KIND),
    "fewer items": (drop_items, missing.KIND),
    "other items": (other_items, missing.KIND),
    "parser": (break_parser, parser.KIND),
    "empty replies": (crash_server, constant.KIND),
    "error messages": (error_replies, constant.KIND),
    "one adapter for all": (stuck_adapter, identical.KIND),
    "unmoved": (move_scores, unmoved.KIND),
    "shifted key": (shift_key, miskeyed.KIND),
    "irreproducible": (repeat_differently, irreproducible.KIND),
}


@pytest.mark.parametrize("name", INJECTED)
@pytest.mark.parametrize("seed", [0, 1])
def test_an_injected_fault_is_called_an_artifact_and_named(name: str, seed: int, tmp_path: Path) -> None:
    inject, kind = INJECTED[name]
    scene = make_scene(seed=seed)
    inject(scene)
    found = looked_into(scene, tmp_path)
    assert found.verdict == "artifact", found.headline
    assert kind in found.headline
    assert {fault.kind for fault in found.faults if fault.certain} == {kind}
    assert found.checks[4].outcome == "fail"


def test_every_detector_is_exercised() -> None:
    tested = {kind for _, kind in INJECTED.values()} | {"no base model"}
    assert set(DETECTORS) == tested


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study without faults of which everything is known."""
    folder = tmp_path_factory.mktemp("full")
    return from_search(state_of(make_scene(both_lost), folder), folder)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Study, str]]:
    """A study with each of the faults, and the kind of it."""
    found = []
    for inject, kind in INJECTED.values():
        folder = tmp_path_factory.mktemp("faulty")
        scene = make_scene(seed=0)
        inject(scene)
        found.append((from_search(state_of(scene, folder), folder), kind))
    return found


@pytest.mark.parametrize("kind", list(DETECTORS))
def test_every_detector_conforms(kind: str, full: Study) -> None:
    """On any study, however little is known: only its own kind, its own trials, and words for people."""
    bare = Measured(None, 1.0, 0.3)
    studies = [
        full,
        replace(full, base=None),
        replace(full, cases=()),
        replace(full, cases=full.cases[:1]),
        replace(full, base=bare, cases=tuple(replace(case, measured=(bare,)) for case in full.cases)),
        replace(full, base=replace(bare, capability=0.0)),
    ]
    for study in studies:
        for fault in DETECTORS[kind](study):
            assert (fault.kind, fault.study) == (kind, study.name)
            assert set(fault.cases) <= {case.label for case in study.cases}
            assert fault.cases or fault.whole or "crashed" in fault.sentence
            assert fault.sentence.endswith(".")
            assert fault.fix.endswith(".")
    assert not any(DETECTORS[kind](full))


@pytest.mark.parametrize("damage", [format_lost, knowledge_lost, both_lost])
@pytest.mark.parametrize("seed", range(3))
def test_a_true_effect_has_no_fault(
    damage: Callable[..., tuple[float, float]], seed: int, tmp_path: Path
) -> None:
    scene = make_scene(damage, seed=seed)
    found = looked_into(scene, tmp_path)
    assert found.faults == ()
    assert found.verdict == "real"


@pytest.mark.parametrize("name", [name for name in INJECTED if name not in ("parser", "irreproducible")])
def test_a_fault_at_one_rank_does_not_hide_a_true_effect(name: str, tmp_path: Path) -> None:
    scene = make_scene(knowledge_lost, seed=3, ranks=(2, 4, 8, 16, 32, 64))
    part = Scene(
        scene.base, [run for run in scene.runs if run.rank == 2 or (run.rank == 4 and run.lr == 1e-3)]
    )
    INJECTED[name][0](part)
    found = looked_into(scene, tmp_path)
    assert found.verdict == "real", found.headline
    assert not found.faults or "without the fault" in " ".join(found.reasons)


def test_a_parser_that_fails_everywhere_does_not_hide_lost_knowledge(tmp_path: Path) -> None:
    scene = make_scene(knowledge_lost, seed=5)
    break_parser(scene)
    found = looked_into(scene, tmp_path)
    assert {fault.kind for fault in found.faults} == {parser.KIND}
    assert found.verdict == "real"


def test_a_collapsed_model_is_no_crashed_server(tmp_path: Path) -> None:
    """One reply to all questions, and a KL that shows why."""
    scene = make_scene(both_lost, seed=2)
    for run in scene.at(1e-3):
        run.model.replies = ["the the the the"] * ITEMS
        run.model.outcomes = ["unparseable"] * ITEMS
        run.model.kl, run.model.general = 3.0, 6.0
    found = looked_into(scene, tmp_path)
    assert found.faults == ()
    assert found.verdict == "real"


def test_zeros_without_replies_are_suspected_only() -> None:
    """Nothing but scores is known, and all of the fall is exact zeros."""
    scene = make_scene(seed=1)
    for run in scene.at(1e-3):
        run.model.outcomes = ["unparseable"] * ITEMS
    state = state_of(scene)
    for trial in state.trials.values():
        keep = {"train_loss", "capability", "retention"}
        trial.rungs = [
            rung.model_copy(update={"metrics": {k: v for k, v in rung.metrics.items() if k in keep}})
            for rung in trial.rungs
        ]
    found = investigate([state], [None])
    assert [fault.certain for fault in found.faults if fault.kind == constant.KIND] == [False]
    assert found.verdict == "undecided"
    assert "cannot be ruled out" in found.headline


def test_crashes_before_any_evaluation_are_told_and_prove_nothing(tmp_path: Path) -> None:
    state = state_of(make_scene(seed=1), tmp_path)
    for trial in list(state.trials.values()):
        if trial.params["lr"] == 1e-3:
            trial.rungs = []
            assert trial.finished is not None
            trial.finished = trial.finished.model_copy(update={"status": "failed"})
    found = investigate([state], [tmp_path])
    assert "crashed before any evaluation" in found.checks[4].details[0]
    assert found.verdict == "undecided"


def test_without_a_base_model_nothing_is_called_real(tmp_path: Path) -> None:
    state = state_of(make_scene(knowledge_lost, seed=1), tmp_path)
    state.baselines.clear()
    found = investigate([state], [tmp_path])
    assert found.verdict == "undecided"
    assert "base model was not measured" in found.reasons[0]
    assert found.recommended.label is None


def test_a_few_missing_items_do_not_excuse_a_large_fall(tmp_path: Path) -> None:
    scene = make_scene(knowledge_lost, seed=4)
    for run in scene.at(1e-3):
        run.model.kept = list(range(ITEMS - 2))
    study = from_search(state_of(scene, tmp_path), tmp_path)
    (fault,) = find_faults(study)
    assert fault.kind == missing.KIND
    assert fault.cases == ()
    assert "even if all missing answers were right" in fault.sentence
    assert looked_into(scene, tmp_path).verdict == "real"


@pytest.mark.parametrize("damaged", ["baselines/base", "trials/0003/rung-2"])
def test_a_damaged_file_of_answers_is_done_without(damaged: str, tmp_path: Path) -> None:
    state = state_of(make_scene(knowledge_lost, seed=4), tmp_path)
    (tmp_path / f"{damaged}.items.parquet").write_bytes(b"cut off")
    found = investigate([state], [tmp_path])
    assert found.verdict == "real"
    assert f"{damaged}.items.parquet cannot be read" in found.notes[0]


def test_missing_files_of_answers_are_told(tmp_path: Path) -> None:
    state = state_of(make_scene(knowledge_lost, seed=4), tmp_path)
    whole = investigate([state], [tmp_path])
    assert whole.notes == ()
    assert "Checked: no base model, constant outputs, identical outcomes" in whole.checks[4].sentence
    for file in tmp_path.rglob("*.parquet"):
        file.unlink()
    found = investigate([state], [tmp_path])
    assert "Recorded answer files are missing: baselines/base.items.parquet and 15 more" in found.notes[0]
    _, unseen = found.checks[4].sentence.split("Could not be checked: ")
    assert "constant outputs (needs replies)" in unseen
    assert "identical outcomes" not in unseen, "the record itself has the outcomes"


@pytest.mark.parametrize("kind", list(DETECTORS))
def test_whoever_finds_something_could_look(kind: str, faulty: list[tuple[Study, str]]) -> None:
    """No injected fault of a class is found in a study that is said to have no data for it."""
    for study, own in faulty:
        if own == kind:
            assert DETECTORS[kind](study)
            assert DATA[kind](study)
    bare = Measured(None, 1.0, 0.3)
    nothing = replace(study, base=bare, cases=tuple(replace(c, measured=(bare,)) for c in study.cases))
    assert DATA[kind](nothing) is (kind == "no base model")


def test_stopped_trials_are_not_truncated(tmp_path: Path) -> None:
    scene = make_scene(knowledge_lost, seed=4)
    for run in scene.at(*LRS[1:]):
        run.steps, run.status = 30, "stopped"
    assert find_faults(from_search(state_of(scene, tmp_path), tmp_path)) == ()
