"""The notebook of the docs: it was run as a whole, and what it names is there."""

from __future__ import annotations

import ast
import json
from importlib import import_module
from pathlib import Path

from search.config.load import load_config
from tightrope.result import Result
from tightrope.settings import to_words

NOTEBOOK = Path(__file__).parents[2] / "docs/notebook.ipynb"


def test_the_notebook_was_run_and_names_what_there_is() -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert "error" not in {output["output_type"] for output in outputs}
    tree = ast.parse("\n".join("".join(cell["source"]) for cell in cells))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "result":
            assert hasattr(Result, node.attr), node.attr
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    (search,) = (call for call in calls if ast.unparse(call.func) == "tightrope.search")
    given = {str(each.arg): each.value for each in search.keywords if each.arg != "callbacks"}
    load_config(to_words({name: ast.literal_eval(value) for name, value in given.items()}))
