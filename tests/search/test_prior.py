"""A search that begins with published knowledge: its first trials, its pull, and where there is none."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config.load import load_config
from search.config.schema import NO_PRIOR, SearchConfig
from search.config.space import IntParameter
from search.errors import ConfigError, SpaceChangedError
from search.resume import refuse_changes, with_recorded_choices
from search.searchers import make_searcher
from search.searchers.base import Proposal, TrialOutcome
from search.searchers.prior import SpacePrior, _nearest, space_prior
from search.space import SearchSpace
from tests.search.config_files import write_space
from tests.search.searching import LOSS, RETENTION, make_config

LR = {"type": "log-float", "low": 1e-5, "high": 1e-2}
RANK = {"type": "categorical", "choices": [4, 32, 8]}
SCALE = {"type": "categorical", "choices": [1, 2, 4]}


def begun(
    parameters: dict[str, Any],
    name: str = "gp",
    objectives: Sequence[dict[str, Any]] = (LOSS,),
    seed: int = 0,
) -> tuple[SearchConfig, SearchSpace]:
    config = make_config(name, parameters=parameters, points=(), objectives=objectives, seed=seed)
    config = config.model_copy(update={"prior": "lora"})
    return config, SearchSpace(config.parameters, config.fixed)


def known(parameters: dict[str, Any], **more: Any) -> SpacePrior:
    prior = space_prior(*begun(parameters, **more))
    assert prior is not None
    return prior


@given(st.integers(0, 1000), st.floats(1e-7, 1e-1), st.floats(1.0, 1e5))
def test_first_points_lie_in_the_space_near_what_is_believed(seed: int, low: float, ratio: float) -> None:
    rates = {"type": "log-float", "low": low, "high": low * ratio}
    parameters = {"lr": rates, "rank": RANK, "alpha_per_rank": SCALE}
    prior, (_, space) = known(parameters, seed=seed), begun(parameters, seed=seed)
    points = prior.first()
    assert points == known(parameters, seed=seed).first()
    assert [problem for point in points if (problem := space.contains(point))] == []
    assert all(point["rank"] == 32 for point in points)
    for point, factor in zip(points, prior.prior.factors, strict=False):
        belief = prior.belief(point)
        assert belief is not None
        if len(points) == len(prior.prior.factors):
            expected = min(max(belief.centre * factor, low), low * ratio)
            assert point["lr"] == pytest.approx(expected)
    if low * ratio < 1e-6:
        assert points == [], "bounds far from what is believed are the user's own knowledge"


@pytest.mark.parametrize(
    "rates",
    [
        {"type": "categorical", "choices": [3e-3, 1e-5, 1e-4, 3e-4]},
        {"type": "float", "low": 1e-5, "high": 1e-2},
    ],
)
def test_every_kind_of_range_has_first_points(rates: dict[str, Any]) -> None:
    config, space = begun({"lr": rates, "rank": RANK})
    searcher = make_searcher(config, space)
    proposals = [searcher.propose(number) for number in range(3)]
    first = [proposal for proposal in proposals if proposal is not None and proposal.origin == "prior"]
    assert len(first) >= 2
    for number in range(3):
        searcher.observe(TrialOutcome(number, "completed", ((1.0 + number,),)))
    later = searcher.propose(3)
    assert later is not None
    assert space.contains(later.sampled) is None


@given(st.integers(1, 50), st.integers(0, 200), st.integers(1, 30), st.floats(0.1, 300))
def test_whole_numbers_are_the_nearest_by_logarithm(low: int, length: int, step: int, value: float) -> None:
    parameter = IntParameter(type="int", low=low, high=low + length, step=step)
    distances = {each: abs(math.log(each / value)) for each in range(low, low + length + 1, step)}
    assert distances[int(str(_nearest(parameter, value)))] == pytest.approx(min(distances.values()))


CONDITIONAL = {
    "target_modules": {"type": "categorical", "choices": ["all", "attention"]},
    "lr": LR,
    "rank": RANK | {"when": "target_modules == 'all'"},
}


def test_parameters_with_a_condition_count_at_their_median_where_a_sampler_leaves_them_out() -> None:
    prior = known(CONDITIONAL)
    belief = prior.belief({"target_modules": "all"})
    assert belief is not None
    assert belief == prior.belief({"target_modules": "all", "rank": 32})
    assert prior.belief({"target_modules": "attention"}) is not None


def test_the_pull_reaches_where_a_parameter_has_a_condition() -> None:
    import torch
    from optuna._gp.acqf import BaseAcquisitionFunc
    from optuna._gp.search_space import SearchSpace as Normalised

    from search.searchers.optuna_terms import Codec
    from search.searchers.pulled import _Pulled

    class Flat(BaseAcquisitionFunc):
        def eval_acqf(self, x: torch.Tensor) -> torch.Tensor:
            return 0.0 * x.sum(dim=-1)

    prior = known(CONDITIONAL)
    codecs = {name: Codec(parameter) for name, parameter in begun(CONDITIONAL)[1].sampled.items()}
    common = {name: codecs[name].distribution for name in ("lr", "target_modules")}
    pulled = _Pulled(Flat(np.ones(2), Normalised(common)), prior, codecs, 1.0)
    belief = prior.belief({"target_modules": "all"})
    assert belief is not None
    place = math.log(belief.centre / 1e-5) / math.log(1e-2 / 1e-5)
    points = np.array([[place, 0.0], [0.0, 0.0]])
    near, far = pulled.eval_acqf_no_grad(points).tolist()
    assert near == pytest.approx(0, abs=1e-6)
    assert far == pytest.approx(math.log(0.1), abs=0.1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "of trial 0, .* trials 0 to 2 begin there and around it"),
        (["points=[{lr: 3e-4, rank: 4}]"], "of trial 1, .* trials 1 to 3 begin there and around it"),
        (["trials=2"], "of trial 0, .* trials 0 to 1 begin there"),
        (["trials=2", "points=[{lr: 3e-4, rank: 4}]"], "of trial 1, .* trial 1 begins near it"),
        (["trials=1", "points=[{lr: 3e-4, rank: 4}]"], "the listed points take all trials"),
        (["parameters.lr.low=1e-9", "parameters.lr.high=1e-8"], "the bounds of lr leave that out"),
    ],
)
def test_a_plan_names_the_trials_that_begin_with_it(folder: Path, words: list[str], said: str) -> None:
    from search.plan.outlook import prior as outlook

    config = load_config(["space=space.yaml", *words]).config
    space = SearchSpace(config.parameters, config.fixed)
    assert re.search(said, next(outlook(config, space)))
    searcher = make_searcher(config, space)
    made = [searcher.propose(number) for number in range(min(config.trials, 5))]
    begin = [number for number, each in enumerate(made) if each is not None and each.origin == "prior"]
    numbers = re.search(r"trials? (\d+)(?: to (\d+))? begin", said)
    ends = [int(each) for each in numbers.groups() if each is not None] if numbers else []
    assert [*begin[:1], *begin[1:][-1:]] == ends


@pytest.mark.parametrize(
    ("words", "assumed"),
    [
        (["model=org/mini-4k"], True),
        (["model=org/mini-4k", "model.name=mini-3B"], False),
        (["model=org/mini_3b"], False),
        ([], False),
    ],
)
def test_a_plan_says_where_the_model_s_size_is_assumed(folder: Path, words: list[str], assumed: bool) -> None:
    from search.plan.outlook import prior as outlook

    config = load_config(["space=space.yaml", *words]).config
    lines = list(outlook(config, SearchSpace(config.parameters, config.fixed)))
    assert any("taken for 30 billion parameters" in line for line in lines) == assumed


def proposals(config: SearchConfig, space: SearchSpace, kept: int = 0) -> list[Proposal]:
    """Five proposals; the first are replayed from an earlier search of the same configuration."""
    searcher = make_searcher(config, space)
    made = proposals(config, space) if kept else []
    for number in range(5):
        if number < kept:
            searcher.replay(number, made[number].sampled, made[number].origin)
        else:
            proposal = searcher.propose(number)
            assert proposal is not None
            made[number:] = [proposal]
        loss = abs(math.log(float(str(made[number].sampled["lr"])) / 3e-4))
        searcher.observe(TrialOutcome(number, "completed", ((loss,),)))
    return made


def test_a_search_that_was_interrupted_goes_on_as_it_would_have() -> None:
    config, space = begun({"lr": LR, "rank": RANK})
    assert proposals(config, space, kept=4) == proposals(config, space)


def test_a_clone_takes_the_place_of_no_first_point() -> None:
    config, space = begun({"lr": LR, "rank": RANK})
    searcher = make_searcher(config, space)
    first = known({"lr": LR, "rank": RANK}).first()
    searcher.replay(0, first[0], "prior")
    searcher.replay(1, first[1], "clone")
    assert searcher.propose(2) == Proposal(first[1], "prior")


def test_the_pull_fades_with_finished_trials() -> None:
    from search.searchers.optuna_terms import Codec, gp_options, gp_sampler, make_study
    from search.searchers.pulled import PulledGPSampler

    config, space = begun({"lr": LR, "rank": RANK})
    prior = known({"lr": LR, "rank": RANK})
    codecs = {name: Codec(parameter) for name, parameter in space.sampled.items()}
    history = _history(config, codecs)

    def proposed(sampler: Any) -> float:
        trial = make_study(config.objectives, sampler, history).ask()
        return float(str(codecs["lr"].suggest(trial, "lr")))

    def pulled(strength: float) -> float:
        return proposed(PulledGPSampler(prior, codecs, strength, **gp_options(space, 3)))

    plain = proposed(gp_sampler(space, 3))
    assert pulled(0.0) == pytest.approx(plain, rel=1e-3)
    belief = prior.belief({"rank": 8})
    assert belief is not None
    away = [abs(math.log(rate / belief.centre)) for rate in (plain, pulled(1e4))]
    assert away[1] < 1.5 < away[0], "the results draw one way, the prior the other"


def _history(config: SearchConfig, codecs: Any) -> list[Any]:
    """Results that are best at the top of the range."""
    from optuna.trial import TrialState, create_trial

    history = []
    for index, lr in enumerate(np.geomspace(1e-5, 1e-2, 6).tolist()):
        params = {"lr": lr, "rank": codecs["rank"].encode([4, 32, 8][index % 3])}
        trial = create_trial(
            state=TrialState.COMPLETE,
            values=[-float(index)],
            params=params,
            distributions={name: codec.distribution for name, codec in codecs.items()},
        )
        trial.number = index + 1
        history.append(trial)
    return history


@settings(max_examples=25)
@given(st.integers(0, 2), st.floats(0.01, 0.99), st.sampled_from(["log-float", "float"]))
def test_the_gradient_of_the_prior_s_weight_is_right(rank: int, place: float, kind: str) -> None:
    import torch
    from optuna._gp.acqf import BaseAcquisitionFunc
    from optuna._gp.search_space import SearchSpace as Normalised

    from search.searchers.optuna_terms import Codec
    from search.searchers.pulled import _Pulled

    class Flat(BaseAcquisitionFunc):
        def eval_acqf(self, x: torch.Tensor) -> torch.Tensor:
            return 0.0 * x.sum(dim=-1)

    parameters = {"lr": LR | {"type": kind}, "rank": RANK}
    codecs = {name: Codec(parameter) for name, parameter in begun(parameters)[1].sampled.items()}
    normalised = Normalised({name: codec.distribution for name, codec in codecs.items()})
    pulled = _Pulled(Flat(np.ones(2), normalised), known(parameters), codecs, 2.0)
    point, step = np.array([place, float(rank)]), np.array([1e-7, 0.0])
    value, gradient = pulled.eval_acqf_with_grad(point)
    low, high = (float(pulled.eval_acqf_no_grad((point + sign * step)[None])[0]) for sign in (-1, 1))
    assert gradient[0] == pytest.approx((high - low) / 2e-7, rel=1e-3, abs=1e-3)
    assert 2 * math.log(0.1) - 1e-9 <= value <= 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


REFUSED = [
    (["searcher=random"], "the searcher random proposes the same trials"),
    (["parameters.lr=null", "fixed.lr=1e-3"], "about lr, which this space does not search"),
    (["parameters.lr={type: expression, value: '1e-3'}"], "as a number above 0"),
]


@pytest.mark.parametrize(("words", "reason"), REFUSED)
def test_where_it_does_not_apply_it_is_off_and_refused_if_asked_for(
    folder: Path, words: list[str], reason: str
) -> None:
    words = ["space=space.yaml", *words]
    assert load_config(words).config.prior == NO_PRIOR
    with pytest.raises(ConfigError) as refused:
        load_config([*words, "prior=lora"])
    (problem,) = refused.value.problems
    assert problem.key == "prior"
    assert reason in problem.message


def test_a_trainable_without_knowledge_has_none_and_a_wrong_name_is_refused(folder: Path) -> None:
    from search.config.prior import prior_problem

    assert prior_problem("adaptation", {"parameters": {"lr": LR}}) == "the trainable adaptation has none"
    with pytest.raises(ConfigError, match="there is no prior 'lara'"):
        load_config(["space=space.yaml", "prior=lara"])


def test_an_earlier_search_of_one_s_own_wins(folder: Path) -> None:
    earlier = folder / "earlier"
    earlier.mkdir()
    (earlier / "events.jsonl").write_text(json.dumps({}) + "\n")
    words = ["space=space.yaml", "warm_start=earlier"]
    assert load_config(words).config.prior == NO_PRIOR
    with pytest.raises(ConfigError, match="warm_start already gives"):
        load_config([*words, "prior=lora"])


def test_a_search_that_began_without_one_goes_on_without(folder: Path) -> None:
    config = load_config(["space=space.yaml"]).config
    assert config.prior == "lora"
    recorded = config.model_dump(mode="json")
    del recorded["prior"]
    resumed = with_recorded_choices(recorded, config)
    assert resumed.prior == NO_PRIOR
    refuse_changes(recorded, resumed)


def test_it_cannot_be_changed_on_the_way(folder: Path) -> None:
    recorded = load_config(["space=space.yaml", "prior=none"]).config.model_dump(mode="json")
    config = load_config(["space=space.yaml"]).config
    with pytest.raises(SpaceChangedError, match='prior: recorded "none", now "lora"'):
        refuse_changes(recorded, with_recorded_choices(recorded, config))


def test_it_is_for_the_front_as_well() -> None:
    parameters = {"lr": LR, "rank": RANK}
    loss, front = (
        known(parameters, objectives=goals).belief({"rank": 8}) for goals in ([LOSS], [LOSS, RETENTION])
    )
    assert loss is not None
    assert front is not None
    assert front.deviation > loss.deviation
