"""What is refused before a search of adaptation starts: with the key, what is wrong, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import normalizers

from search.run import main
from tests.trainables.chat_tokenizers import tokenizer
from trainables import embedded
from trainables.adaptation.checks import inspect, look
from trainables.adaptation.corpus import read_corpus
from trainables.adaptation.options import AdaptationOptions, TargetConfig
from trainables.adaptation.parameters import AdaptationParameters
from trainables.adaptation.plan import plan
from trainables.planning import PlannedWorkers, PlanRefusedError, PlanRequest, TrainablePlan
from trainables.settings import ModelConfig, TaskConfig

OWN = str(embedded.model_dir() / "tokenizer.json")


def options(target: TargetConfig, **task: Any) -> AdaptationOptions:
    texts = {"train": "embedded:domain_train.jsonl", "heldout": "embedded:domain_heldout.jsonl"}
    return AdaptationOptions(
        model=ModelConfig(name="embedded", source="embedded"),
        task=TaskConfig(name="log", **texts | task),
        target=target,
    )


def refusal(given: AdaptationOptions) -> tuple[str, str, str | None]:
    with pytest.raises(PlanRefusedError) as refused:
        inspect(given, 0, ())
    (finding,) = refused.value.findings
    return finding


def lower(folder: Path) -> str:
    """A tokenizer of the log that makes letters small."""
    documents = read_corpus(options(TargetConfig(vocabulary=2)).task, 0).train
    made = tokenizer("bytes").train_new_from_iterator([*documents], 330, show_progress=False)
    made.backend_tokenizer.normalizer = normalizers.Lowercase()
    made.save_pretrained(folder / "lower")
    return str(folder / "lower")


def test_tokenizers_are_refused_before_the_start(tmp_path: Path) -> None:
    key, message, hint = refusal(options(TargetConfig(tokenizer=lower(tmp_path))))
    assert (key, "changes the text" in message) == ("target.tokenizer", True)
    assert "keeps case" in str(hint)
    key, message, hint = refusal(options(TargetConfig(tokenizer=str(tmp_path / "nothing.json"))))
    assert (key, "cannot be read" in message) == ("target.tokenizer", True)
    key, message, hint = refusal(options(TargetConfig(vocabulary=100)))
    assert (key, message[:25]) == ("target.vocabulary", "100 tokens have no room f")
    assert hint == "Choose a larger vocabulary."
    key, message, _ = refusal(options(TargetConfig(vocabulary=700)))
    assert (key, "of both tokenizers are frequent" in message) == ("target.vocabulary", True)


def test_text_is_refused_before_the_start(tmp_path: Path) -> None:
    path = tmp_path / "two.txt"
    path.write_text("A calm night.\n\nA gale in the morning.\n")
    key, message, hint = refusal(options(TargetConfig(vocabulary=300), train=str(path), heldout=None))
    assert (key, "2 different documents" in message) == ("task.train", True)
    assert "Give more text" in str(hint)


def planned(given: AdaptationOptions, *vocabulary: int | None) -> TrainablePlan:
    request = PlanRequest(
        options=given,
        seed=0,
        trials=[AdaptationParameters(), AdaptationParameters(stage2="lora", rank=2)],
        possible={"vocabulary": list(vocabulary) or [None], "similarity": ["relative"]},
        searched=frozenset({"vocabulary"} if vocabulary else ()),
        workers=PlannedWorkers(1, 1.0, 0.0, 1, 1, 0, None, False),
    )
    return plan(request)


def test_the_plan_says_what_both_tokenizers_make_of_the_text() -> None:
    given = options(TargetConfig(vocabulary=400))
    seen, made = look(given, 0), planned(given)
    assert seen is not None
    assert made.data.target_tokens == 400
    assert made.data.text_target_tokens == seen.target.train < seen.source.train
    full, lora = made.trained
    assert full is not None
    assert lora is not None
    assert lora < full < int(made.base_parameters or 0)
    assert not [note for note in made.notes if "nothing is to be aligned" in note]
    with pytest.raises(PlanRefusedError, match=r"parameters\.vocabulary: 100 tokens have no room"):
        planned(given, 100, 400)


def test_time_and_memory_grow_with_what_is_trained_and_with_the_vocabulary() -> None:
    small, large = (planned(options(TargetConfig(vocabulary=size))).costs for size in (350, 450))
    assert small is not None
    assert large is not None
    assert large.worker_bytes > small.worker_bytes > 9e8
    assert small.step_seconds > 0
    assert small.baseline_seconds > small.evaluation_seconds > 0
    assert small.extra_seconds > 0, "bits per byte before each stage"
    made = planned(options(TargetConfig(vocabulary=350)), 350, 450).costs
    assert made is not None
    assert made.preparation_seconds > small.preparation_seconds, "each vocabulary has its own alignment"
    text = f"{small.time_basis} {small.memory_basis}"
    assert all(part in text for part in ("stage 1", "stage 2", "vectors and alignment", "350 tokens"))


def test_the_plan_says_that_the_bases_own_tokenizer_is_none() -> None:
    notes = planned(options(TargetConfig(tokenizer=OWN))).notes
    assert [note for note in notes if "nothing is to be aligned" in note]
    assert [note for note in notes if "makes this text no shorter" in note]


@pytest.mark.parametrize(
    ("words", "key", "remedy"),
    [
        (["target.vocabulary=100"], "target.vocabulary", "larger vocabulary"),
        (["parameters.similarity.choices=[procruste]"], "parameters.similarity", "procrustes"),
        (["parameters.fallback.choices=[subtoken]"], "parameters.fallback", "subtokens"),
        (["target.vectors=ppmi"], "target.vectors", "ppmi_svd"),
        (["workers.zero_stage=3"], "workers.zero_stage: is 3", "write 0"),
        (["capability=lm_eval:sciq"], "capability.skills.0.path", "as a file"),
    ],
)
def test_the_command_ends_with_2_the_key_and_the_remedy(
    words: list[str], key: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["space=adaptation", *words]) == 2
    said = capsys.readouterr()
    text = " ".join((said.out + said.err).split())
    assert key in text
    assert remedy in text


def test_a_learning_rate_that_no_step_uses_is_said_in_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space=adaptation", "fixed.stage1=1", "--plan"]) == 0
    assert "rate-of-no-step" in capsys.readouterr().out
    assert main(["space=adaptation", "--plan"]) == 0
    assert "rate-of-no-step" not in capsys.readouterr().out
