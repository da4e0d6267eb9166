"""Searches whose configuration left something to be chosen, when they are resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.config.load import load_config
from search.errors import SpaceChangedError
from search.resume import refuse_changes, with_recorded_choices
from tests.search.config_files import write_space


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_older_searches_had_by_default_is_kept() -> None:
    config = load_config(["space=space.yaml"]).config
    assert (config.task.format, config.task.max_length, config.capability.max_new_tokens) == (
        "auto",
        None,
        None,
    )
    recorded = config.model_dump(mode="json")
    recorded["task"] |= {"format": "text", "max_length": 64}
    for new in ("subset", "prompt", "completion", "loss"):
        del recorded["task"][new]
    recorded["capability"]["max_new_tokens"] = 12
    resumed = with_recorded_choices(recorded, config)
    refuse_changes(recorded, resumed)
    assert (resumed.task.format, resumed.task.max_length, resumed.capability.max_new_tokens) == (
        "text",
        64,
        12,
    )


def test_a_word_of_the_user_s_is_compared_with_the_record() -> None:
    config = load_config(["space=space.yaml", "task.max_length=32"]).config
    recorded = config.model_dump(mode="json")
    recorded["task"]["max_length"] = 64
    with pytest.raises(SpaceChangedError, match=r"task\.max_length: recorded 64, now 32"):
        refuse_changes(recorded, with_recorded_choices(recorded, config))
