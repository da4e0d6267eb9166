"""What CONTRIBUTING.md says that a plug-in costs is true: one new file and one registration."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
COPIED = ("analysis", "search", "spaces", "tests", "tightrope", "trainables")
CONTRACTS = (
    "tests/trainables/test_evaluation_metrics.py",
    "tests/search/test_searchers.py",
    "tests/search/test_schedulers.py",
    "tests/search/test_guards.py",
    "tests/analysis/test_report_cards.py",
    "tests/trainables/test_data_formats.py",
    "tests/trainables/test_routing_behaviours.py",
)
DOCS = (
    "tests/analysis/test_report_words.py::test_a_metric_has_one_description_in_report_and_docs",
    "tests/search/test_resume.py::test_every_setting_is_classified_once",
    "tests/test_imports.py",
)
CHECKS = "tests/plugin_checks.py"
_EXAMPLE = re.compile(
    r"^\*\*([\w ]+)\*\*: `(\S+\.py)`, and `([^`]+)`.*?```python\n(.*?)```", re.DOTALL | re.MULTILINE
)


class Example(NamedTuple):
    """A plug-in as CONTRIBUTING.md shows it."""

    kind: str
    file: str
    registration: str
    text: str

    @property
    def name(self) -> str:
        return Path(self.file).stem


def examples() -> list[Example]:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return [Example(*match) for match in _EXAMPLE.findall(page)]


def add(example: Example, root: Path) -> None:
    """Writes the file, and registers it in the package it lies in."""
    file = root / example.file
    assert not file.exists()
    file.write_text(example.text, encoding="utf-8")
    package = file.with_name("__init__.py")
    text = package.read_text(encoding="utf-8")
    if example.kind == "Configuration check":
        called = example.registration.rpartition(" ")[2]
        text = text.replace("_CHECKS = (\n", f"{example.registration}\n\n_CHECKS = (\n    {called},\n")
        package.write_text(text, encoding="utf-8")
    else:
        package.write_text(f"{text}\n{example.registration}  # noqa\n", encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with every example of the page added to it."""
    root = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "fixtures"))
    for name in ("docs", "pyproject.toml"):
        (root / name).symlink_to(ROOT / name)
    for example in examples():
        add(example, root)
    return root


def test_the_page_has_an_example_of_every_kind() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.split("| kind | new file |")[1].split("\n\n")[0]
    kinds = set(re.findall(r"^\| (?!-)([\w` ]+?) \|", table, re.MULTILINE))
    shown = {example.kind.lower() for example in examples()}
    assert {kind.replace("`", "") for kind in kinds} - shown == {"trainable", "view of a running search"}


def test_each_passes_the_contract_of_its_kind_and_all_are_listed_planned_run_and_reported(copy: Path) -> None:
    named = [example.name for example in examples()]
    named += [word.rpartition("::")[2].rpartition("/")[2] for word in (CHECKS, *DOCS)]
    words = [
        *CONTRACTS,
        CHECKS,
        *DOCS,
        "-k",
        " or ".join(named),
    ]  # of the contracts, the tests of each example
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *words]
    environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
