"""Completion, by the shell itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tightrope.completion import script


def completed(line: str, cwd: Path) -> list[str]:
    """What bash offers at the end of a line."""
    words = re.findall(r"=|[^=\s]+", line) + ([""] if line.endswith(" ") else [])
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"{script('bash')}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _tightrope\n"
    code += "printf '%s\\n' \"${COMPREPLY[@]}\""
    done = subprocess.run(["bash", "-c", code], cwd=cwd, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_verbs_keys_names_and_searches(tmp_path: Path) -> None:
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    (tmp_path / "mine.yaml").touch()
    assert completed("tightrope con", tmp_path) == ["config"]
    assert {"run", "plan", "--version"} <= set(completed("tightrope ", tmp_path))
    assert completed("tightrope run budget.st", tmp_path) == ["budget.steps="]
    assert {"space=", "model=", "searcher="} <= set(completed("tightrope plan ", tmp_path))
    assert completed("tightrope run space=dem", tmp_path) == ["demo"]
    assert completed("tightrope run space=mi", tmp_path) == ["mine.yaml"]
    assert "moasha" in completed("tightrope run space=demo scheduler=", tmp_path)
    assert set(completed("tightrope simulate search=runs/", tmp_path)) == {"runs/demo"}
    assert completed("tightrope export-optuna sea", tmp_path) == ["search="]
    assert completed("tightrope plan --all", tmp_path) == ["--allow-code"]
    (tmp_path / "my own.py").touch()
    assert completed("tightrope plan --allow-code my", tmp_path) == ["my own.py"]
    assert completed("tightrope run task=my", tmp_path) == ["my own.py"]
    assert completed("tightrope show ", tmp_path) == ["runs/demo"]
    assert completed("tightrope show runs/d", tmp_path) == ["runs/demo"]


def test_zsh_has_the_same_words() -> None:
    assert script("zsh").endswith(script("bash"))
