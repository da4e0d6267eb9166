"""The plan: what it shows is what would run."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from search.conductor import Conductor
from search.config.load import load_config
from search.plan import Plan, make_plan
from search.plan.estimate import estimate
from search.plan.view import print_plan
from search.record import RecordWriter, RungReached, SearchStarted, TrialFinished, TrialProposed
from search.run import main
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from tests.search.config_files import alone, write_space
from trainables import embedded
from trainables.lora.parameters import LoraParameters
from trainables.lora.plan.shapes import model_shapes
from trainables.machine import cores
from trainables.planning import Costs, PlanRefusedError
from trainables.settings import ModelConfig


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return tmp_path


def plan(*words: str) -> Plan:
    return make_plan(load_config(["space=space.yaml", *words]).config)


@pytest.mark.parametrize("searcher", ["tpe", "random", "grid"])
def test_the_first_configurations_are_those_that_a_search_runs_first(searcher: str) -> None:
    config = load_config(["space=space.yaml", f"searcher={searcher}", "points=[{lr: 3e-4, rank: 4}]"]).config
    space = SearchSpace(config.parameters, config.fixed)
    conductor = Conductor(
        config, space, make_searcher(config, space), make_scheduler(config), lambda event: None
    )
    shown = make_plan(config).first
    for trial in shown:
        assert conductor.next_trial() == trial.trial
        proposed = conductor.state.trials[trial.trial].proposed
        assert (proposed.sampled, proposed.origin) == (trial.sampled, trial.origin)
    assert len(shown) >= 5
    assert shown[0].origin == "listed"


def test_only_what_is_certain_is_shown_of_a_searcher_that_learns() -> None:
    assert len(plan("trials=20", "searcher.startup=3").first) == 3


def test_a_grid_that_ends_early_is_said_to() -> None:
    grid = plan("searcher=grid", "trials=50")
    assert grid.trials == 4
    assert any("only 4" in note for note in grid.notes)


def test_rungs_and_scheduler_are_those_of_the_search() -> None:
    shown = plan("budget.steps=90", "budget.eta=3")
    assert shown.rungs == (10, 30, 90)
    assert any("10, 30, 90" in sentence for sentence in shown.scheduler)


def test_slots_are_groups_times_slots_and_follow_the_cores() -> None:
    own = cores()
    one = ("workers.gpus=0", "workers.slots=1", "trials=100")
    assert plan(*one).slots.most == own
    assert plan(*one, "workers.groups=5").slots.most == 5
    assert plan(*one, f"workers.cpus={own}").slots.most == 1
    assert plan("workers.gpus=0", "workers.groups=5", "workers.slots=3", "trials=100").slots.most == 15
    assert plan("workers.address=somewhere:6379").slots.groups is None


def test_a_machine_that_is_too_small_is_a_problem() -> None:
    cores = len(os.sched_getaffinity(0))
    for words in ((f"workers.cpus={cores + 1}",), ("workers.workers=1000000",), ("workers.groups=100000",)):
        (problem,) = plan("workers.gpus=0", *words).problems
        assert " not fit: the node has " in problem.message
    assert plan("workers.gpus=0", f"workers.cpus={cores}").problems == ()
    far = plan("workers.gpus=0", f"workers.cpus={cores + 1}", "workers.address=somewhere:6379")
    assert far.problems == ()


@pytest.mark.parametrize("mode", [[], ["--plan"]])
def test_gpus_that_are_not_there_are_refused_by_plan_and_run_alike(
    mode: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["space=space.yaml", "workers.gpus=1000", *mode]) == 2
    output = " ".join("".join(capsys.readouterr()).split())
    assert "workers.gpus: 1 worker group of 1 x (1 CPU, 1000 GPU) does not fit" in output
    assert "Lower workers.groups" in output


def test_a_floor_says_how_many_questions_it_needs() -> None:
    (floor,) = plan().floors
    assert (floor.needed, floor.needed_at_half) == (77, 154)
    assert floor.questions is not None
    text = text_of(plan())
    assert "retention >= 0.95: 77 questions are needed" in text
    assert f"there are {floor.questions}" in text
    assert ("too few" in text) == (floor.questions < 77)


def test_repetitions_are_planned_and_part_of_the_time() -> None:
    words = ("workers.groups=1", "trials=9", "scheduler=none")
    none, some = plan(*words, "confirm.candidates=0"), plan(*words, "confirm.candidates=3", "confirm.seeds=2")
    assert none.estimate is not None
    assert some.estimate is not None
    assert (none.repetitions, some.repetitions) == (0, 6)
    assert none.estimate.confirmation_seconds == 0
    assert some.estimate.confirmation_seconds == pytest.approx(
        some.estimate.likely_seconds - none.estimate.likely_seconds
    )
    assert some.estimate.fewest_seconds == none.estimate.fewest_seconds, "without a trial to confirm"
    share = some.estimate.confirmation_seconds / some.estimate.likely_seconds
    text = text_of(some)
    assert "up to 6 more runs" in text
    assert f"about {share:.0%} of the estimated time" in text
    assert "trained only once, with one seed" in text_of(none)
    assert plan("trials=2", "confirm.candidates=3", "confirm.seeds=4").repetitions == 8


def test_guards_that_are_on_are_listed() -> None:
    on = plan()
    assert any(sentence.startswith("spike: ") and "3 times" in sentence for sentence in on.guards)
    assert {sentence.partition(":")[0] for sentence in on.guards} >= {"spike", "degeneration"}
    off = plan("guards.spike=null", "guards.retention=null", "guards.degeneration=null")
    assert off.guards == ()
    assert "all are off" in text_of(off)


def test_the_limit_that_will_probably_end_the_search_is_named() -> None:
    words = ("workers.groups=2", "workers.gpus=0", "trials=40")
    free = plan(*words)
    assert free.limits == ()
    assert free.ends_first == "none but the 40 trials"
    assert free.estimate is not None
    hours = free.estimate.likely_seconds / 3600
    wide = plan(*words, f"limits.hours={9 * hours}")
    assert "the 40 trials will probably end the search first" in wide.ends_first
    both = plan(*words, f"limits.hours={hours / 2}", f"limits.device_hours={hours / 3}")
    assert "limits.device_hours will probably end the search first" in both.ends_first
    assert {one.name: one.expected for one in both.limits} == pytest.approx(
        {"hours": hours, "device_hours": 2 * hours}
    )
    money = plan(*words, "limits.price=3", f"limits.cost={hours}")
    assert [(one.name, one.expected) for one in money.limits] == [("cost", pytest.approx(3 * hours))]
    elsewhere = plan(*words, "limits.price=3", "limits.cost=1", "workers.address=somewhere:6379")
    assert "cannot be estimated (cost)" in elsewhere.ends_first
    assert "limits.device_hours will probably" in text_of(both)


def test_what_stopped_trials_teach_is_said_of_searchers_that_learn() -> None:
    assert "only that they are worse" in (plan("searcher=tpe", "searcher.stopped=worse").teaches or "")
    assert "projects the values of stopped trials" in text_of(
        plan("searcher=tpe", "searcher.stopped=projected")
    )
    assert plan("searcher=random").teaches is None


def test_hypotheses_are_listed_with_what_could_decide_them() -> None:
    shown = plan(
        "hypotheses.H1.claim=facts_generation > sums_generation",
        "hypotheses.H2.claim=train_loss[rank=2] < 3",
    )
    first, second = shown.hypotheses
    assert (first.items, second.items) == ({"facts_generation": 1, "sums_generation": 1}, {})
    # One item each, at the first of Holm's levels of two.
    assert first.least == pytest.approx((2.2414 + 0.8416) * (2 / 4) ** 0.5, rel=1e-3)
    assert (second.over, second.least) == ("all", None)
    text = " ".join(text_of(shown).split())
    assert "H1: facts_generation > sums_generation, over the recommended configuration" in text
    assert shown.plain()["hypotheses"][0]["items"] == first.items


def test_a_hypothesis_about_what_is_kept_of_the_base_models_score_counts_its_questions() -> None:
    (only,) = plan("hypotheses.H1.claim=retention >= 0.9").hypotheses
    assert only.items == {"retention": 2}, "one question of each of two skills"
    # Variances of both shares, each 1 / 4n, over the square of one half.
    assert only.least == pytest.approx((1.96 + 0.8416) * (2 / 2) ** 0.5, rel=1e-3)


def test_a_warm_start_names_the_folder_and_what_it_gives(folder: Path) -> None:
    config = load_config(["space=space.yaml", "name=before"]).config
    reached = RungReached(
        trial=0,
        rung=0,
        step=config.budget.full_steps,
        metrics={"train_loss": 2.0, "retention": 1.0},
        train_seconds=1.0,
        eval_seconds=1.0,
    )
    with RecordWriter(folder / "runs" / "before") as record:
        record.append(
            SearchStarted(search_id="x", config=config.model_dump(mode="json"), fingerprints={}, versions={})
        )
        record.append(TrialProposed(trial=0, sampled={}, params={"lr": 3e-4, "rank": 4}))
        record.append(reached)
        record.append(TrialFinished(trial=0, status="completed", reason="full budget"))
    shown = plan("warm_start=runs/before")
    assert shown.warm_start is not None
    assert shown.warm_start.startswith("1 trial of ")
    assert shown.warm_start.endswith("runs/before: their configurations are tried first")
    assert shown.first[0].sampled == {"lr": 3e-4, "rank": 4}
    assert "Warm start" in text_of(shown)
    assert plan().warm_start is None


def text_of(shown: Plan) -> str:
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    print_plan(shown, console)
    return console.export_text()


def test_slots_that_are_measured_at_the_start_are_given_as_a_range() -> None:
    auto = plan("workers.groups=2", "trials=40")
    assert (auto.slots.slots_per_group, auto.slots.most_per_group) == (None, 10)
    assert auto.estimate is not None
    assert auto.estimate.worker_bytes < auto.estimate.most_worker_bytes
    text = text_of(auto)
    assert "slots: auto (measured at start, at most 10 per group: " in text
    assert "up to 20 trials at once" in text
    assert "with 1 slot," in text
    assert "with 10 slots" in text


def test_slots_that_are_given_are_estimated_for() -> None:
    one, four = (plan("workers.groups=1", f"workers.slots={slots}", "trials=40") for slots in (1, 4))
    assert one.estimate is not None
    assert four.estimate is not None
    assert four.estimate.worker_bytes == four.estimate.most_worker_bytes > one.estimate.worker_bytes
    assert four.estimate.most_seconds < one.estimate.most_seconds, "a pass is shared"
    text = text_of(four)
    assert "slots: 4 per group (workers.slots); 4 trials at once" in text
    assert "memory at most" not in text


def test_what_cannot_be_packed_is_said_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch, "they change the base's weights")
    shown = plan("workers.groups=2")
    assert (shown.slots.slots_per_group, shown.slots.most) == (1, 2)
    assert text_of(shown).count("they change the base's weights") == 2


def write_llama(folder: Path, **changes: object) -> ModelConfig:
    config = {
        "model_type": "llama",
        "hidden_size": 32,
        "intermediate_size": 80,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 100,
        "tie_word_embeddings": True,
        **changes,
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return ModelConfig(name="m", source=str(folder))


@pytest.mark.parametrize(("target", "layers"), [("all", None), ("attention", 2), ("mlp", 1)])
def test_trainable_parameters_are_those_that_peft_makes(
    tmp_path: Path, target: str, layers: int | None
) -> None:
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    model = write_llama(tmp_path / "llama")
    from trainables.lora.targets import select_modules

    dora = target == "mlp"
    params = LoraParameters(rank=3, target_modules=target, layers=layers, use_dora=dora)
    shapes = model_shapes(model)
    assert shapes is not None
    config = transformers.AutoConfig.from_pretrained(tmp_path / "llama")
    real = transformers.AutoModelForCausalLM.from_config(config)
    assert shapes.parameters == real.num_parameters()
    targets = select_modules(shapes.linear, params)
    lora = peft.LoraConfig(r=3, target_modules=targets, task_type="CAUSAL_LM", use_dora=dora)
    assert (
        shapes.trainable_parameters(params)
        == peft.get_peft_model(real, lora).get_nb_trainable_parameters()[0]
    )
    # The same from the headers of saved weights.
    real = transformers.AutoModelForCausalLM.from_config(config)
    real.save_pretrained(tmp_path / "llama")
    assert model_shapes(model) == shapes


def test_a_model_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanRefusedError, match=r"model\.source: .*config\.json is not for a causal"):
        model_shapes(write_llama(tmp_path / "other", model_type="nonsense"))


def test_targets_that_a_model_lacks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import MambaConfig, MambaForCausalLM

    folder = tmp_path / "mamba"
    shutil.copytree(embedded.model_dir(), folder)
    config = MambaConfig(vocab_size=1280, hidden_size=16, num_hidden_layers=1)
    MambaForCausalLM(config).save_pretrained(folder)
    assert main(["space=space.yaml", f"model={folder}", "--plan", "fixed.target_modules=mlp"]) == 2
    assert "fixed.target_modules: target_modules=mlp matches no linear layer" in capsys.readouterr().err
    assert main(["space=space.yaml", f"model={folder}", "--plan"]) == 0
    assert "get no adapter" in " ".join(capsys.readouterr().out.split())


def test_a_model_that_is_elsewhere_is_unknown_and_the_plan_says_so() -> None:
    shown = plan("model=org/not-downloaded")
    assert shown.estimate is None
    assert any("not known" in note for note in shown.notes)
    assert main(["space=space.yaml", "model=org/not-downloaded", "--plan"]) == 0


@pytest.mark.parametrize(
    "text", ["3", "[1]", "{", "[" * 100_000, '{"model_type": "llama", "hidden_size": "x"}']
)
def test_a_damaged_config_of_a_model_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(text)
    with pytest.raises(PlanRefusedError, match=r"model\.source: .*config\.json: it"):
        model_shapes(ModelConfig(name="m", source=str(tmp_path / "model")))


@pytest.mark.parametrize("heads", [0, -1, 2**80, 1.5])
def test_impossible_sizes_of_a_model_are_refused(tmp_path: Path, heads: object) -> None:
    with pytest.raises(PlanRefusedError, match=r"model\.source: .*its sizes"):
        model_shapes(write_llama(tmp_path / "llama", num_attention_heads=heads))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        (2**63).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"[1]\n",
        (18).to_bytes(8, "little") + b'{"a":{"shape":"x"}}',
    ],
)
def test_a_damaged_header_of_weights_is_named(tmp_path: Path, data: bytes) -> None:
    model = write_llama(tmp_path / "llama")
    (tmp_path / "llama" / "model.safetensors").write_bytes(data)
    with pytest.raises(
        PlanRefusedError, match=r"model\.source: .*model\.safetensors: it is cut off or damaged"
    ):
        model_shapes(model)


def test_names_are_not_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["model.name='[/red]'", "parameters.rank.choices=[2]", "searcher=grid", "trials=2"]
    assert main(["space=space.yaml", *words, "--plan"]) == 0
    assert "trials of [/red] by grid" in capsys.readouterr().out


def test_numbers_beyond_every_float_leave_the_plan_without_an_estimate() -> None:
    config = load_config(["space=space.yaml"]).config
    vast = config.model_copy(update={"trials": 10**400})
    shown = make_plan(vast)
    assert shown.estimate is None
    assert any("too large" in note for note in shown.notes)


def test_sizes_cover_every_rank_and_target_that_may_be_sampled() -> None:
    shown = plan("parameters.target_modules={type: categorical, choices: [attention, mlp]}")
    assert {(size.rank, size.target_modules) for size in shown.sizes} == {
        (2, "attention"),
        (2, "mlp"),
        (4, "attention"),
        (4, "mlp"),
    }
    by_key = {(size.rank, size.target_modules): size.trainable for size in shown.sizes}
    assert by_key[4, "mlp"] == 2 * by_key[2, "mlp"]


def test_estimates_grow_with_the_work_and_shrink_with_slots() -> None:
    small, large = plan("workers.groups=1").estimate, plan("workers.groups=1", "budget.steps=900").estimate
    many = plan("workers.groups=6", "budget.steps=900").estimate
    assert small is not None
    assert large is not None
    assert many is not None
    assert small.fewest_seconds <= small.likely_seconds <= small.most_seconds
    assert large.most_seconds > small.most_seconds
    assert many.most_seconds < large.most_seconds
    assert "formula" in small.time_basis
    none = plan("scheduler=none").estimate
    assert none is not None
    assert none.likely_seconds == none.most_seconds
    wide = plan("task.max_length=256").estimate
    assert wide is not None
    assert wide.worker_bytes > small.worker_bytes


def test_measured_times_of_an_earlier_search_are_preferred(folder: Path) -> None:
    config = load_config(["space=space.yaml", "name=before"]).config
    data = plan().data
    assert data is not None
    assert data.lengths is not None
    batch = round(4 * data.lengths.mean)
    with RecordWriter(folder / "runs" / "before") as record:
        record.append(
            SearchStarted(search_id="x", config=config.model_dump(mode="json"), fingerprints={}, versions={})
        )
        record.append(TrialProposed(trial=0, sampled={}, params={"batch_size": 4}))
        rung = RungReached(
            trial=0, rung=0, step=10, metrics={}, train_seconds=20.0, eval_seconds=3.0, tokens=10 * batch
        )
        record.append(rung)
        later = {"rung": 1, "step": 30, "train_seconds": 40.0, "tokens": 20 * batch, "pack": 3.0}
        record.append(rung.model_copy(update=later))
    estimate = plan().estimate
    assert estimate is not None
    assert estimate.step_seconds == pytest.approx(2.0)
    assert estimate.evaluation_seconds == pytest.approx(3.0)
    assert "measured" in estimate.time_basis
    twice = plan("fixed.batch_size=8").estimate
    assert twice is not None
    assert twice.step_seconds == pytest.approx(4.0)
    other = plan("model=org/other").estimate
    assert other is None
    assert plan("name=before").recorded == (1, 0)


@pytest.mark.parametrize("mode", [[], ["--plan"]])
@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["parameters.layers.high=9"], "parameters.layers"),
        (["parameters.latent=null", "fixed.latent=200"], "fixed.latent"),
        (["parameters.answer_tokens.high=60"], "parameters.answer_tokens"),
    ],
)
def test_what_the_model_cannot_do_is_refused_by_plan_and_run_alike(
    words: list[str], key: str, mode: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["space=reconstruction-search", *words, *mode]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{key}: " in said
    assert "or less" in said
    assert not (folder / "runs").exists()


def test_what_comes_once_or_beside_the_rungs_is_part_of_the_time() -> None:
    config = load_config(["space=space.yaml", "trials=6", "confirm.candidates=0", "scheduler=none"]).config
    slots = plan("workers.gpus=0", "workers.groups=2").slots
    plain = Costs(1.0, 1.0, "", 0.0, 0.0, "", shared_step_seconds=1.0, measured=False)
    more = replace(plain, preparation_seconds=100.0, extra_seconds=10.0)
    before, after = (estimate(config, costs, 6, slots) for costs in (plain, more))
    assert after.trial_seconds == before.trial_seconds + 10
    for name in ("fewest_seconds", "likely_seconds", "most_seconds"):
        assert getattr(after, name) == pytest.approx(getattr(before, name) + 100 + 3 * 10)


def test_the_view_shows_the_configurations_and_the_json_holds_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = plan()
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    print_plan(shown, console)
    text = console.export_text()
    assert all(f"{trial.sampled['lr']:.3g}" in text for trial in shown.first)
    assert f"{shown.base_parameters:,}" in text
    assert main(["space=space.yaml", "--plan", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [trial["sampled"] for trial in data["first"]] == [trial.sampled for trial in shown.first]
