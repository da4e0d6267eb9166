"""Names of searches: what they follow from, searches under earlier names, and free ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config.compose import compose
from search.config.load import load_config
from search.config.names import derived_name
from search.config.overrides import parse_words
from search.errors import ConfigError, RecordError
from search.resume import open_record
from search.run import main
from tests.search.config_files import write_space
from tests.search.test_resume import record


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("", "demo"),
        ("model=embedded task=lighthouse trainable=lora", "demo"),
        ("trials=30 seed=4 limits.hours=2 parameters.lr.high=1e-3 capability=q.jsonl", "demo"),
        ("model=HuggingFaceTB/SmolLM2-135M task=data/my.jsonl.gz", "demo-SmolLM2-135M-my"),
        ("task=my.jsonl model=smollm2 capability=q.jsonl", "demo-smollm2-my"),
        ("task=[data/a.jsonl,data/b.jsonl]", "demo-a"),
        ("model={name: tiny, source: org/x} task=~/.csv", "demo-tiny-task"),
        ("trainable=routing task=org/set:part", "demo-routing-set-part"),
        ("task=my.jsonl name=mine", "mine"),
    ],
)
def test_a_name_follows_what_makes_the_search_another(words: str, name: str) -> None:
    assert compose(["space=demo", *_split(words)]).data["name"] == name


def _split(words: str) -> list[str]:
    """Words, where spaces in braces part none."""
    return [word.replace("\0", " ") for word in words.replace(": ", ":\0").replace(", ", ",\0").split()]


@given(st.text(max_size=80), st.sampled_from(["model", "task", "trainable"]))
def test_whatever_is_chosen_a_name_is_that_of_a_folder(value: str, key: str) -> None:
    overrides, _ = parse_words([f"{key}={value}"])
    name = derived_name("demo", {}, overrides)
    assert name == derived_name("demo", {"name": "demo"}, overrides)
    assert "/" not in name
    assert name.isprintable()
    assert len(name.encode()) <= 50


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    (tmp_path / "other.jsonl").write_bytes((tmp_path / "train.jsonl").read_bytes() * 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


OTHER = ("space=space.yaml", "task=other.jsonl")


def test_other_data_are_another_search_and_the_same_words_find_it(space: Path) -> None:
    record(load_config(["space=space.yaml"]).config)
    config = load_config(OTHER).config
    assert config.name == "space-other"
    record(config)
    assert load_config([*OTHER, "trials=99"]).config.name == "space-other"


def test_a_search_begun_under_the_name_of_the_space_alone_is_resumed(space: Path) -> None:
    record(load_config([*OTHER, "name=space"]).config)
    assert load_config([*OTHER, "trials=99"]).config.name == "space"
    assert load_config([*OTHER, "seed=5"]).config.name == "space-other", "that is another search"
    record(load_config([*OTHER, "name=space-other"]).config)
    assert load_config(OTHER).config.name == "space-other"


def test_an_earlier_search_that_is_passed_over_is_named_and_a_damaged_one_is_refused(space: Path) -> None:
    record(load_config(["space=space.yaml"]).config)
    assert any("runs/space has another configuration" in note for note in load_config(OTHER).notes)
    with (space / "runs/space/events.jsonl").open("a") as file:
        file.write("no event\n")
    with pytest.raises(RecordError, match="this search may have begun there") as refused:
        load_config(OTHER)
    assert "name=space-other" in str(refused.value.hint)
    assert load_config([*OTHER, "name=space-other"]).config.name == "space-other"


def test_a_folder_in_which_no_search_began_gives_its_name_to_none(space: Path) -> None:
    (space / "runs/space").mkdir(parents=True)
    (space / "runs/space/events.jsonl").touch()
    assert load_config(OTHER).config.name == "space-other"
    with pytest.raises(ConfigError, match=r"warm_start.search: There is no search runs/gone"):
        load_config(["space=space.yaml", "warm_start=runs/gone"])


@pytest.mark.parametrize("name", ["mine", "demo-name", "demo"])
def test_another_model_s_search_that_began_with_the_embedded_questions_keeps_them(
    space: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(space))
    words = ["space=demo", "model=org/name", "out=~/runs"]
    record(load_config([*words, "capability=embedded", f"name={name}"]).config)
    resolved = load_config([*words, "trials=99", *(["name=mine"] if name == "mine" else [])])
    assert resolved.config.name == name
    assert open_record(resolved.config).state.searched == 1
    assert not resolved.notes
    anew = [*words, "name=anew"]
    record(load_config(anew).config)
    assert open_record(load_config(anew).config).state.searched == 1, "it keeps its general text"
    if name == "demo":
        other = load_config([*words, "seed=5"])
        assert other.config.name == "demo-name"
        assert not other.config.options.capability.skills
        assert len(other.notes) == 3, "general text, the objectives, and what is passed over"


def test_the_hint_of_a_refusal_names_a_search_that_can_be_begun(
    space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(load_config(["space=space.yaml"]).config)
    (space / "runs" / "space-2").mkdir()
    changed = ("space=space.yaml", "parameters.lr.high=2e-2")
    assert main([*changed, "--plan"]) == 2
    assert "name=space-3" in capsys.readouterr().err
    assert main([*changed, "--plan", "name=space-3"]) == 0
