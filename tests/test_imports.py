"""Imports go one way and in no circle, and what judges or explains loads no framework."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
DEPENDENCIES = ROOT / "docs/decisions/0001-dependencies.md"
PACKAGES = ("search", "analysis", "trainables", "tightrope")
FRAMEWORKS = {"ray", "torch", "mlflow"}
SLOW = FRAMEWORKS | {"plotly", "matplotlib", "pandas", "pyarrow", "jinja2", "scipy", "optuna"}


class Import(NamedTuple):
    """A module that is imported; `loads` where importing the importing module does it."""

    target: str
    loads: bool


def modules_in(root: Path, *packages: str) -> dict[str, Path]:
    """Files by the name under which they are imported."""
    paths = sorted(path for package in packages for path in (root / package).rglob("*.py"))
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


def imports_in(node: ast.AST, loads: bool = True) -> Iterator[Import]:
    """What a file imports; `from a import b` gives `a.b`, which need not be a module."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, loads) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: a relative import"
            yield from (Import(f"{child.module}.{alias.name}", loads) for alias in child.names)
        else:
            checking = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports_in(child, loads and not (checking or function))


def graph_of(modules: dict[str, Path]) -> dict[str, set[Import]]:
    """What each module imports: modules of these where they are, else as written."""

    def resolved(target: str) -> str:
        parent = target.rpartition(".")[0]
        return parent if target not in modules and parent in modules else target

    return {
        name: {Import(resolved(target), loads) for target, loads in imports_in(ast.parse(path.read_text()))}
        for name, path in modules.items()
    }


def circles(graph: dict[str, set[Import]]) -> list[list[str]]:
    """Modules that import each other, at once or later (Tarjan's strongly connected components)."""
    indices: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(name: str) -> None:
        indices[name] = lowest[name] = len(indices)
        stack.append(name)
        for target in {target for target, _ in graph[name]} & graph.keys() - {name}:
            if target not in indices:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in stack:
                lowest[name] = min(lowest[name], indices[target])
        if lowest[name] == indices[name]:
            place = stack.index(name)
            components.append(sorted(stack[place:]))
            del stack[place:]

    for name in graph:
        if name not in indices:
            visit(name)
    return [component for component in components if len(component) > 1]


def loaded_by(graph: dict[str, set[Import]], name: str) -> dict[str, str]:
    """What importing a module loads, packages above it too, each with the module that asks for it."""
    loaded: dict[str, str] = {}
    waiting = [(name, "")]
    while waiting:
        target, importer = waiting.pop()
        if target in loaded:
            continue
        loaded[target] = importer
        parent = target.rpartition(".")[0]
        waiting += [(parent, target)] if parent else []
        waiting += [(wanted, target) for wanted, loads in graph.get(target, ()) if loads]
    return loaded


def loaded(name: str, heavy: set[str]) -> set[tuple[str, str]]:
    """Which of these packages importing a module loads, each with the module that asks for it."""
    every = loaded_by(repository(), name)
    return {(target, importer) for target, importer in every.items() if target.split(".")[0] in heavy}


@cache
def repository() -> dict[str, set[Import]]:
    return graph_of(modules_in(ROOT, *PACKAGES))


def importers(package: str, *imported: str) -> set[str]:
    """Modules of a package that import another package, at once or later."""
    return {
        name
        for name, targets in repository().items()
        if name.split(".")[0] == package and {target.split(".")[0] for target, _ in targets} & {*imported}
    }


def test_of_the_search_only_its_session_calls_what_explains() -> None:
    assert importers("search", "analysis") <= {"search.session"}


def test_what_trains_knows_neither_the_search_nor_what_explains() -> None:
    assert importers("trainables", "search", "analysis") == set()


def test_nothing_imports_the_console_script() -> None:
    assert [importers(package, "tightrope") for package in ("search", "analysis", "trainables")] == [
        set()
    ] * 3


def test_no_modules_import_each_other() -> None:
    assert circles(repository()) == []


@pytest.mark.parametrize("package", ["analysis", "search.judging"])
def test_what_judges_or_explains_loads_no_framework(package: str) -> None:
    modules = [name for name in repository() if f"{name}.".startswith(f"{package}.")]
    assert modules
    assert {(name, *each) for name in modules for each in loaded(name, FRAMEWORKS)} == set()


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("search.searchers", FRAMEWORKS | {"optuna", "scipy"}),
        ("search.schedulers", FRAMEWORKS | {"optuna", "scipy"}),
        ("search.tracking", {"mlflow"}),
        ("analysis.report.command", SLOW),
        ("tightrope", FRAMEWORKS | {"pandas", "pydantic", "analysis"}),
    ],
)
def test_what_is_always_imported_loads_nothing_slow(module: str, heavy: set[str]) -> None:
    assert module in repository()
    assert loaded(module, heavy) == set()


def test_circles_and_frameworks_are_seen_through_other_modules(tmp_path: Path) -> None:
    files = {
        "__init__": "",
        "first": "import p.second",
        "second": "def later():\n    from p.third import THIRD",
        "third": "from p import first\nTHIRD = 3",
        "light": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
        "heavy": "if True:\n    from p import indirect",
        "indirect": "from torch.nn import Module",
    }
    (tmp_path / "p").mkdir()
    for name, text in files.items():
        (tmp_path / "p" / f"{name}.py").write_text(text)
    small = graph_of(modules_in(tmp_path, "p"))
    assert circles(small) == [["p.first", "p.second", "p.third"]]
    assert "torch" not in loaded_by(small, "p.light")
    assert loaded_by(small, "p.heavy")["torch.nn.Module"] == "p.indirect"
    assert "torch" in loaded_by(small, "p.heavy")


def test_every_dependency_has_a_reason() -> None:
    """Packages of the extras too, but for those that only tests and benchmarks use."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [
        project["optional-dependencies"][name] for name in ("aws", "gcp", "gguf", "quantized", "lm-eval")
    ]
    rows = re.findall(r"^\| (.+?) \|", DEPENDENCIES.read_text(), re.MULTILINE)
    given = {name for row in rows for name in re.findall(r"[a-z][\w-]+", row.partition("(extra")[0])}
    needed = {re.split(r"[\[<>=]", package)[0] for package in chain(project["dependencies"], *extras)}
    assert sorted(needed - given) == []
