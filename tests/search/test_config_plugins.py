"""Packages that bring a trainable that cannot be used are named, and stop nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from search.config.library import listing_text
from search.config.load import load_config
from search.errors import ConfigError
from trainables.specs import TRAINABLES

_CLASHING = """
from trainables.parameters import TrainingParameters
from trainables.settings import Section
from trainables.trainable import TRAINABLES, Artifact, TrainableSpec

class Options(Section):
    budget: int = 3

TRAINABLES.register("clashing", "has a section that every search has")(
    TrainableSpec(TrainingParameters, Options, lambda options: (), lambda: None, Artifact("thing", ""))
)
"""
_UNSOUND = """
from trainables.parameters import TrainingParameters
from trainables.settings import Section
from trainables.trainable import TRAINABLES, Artifact, MetricSpec, TrainableSpec

class Images(Section):
    path: str

class Options(Section):
    images: Images

METRICS = (MetricSpec("reward", "", "max", relative="kept"), MetricSpec("kept", "", "max"))
TRAINABLES.register("unsound", "two metrics of one name, and a ratio to nothing")(
    TrainableSpec(TrainingParameters, Options, lambda options: METRICS, None, Artifact("x", ""), baselines={})
)
"""
_SOURCES = {
    "unsound": _UNSOUND,
    "raising": "raise RuntimeError('no driver\\nmore of it')",
    "leaving": "raise SystemExit('no licence')",
    "twice": "from trainables.trainable import TRAINABLES\nTRAINABLES.register('lora', 'another')(None)",
    "clashing": _CLASHING,
}


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, source in _SOURCES.items():
        monkeypatch.delitem(sys.modules, f"brings_{name}", raising=False)
        (tmp_path / f"brings_{name}.py").write_text(source)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[tightrope.trainables]\n{name} = brings_{name}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for kind in ("_entries", "_lines", "_broken"):
        monkeypatch.setattr(TRAINABLES, kind, dict(getattr(TRAINABLES, kind)))
    monkeypatch.setattr(TRAINABLES, "_plugins", "tightrope.trainables")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raising", "'raising' is installed and cannot be imported: RuntimeError: no driver"),
        ("leaving", "SystemExit: no licence"),
        ("twice", "'lora' is registered twice"),
        ("departed", "there is no trainable 'departed'"),
        ("clashing", "names that every search already uses: budget"),
    ],
)
def test_choosing_it_is_one_problem_that_says_why(name: str, said: str) -> None:
    Path("space.yaml").write_text(f"trainable: {name}\nimages: {{path: x}}\nparameters: {{}}\n")
    with pytest.raises(ConfigError, match=said) as raised:
        load_config(["space=space.yaml"])
    assert "1 problem" in str(raised.value)


def test_the_listing_names_it_beside_those_that_can_be_used() -> None:
    listing = listing_text()
    assert "LoRA adapters (PEFT)" in listing
    assert "raising  RuntimeError: no driver\n" in listing


def test_metrics_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    space = "trainable: unsound\nimages: {path: x}\nbudget: {steps: 9}\nparameters: {lr: {type: categorical"
    Path("space.yaml").write_text(f"{space}, choices: [1e-3, 2e-3]}}}}\n")
    with pytest.raises(ConfigError) as raised:
        load_config(["space=space.yaml"])
    assert "several metrics of one name: kept" in str(raised.value)
    assert "declares kept, a ratio to the base, and no baseline 'base'" in str(raised.value)
    assert "2 problems" in str(raised.value)
