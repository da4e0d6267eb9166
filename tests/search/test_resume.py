"""What may change between two sessions of a search, and what may not."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

import pytest
from pydantic import BaseModel

from search.config.known import model_types
from search.config.load import load_config
from search.config.schema import SearchConfig, config_model
from search.effects import effects_of, pattern
from search.errors import RecordError, SpaceChangedError
from search.provenance import PREFIX, contents
from search.record import RecordWriter, SearchStarted, TrialProposed
from search.resume import open_record, refuse_changes
from search.run import main
from tests.search.config_files import write_space
from tests.search.test_conductor import configure
from trainables import embedded
from trainables.settings import FactsConfig, OwnMetric


def schema_keys(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Every key of the schema, `*` for an entry of a list and for a name of the user's."""
    for name, field in model.model_fields.items():
        inner = model_types(field.annotation)
        many = name in ("parameters", "fixed") or (inner and get_origin(field.annotation) is tuple)
        key = f"{above}{name}" + (".*" if many else "")
        for one in inner:
            yield from schema_keys(one, f"{key}.")
        if not inner:
            yield key


EFFECTS = effects_of({"trainable": "lora"})


def test_every_setting_is_classified_once() -> None:
    keys = dict.fromkeys(pattern(tuple(key.split("."))) for key in schema_keys(config_model("lora")))
    assert sorted(keys) == sorted(EFFECTS), "a new setting belongs into search/effects.py or the trainable's"


def example(key: str) -> str:
    """A key that the pattern stands for."""
    for above, name in (("parameters", "lr"), ("fixed", "clip"), ("guards", "spike")):
        key = key.replace(f"{above}.*", f"{above}.{name}")
    return key.replace("searcher.*", "searcher.name").replace("scheduler.*", "scheduler.name")


def with_another_value(config: SearchConfig, key: str) -> dict[str, Any]:
    """The configuration as a record with something else at `key`."""
    recorded = config.model_dump(mode="json")
    node: Any = recorded
    *above, last = example(key).split(".")
    for part in above:
        if node[0 if part == "*" else part] is None:
            node[part] = {}
        node = node[0 if part == "*" else part]
    node[last] = "something else"
    return recorded


@pytest.mark.parametrize("key", sorted(EFFECTS))
def test_a_change_is_refused_by_its_name_or_lets_the_search_go_on(key: str) -> None:
    config = configure(searcher="grid")
    # A search that begins with another does so for good; of what it took over, only the place may change.
    if key == "warm_start.search":
        config = configure(searcher="grid", warm_start={"search": "runs/a"})
    if key.startswith("capability.facts."):
        asked = config.capability.model_copy(update={"facts": FactsConfig(path="beliefs.jsonl")})
        config = config.model_copy(update={"capability": asked})
    if key.startswith("capability.metrics."):
        metrics = (OwnMetric(name="kind", source="mine.py:kind"),)
        asked = config.capability.model_copy(update={"metrics": metrics})
        config = config.model_copy(update={"capability": asked})
    recorded = with_another_value(config, key)
    may_appear = EFFECTS[key] == "content" and key not in ("task.heldout", "capability.general_text")
    if EFFECTS[key] == "none" or may_appear:
        refuse_changes(recorded, config)
        return
    with pytest.raises(SpaceChangedError) as caught:
        refuse_changes(recorded, config)
    changed = [line.split(":")[0].strip() for line in caught.value.message.splitlines()[1:]]
    assert changed == [example(key).replace("*", "0")]


def test_what_nothing_reads_may_change() -> None:
    config = configure(searcher="gp")
    refuse_changes(with_another_value(config, "parameters.*.points"), config)
    config = configure(task={"name": "t", "train": "t.jsonl", "heldout": "h.jsonl"})
    refuse_changes(with_another_value(config, "task.heldout_fraction"), config)


def test_another_number_of_entries_is_said_in_one_line() -> None:
    config = configure()
    recorded = config.model_dump(mode="json")
    recorded["capability"]["skills"].append(recorded["capability"]["skills"][0] | {"name": "more"})
    with pytest.raises(SpaceChangedError) as caught:
        refuse_changes(recorded, config)
    assert caught.value.message.splitlines()[1:] == ["  capability.skills: recorded 2 entries, now 1"]


def test_a_key_that_is_newer_than_the_record_has_its_default() -> None:
    config = configure()
    recorded = config.model_dump(mode="json")
    del recorded["capability"]["kl_prompts"]
    for skill in recorded["capability"]["skills"]:
        del skill["at"]
    refuse_changes(recorded, config)
    fewer = config.capability.model_copy(update={"kl_prompts": 3})
    with pytest.raises(SpaceChangedError, match=r"capability\.kl_prompts: recorded 16, now 3"):
        refuse_changes(recorded, config.model_copy(update={"capability": fewer}))


def test_a_record_that_is_no_configuration_any_more_is_compared_as_it_is() -> None:
    config = configure()
    recorded = config.model_dump(mode="json") | {"gone": 1}
    del recorded["capability"]["kl_prompts"]
    with pytest.raises(SpaceChangedError, match=r"kl_prompts: recorded absent, now 16\n  gone: recorded 1"):
        refuse_changes(recorded, config)


def test_another_order_of_parameters_is_another_space() -> None:
    config = configure()
    recorded = config.model_dump(mode="json")
    turned = dict(reversed(config.parameters.items()))
    with pytest.raises(SpaceChangedError, match="order of parameters"):
        refuse_changes(recorded, config.model_copy(update={"parameters": turned}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A space with its data and a model, in the working directory, and a search that has begun."""
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(embedded.model_dir(), tmp_path / "model")
    return tmp_path


WORDS = ("space=space.yaml", "name=mine", "model=model")


def begin(*words: str, known: bool = True) -> SearchConfig:
    config = load_config(list(words or WORDS)).config
    record(config, known)
    return config


def record(config: SearchConfig, known: bool = True) -> None:
    """Begins a search of this configuration."""
    prints = {f"{PREFIX}{key}": value for key, value in contents(config).items()} if known else {}
    started = SearchStarted(
        search_id="x", config=config.model_dump(mode="json"), fingerprints=prints, versions={}
    )
    with RecordWriter(Path(config.out) / config.name) as writer:
        writer.append(started)
        writer.append(TrialProposed(trial=0, sampled={"rank": 2}, params={"rank": 2}))


def move(folder: Path) -> tuple[str, ...]:
    """Moves all that the search reads, and says where to."""
    for name in ("model", "train.jsonl", "facts.jsonl", "sums.jsonl"):
        shutil.move(folder / name, folder / f"moved-{name}")
    return (
        "model.source=moved-model",
        "task.train=moved-train.jsonl",
        "capability.skills.0.path=moved-facts.jsonl",
        "capability.skills.1.path=moved-sums.jsonl",
    )


@pytest.mark.parametrize("known", [True, False])
def test_a_search_goes_on_where_its_files_were_moved(folder: Path, known: bool) -> None:
    begin(known=known)
    words = move(folder)
    config = load_config([WORDS[0], WORDS[1], "model={name: other, source: x/y}", *words]).config
    assert open_record(config).state.searched == 1


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("train.jsonl", "task.train"),
        ("facts.jsonl", "capability.skills.0.path"),
        ("model/config.json", "model.source"),
    ],
)
def test_other_bytes_at_the_same_path_are_refused_by_plan_and_run_alike(
    folder: Path, name: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin()
    path = folder / name
    path.write_text(path.read_text() + "\n" + (path.read_text() if name.endswith("jsonl") else ""))
    said = []
    for flags in (["--plan"], []):
        assert main([*WORDS, *flags]) == 2
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]
    assert f"  {key}: " in said[0]
    assert "has changed (sha256 " in said[0]


def test_a_changed_space_is_refused_by_plan_and_run_alike(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin()
    said = []
    for flags in (["--plan"], []):
        assert main([*WORDS, "parameters.lr.high=2e-2", *flags]) == 2
        captured = capsys.readouterr()
        assert "resumes from" not in captured.out
        said.append(captured.err)
    assert said[0] == said[1]
    assert "parameters.lr.high: recorded 0.01, now 0.02" in said[0]
    assert main([*WORDS, "--plan"]) == 0
    assert "resumes from" in capsys.readouterr().out


def test_a_damaged_record_is_refused_by_plan_and_run_alike(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin()
    events = folder / "runs" / "mine" / "events.jsonl"
    events.write_text(events.read_text() + "{}\n")
    said = []
    for flags in (["--plan"], []):
        assert main([*WORDS, *flags]) == RecordError.exit_code
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]
    assert "events.jsonl:3" in said[0]


def test_a_plan_says_that_another_process_runs_the_search(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin()
    with RecordWriter(folder / "runs" / "mine"):
        assert main([*WORDS, "--plan", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["running"]
        assert main([*WORDS, "--plan"]) == 0
        assert "Another process is running this search" in capsys.readouterr().out
        assert main([*WORDS]) == RecordError.exit_code
    assert main([*WORDS, "--plan", "--json"]) == 0
    assert not json.loads(capsys.readouterr().out.splitlines()[-1])["running"]


def test_a_folder_of_data_and_a_large_file_are_known_again(folder: Path) -> None:
    """Folders by their files; of large files the edges."""
    config = load_config(list(WORDS)).config
    (folder / "many" / "a").mkdir(parents=True)
    (folder / "many" / "a" / "1.jsonl").write_text("one")
    (folder / "many" / ".hidden").write_text("not data")
    large = folder / "large.jsonl"
    with large.open("wb") as stream:
        stream.truncate(70 * 2**20)

    def seen(source: str) -> str:
        return contents(config.model_copy(update={"task": config.task.model_copy(update={"train": source})}))[
            "task.train"
        ]

    before = seen("many"), seen("large.jsonl"), seen("org/name")
    shutil.copytree(folder / "many", folder / "copy")
    (folder / "copy" / ".hidden").unlink()
    assert seen("copy") == before[0]
    (folder / "copy" / "a" / "1.jsonl").write_text("two")
    assert seen("copy") != before[0]
    with large.open("r+b") as stream:
        stream.write(b"x")
    assert seen("large.jsonl") != before[1]
    assert before[2] == "name:org/name#train"


def test_another_model_of_the_hub_is_another_model(folder: Path) -> None:
    config = begin(*WORDS[:2], "model={name: far, source: org/far}")
    assert open_record(config).state.searched == 1
    other = copy.deepcopy(config.model_dump())
    other["model"]["source"] = "org/other"
    with pytest.raises(SpaceChangedError, match=r"model.source: org/other .*\(org/far then"):
        open_record(SearchConfig.model_validate(other))
