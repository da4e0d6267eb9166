"""Configurations of other tools: what their keys mean, and the published audit that ours is held against."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from search.audit.finding import Finding, Severity
from search.audit.foreign import ForeignAudit, audit_file
from search.audit.foreign.audit import ALL_STAGES
from search.audit.foreign.file import read_foreign
from search.audit.foreign.key_map import KeyMap
from search.audit.foreign.tools import detect, load_tool, tool_files
from search.audit.foreign.translate import translate
from search.audit.library import shipped_rules
from search.errors import ConfigError
from search.record.events import Scalar

FILES = Path(__file__).with_name("files")


def audited(file: Path | str, tool: str | None = None, **given: Scalar) -> ForeignAudit:
    return audit_file(str(file), tool, shipped_rules().values(), given)


def facts(file: Path, tool: str | None = None, stage: str = "", **given: Scalar) -> dict[str, Scalar]:
    stages = audited(file, tool, **given).translation.stages
    return {name: fact.value for name, fact in stages[stage].items()}


def refusal(file: Path | str, tool: str | None = None, **given: Scalar) -> str:
    with pytest.raises(ConfigError) as raised:
        audited(file, tool, **given)
    return str(raised.value)


def written(folder: Path, text: str, name: str = "theirs.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# The published audit.


@pytest.fixture(scope="module")
def published() -> ForeignAudit:
    return audited(FILES / "tokalign.yaml")


def problems(audit: ForeignAudit) -> dict[tuple[str, str], Finding]:
    return {(stage, finding.id): finding for stage, each in audit.stages.items() for finding in each.problems}


def test_it_finds_what_the_published_audit_found_and_what_that_missed(published: ForeignAudit) -> None:
    severities = {place: str(finding.severity) for place, finding in problems(published).items()}
    assert severities == {
        # What it found.
        ("stage 1", "lr-above-batch-rule"): "high",
        (ALL_STAGES, "shuffling-off"): "high",
        ("stage 2", "offset-of-another-batch"): "medium",
        ("stage 2", "full-finetuning"): "medium",
        (ALL_STAGES, "threshold-never-reached"): "medium",
        # What it did not.
        ("stage 1", "head-left-out"): "high",
        (ALL_STAGES, "vectors-from-digits"): "high",
        (ALL_STAGES, "pad-is-eos"): "high",
        ("stage 1", "corpus-hardly-read"): "low",
        ("stage 2", "corpus-hardly-read"): "low",
    }


@pytest.mark.parametrize(
    ("stage", "rule", "numbers"),
    [
        ("stage 1", "lr-above-batch-rule", ["0.00064", "batch 64", "1,024", "0.00016", "4e-05"]),
        ("stage 2", "offset-of-another-batch", ["2,560,000 = 2,500 steps x 1,024", "batch 64", "160,000"]),
        ("stage 1", "corpus-hardly-read", ["2,500 steps x 64 = 160,000 of 5,000,000 ", "3.2%"]),
        ("stage 2", "corpus-hardly-read", ["2,500 steps x 64 = 160,000 of 5,000,000 ", "3.2%"]),
        (ALL_STAGES, "threshold-never-reached", ["0.3", "not normalised", "18"]),
        ("stage 1", "head-left-out", ["not trained"]),
        (ALL_STAGES, "vectors-from-digits", ["n-grams"]),
    ],
)
def test_it_corrects_the_arithmetic(
    published: ForeignAudit, stage: str, rule: str, numbers: list[str]
) -> None:
    evidence = problems(published)[stage, rule].evidence
    assert [number for number in numbers if number not in evidence] == [], evidence


def test_it_passes_what_was_right(published: ForeignAudit) -> None:
    passed = {
        (stage, finding.id): finding.evidence
        for stage, audit in published.stages.items()
        for finding in audit.findings
        if finding.severity is Severity.PASSED
    }
    assert "lr 5e-05" in passed["stage 2", "full-lr-high"]
    assert "total_steps 2,500" in passed["stage 1", "adaptation-short"]
    assert "total_steps 2,500" in passed["stage 2", "adaptation-short"]
    assert "vector_epochs 30" in passed[ALL_STAGES, "vectors-undertrained"]
    assert "data_rotates yes" in passed["stage 2", "offset-skips-data"], "nothing is skipped"


def test_findings_name_the_line_and_what_to_type(published: ForeignAudit) -> None:
    finding = problems(published)["stage 1", "lr-above-batch-rule"]
    assert finding.place is not None
    line = (FILES / "tokalign.yaml").read_text("utf-8").splitlines()[(finding.place.line or 0) - 1]
    assert line.strip() == "lr_stage1: 6.4e-4"
    assert finding.fix == "vocab_adaptation.lr_stage1: 0.00016"
    lora = problems(published)["stage 2", "full-finetuning"]
    assert lora.fix == "vocab_adaptation.stage2_use_lora: true"
    assert lora.place is not None
    assert lora.place.source == "default of TokAlign pipeline"


# The keys of each tool.

KNOWN: Mapping[str, tuple[str, Mapping[str, Scalar], list[str]]] = {
    "axolotl.yml": (
        "Axolotl",
        {
            "lr": 0.0002,
            "schedule": "cosine",
            "warmup_share": 0.1,
            "epochs": 1,
            "micro_batch": 2,
            "accumulation": 4,
            "max_length": 2048,
            "packing": True,
            "method": "qlora",
            "quantization": "nf4",
            "rank": 32,
            "alpha": 16,
            "dropout": 0.05,
            "rslora": False,
            "target_modules": "all",
            "loss_on": "completion",
            "shuffle": True,
            "dtype": "bfloat16",
        },
        [],
    ),
    "llamafactory.yaml": (
        "LLaMA-Factory",
        {
            "lr": 0.0001,
            "epochs": 3.0,
            "warmup_share": 0.1,
            "method": "lora",
            "quantization": None,
            "rank": 8,
            "alpha": 16,
            "target_modules": "all",
            "max_length": 2048,
            "loss_on": "completion",
            "shuffle": True,
            "gradient_clip": 1.0,
        },
        [],
    ),
    "full.yaml": ("LLaMA-Factory", {"method": "full", "warmup_share": 0.1, "dtype": "float16"}, []),
    # Keys and values of training_args.json in adityaxdubey/grpo-accounting-finetune (commit 6bc4977).
    "training_args.json": (
        "transformers Trainer",
        {
            "lr": 0.0002,
            "steps": 100,
            "micro_batch": 6,
            "accumulation": 2,
            "warmup_share": 0.1,
            "weight_decay": 0.1,
            "dtype": "float16",
        },
        ["num_generations"],
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_public_configuration_is_recognised_and_understood(name: str) -> None:
    tool, expected, unknown = KNOWN[name]
    audit = audited(FILES / name)
    assert audit.tool == tool
    assert audit.known_by
    ((_, known),) = audit.translation.stages.items()
    assert {fact: known[fact].value for fact in expected} == expected
    assert [place.key for place in audit.translation.unknown] == unknown
    assert audit.translation.not_understood == ()
    json.dumps(audit.plain())


def test_a_number_of_steps_counts_before_epochs_and_shares() -> None:
    known = facts(FILES / "training_args.json")
    assert "epochs" not in known
    assert "warmup_steps" not in known
    assert "method" not in known, "it does not say whether there is an adapter"


def test_what_a_file_does_not_say_is_marked(tmp_path: Path) -> None:
    audit = audited(written(tmp_path, "finetuning_type: lora\nlearning_rate: 1e-4\nlora_rank: 16\n"))
    known = audit.translation.stages[""]
    assert known["alpha"].value == 32
    assert "alpha 32: default of LLaMA-Factory, twice the rank (lora_alpha is not given)" in audit.notes
    assert any(note.startswith("devices 1: assumed") and "devices=N" in note for note in audit.notes)
    assert facts(tmp_path / "theirs.yaml", devices=8)["devices"] == 8


def test_unknown_keys_and_values_are_listed_not_guessed(tmp_path: Path) -> None:
    text = "adapter: lora\nmicro_batch_size: 2\nlora_r: 8\nlerning_rate: 1e-3\nlr_scheduler: rex\n"
    audit = audited(written(tmp_path, text + "lora_target_modules: [q_proj, odd_proj]\n"))
    known = audit.translation.stages[""]
    assert not known.keys() & {"lr", "schedule", "target_modules"}
    assert [(each.key, each.line) for each in audit.translation.unknown] == [("lerning_rate", 4)]
    assert {each.fact for each in audit.translation.not_understood} == {"schedule", "target_modules"}
    assert any("lerning_rate" in note and ":4" in note for note in audit.notes)


@pytest.mark.parametrize(
    ("text", "fact", "value"),
    [
        ("adapter: lora\nlora_target_modules: [q_proj, v_proj]", "target_modules", "attention"),
        ("adapter: lora\nlora_target_linear: true", "target_modules", "all"),
        ("micro_batch_size: 1\nlearning_rate: '2e-4'", "lr", 2e-4),
        ("micro_batch_size: 1\ntrain_on_inputs: yes", "loss_on", "all"),
        ("micro_batch_size: 1\nload_in_8bit: true\nadapter: lora", "quantization", "int8"),
        ("micro_batch_size: 1\nsequence_len: 512", "method", "full"),
        ("finetuning_type: lora\nquantization_bit: 4", "method", "qlora"),
        ("stage: pt\ncutoff_len: 10", "packing", True),
        ("finetuning_type: lora\ndisable_shuffling: true", "shuffle", False),
        ("num_train_epochs: 1\nwarmup_steps: 20", "warmup_steps", 20),
        ("num_train_epochs: 1\ntrain_sampling_strategy: sequential", "shuffle", False),
        ("num_train_epochs: 1\nr: 8\ntarget_modules: [q_proj, up_proj]", "target_modules", "all"),
    ],
)  # fmt: skip
def test_what_a_key_means(tmp_path: Path, text: str, fact: str, value: Scalar) -> None:
    assert facts(written(tmp_path, text))[fact] == value


def test_every_argument_of_the_installed_trainer_is_known() -> None:
    spec = find_spec("transformers")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / "training_args.py").read_text("utf-8"))
    (arguments,) = (
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "TrainingArguments"
    )
    names = [
        node.target.id
        for node in arguments.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value
    ]
    assert len(names) > 100
    file = read_foreign(str(FILES / "training_args.json"))
    data: dict[str, Any] = {name: 1 for name in names if not name.startswith("_")}
    everything = type(file)(file.shown, data, {})
    unknown = translate(everything, load_tool("trainer"), {}).unknown
    assert [place.key for place in unknown] == []


def test_a_state_of_a_trainer_is_read_without_its_log(tmp_path: Path) -> None:
    log = [{"loss": 1.0 / step, "learning_rate": 1e-4, "step": step} for step in range(1, 5000)]
    state = {"log_history": log, "max_steps": 5000, "num_train_epochs": 3, "train_batch_size": 4}
    file = written(tmp_path, json.dumps(state, indent=2), "trainer_state.json")
    known = audited(file).translation.stages[""]
    assert (known["steps"].value, known["micro_batch"].value) == (5000, 4)
    place = known["steps"].place
    assert place is not None
    assert "max_steps" in file.read_text("utf-8").splitlines()[(place.line or 0) - 1]


# Recognition, and what is wrong.


def test_shipped_files_are_right_and_know_their_own_keys() -> None:
    assert tool_files().keys() >= {"axolotl", "llamafactory", "trainer", "tokalign"}
    for name in tool_files():
        tool: KeyMap = load_tool(name)
        assert tool.detect, name
        assert len(tool.title) > 3


def test_a_file_that_is_not_clear_lists_the_choices(tmp_path: Path) -> None:
    neither = refusal(written(tmp_path, "learning_rate: 1e-4\n"))
    assert "has none of the keys" in neither
    both = refusal(written(tmp_path, "micro_batch_size: 1\nfinetuning_type: lora\n"))
    assert "axolotl (micro_batch_size); llamafactory (finetuning_type)" in both
    for text in (neither, both):
        assert text.count("\n") <= 2
        assert all(f"--as {name}" in text for name in tool_files())
    assert audited(tmp_path / "theirs.yaml", "axolotl").tool == "Axolotl"
    keys, by = detect(read_foreign(str(FILES / "llamafactory.yaml")))
    assert keys.name == "llamafactory", "its keys are those of the trainer and its own"
    assert "per_device_train_batch_size" not in by


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is empty"), ("- 1\n", "a list"), ("a: [\n", "is not YAML"), ("a: 1\na: 2\n", "is given twice")],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(written(tmp_path, text), "axolotl")


def test_wrong_names_are_refused_with_the_nearest(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.yaml")
    assert "did you mean axolotl?" in refusal(FILES / "axolotl.yml", "axolotel")
    assert "did you mean devices?" in refusal(FILES / "axolotl.yml", device=3)


OWN = """\
title: Our trainer
facts:
  lr: optim.lr
  method: {fixed: full}
  batch: {key: optim.batch, expression: value * 4}
"""


def test_users_bring_their_own_keys(tmp_path: Path) -> None:
    keys = written(tmp_path, OWN, "ours.yaml")
    config = written(tmp_path, "optim: {lr: 1e-3, batch: 8}\nname: x\n")
    audit = audited(config, str(keys))
    known = audit.translation.stages[""]
    assert (audit.tool, known["lr"].value, known["batch"].value) == ("Our trainer", 1e-3, 32)
    assert [place.key for place in audit.translation.unknown] == ["name"]


def test_the_example_of_the_page_is_a_file_of_keys(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/audit.md").read_text("utf-8")
    _, example = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    keys = str(written(tmp_path, example, "ours.yaml"))
    text = "optim: {peak_lr: 1e-4}\nbatch_tokens: 65536\nmask_prompt: true\nlog_every: 5\nmax_steps: 100\n"
    config = written(tmp_path, text)
    known = facts(config, keys)
    expected = {
        "lr": 1e-4,
        "batch": 32,
        "loss_on": "completion",
        "warmup_share": 0,
        "method": "full",
        "steps": 100,
    }
    assert {name: known[name] for name in expected} == expected
    assert audited(config, keys).translation.unknown == ()


def test_everything_wrong_with_a_file_of_keys_is_said_by_line(tmp_path: Path) -> None:
    text = """\
titel: x
extends: axolotel
facts:
  learning: optim.lr
  rank: {kee: r}
  alpha: {key: a, expression: other * 2}
  lr: {key: lr, fixed: 1}
  warmup_share: {key: w, default_from: rnak / 2}
"""
    message = refusal(FILES / "axolotl.yml", str(written(tmp_path, text, "keys.yaml")))
    for line, wrong in enumerate(
        ["titel", "axolotel", None, "learning", "kee", "other", "either", "rnak"], start=1
    ):
        if wrong is not None:
            (said,) = (
                each for each in message.splitlines() if f"keys.yaml:{line})" in each and wrong in each
            )
            assert said
