"""Misspelt keys in a cluster file get the right name; text that is no cluster file gets a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from search.clustercheck.check import misspellings, problems
from search.clustercheck.document import KeyPath, parse, spell
from search.clustercheck.names import edit_distance, nearest
from search.clustercheck.nodeconfig import DeviceMapping, EbsVolume, MarketOptions, NodeConfig, SpotTerms
from search.clustercheck.provider import AwsProvider, SecurityGroup
from search.clustercheck.raycheck import ray_problems
from search.clustercheck.strict import Strict
from search.errors import ConfigError

TEXT = (Path(__file__).parents[2] / "cluster.yaml").read_text()
DATA: dict[str, Any] = yaml.safe_load(TEXT)
UNSHARED = json.dumps(DATA)
NODES = "available_node_types"
HEAD = (NODES, "head", "node_config")
WORKER = (NODES, "worker-l4", "node_config")
SECTIONS = json.dumps({key: DATA[key] for key in ("provider", NODES)})


def at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


TYPOS: list[tuple[KeyPath, str, str]] = [
    (("provider",), "cache_stopped_node", "cache_stopped_nodes"),
    (("provider",), "regoin", "region"),
    (WORKER, "IamInstanceProfil", "IamInstanceProfile"),
    (WORKER, "instancemarketoptions", "InstanceMarketOptions"),
    ((*WORKER, "BlockDeviceMappings", 0, "Ebs"), "VolumeSise", "VolumeSize"),
    ((*WORKER, "MetadataOptions"), "HttpToken", "HttpTokens"),
]


@pytest.mark.parametrize(("path", "wrong", "right"), TYPOS)
def test_typos_that_ray_lets_pass_are_refused(path: KeyPath, wrong: str, right: str) -> None:
    data = json.loads(UNSHARED)
    owner = at(data, path)
    owner[wrong] = owner.pop(right)
    document = parse(yaml.safe_dump(data, sort_keys=False), "cluster.yaml")
    assert ray_problems(document) == []
    (problem,) = [problem for problem in problems(document) if problem.key == spell((*path, wrong))]
    assert f"`{right}`" in str(problem.hint)
    line = yaml.safe_dump(data, sort_keys=False).splitlines()[int(problem.where.rpartition(":")[2]) - 1]
    assert wrong in line


MAPPINGS: list[tuple[KeyPath, type[Strict]]] = [
    (("provider",), AwsProvider),
    (("provider", "security_group"), SecurityGroup),
    (WORKER, NodeConfig),
    (HEAD, NodeConfig),
    ((*WORKER, "InstanceMarketOptions"), MarketOptions),
    ((*WORKER, "InstanceMarketOptions", "SpotOptions"), SpotTerms),
    ((*WORKER, "BlockDeviceMappings", 0), DeviceMapping),
    ((*WORKER, "BlockDeviceMappings", 0, "Ebs"), EbsVolume),
]
LETTERS = st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")


@st.composite
def misspelt(draw: st.DrawFn, name: str) -> str:
    """`name` with one letter lost, added, changed, or swapped with the next, or in the other case."""
    place = draw(st.integers(0, len(name) - 2))
    before, letter, after = name[:place], name[place], name[place + 1 :]
    other = draw(LETTERS)
    variants = [
        before + after,
        before + other + letter + after,
        before + other + after,
        before + after[0] + letter + after[1:],
        before + letter.swapcase() + after,
    ]
    return draw(st.sampled_from([variant for variant in variants if variant != name]))


@settings(max_examples=50, deadline=None)
@given(data=st.data(), place=st.sampled_from(MAPPINGS))
def test_any_misspelt_key_is_refused_with_the_right_name(
    data: st.DataObject, place: tuple[KeyPath, type[Strict]]
) -> None:
    path, model = place
    right = data.draw(st.sampled_from(sorted(model.model_fields)))
    known = {*model.model_fields, *model.refused}
    wrong = data.draw(misspelt(right).filter(lambda name: name not in known))
    broken = json.loads(SECTIONS)
    owner = at(broken, path)
    owner[wrong] = owner.pop(right, "value")
    named = [
        problem
        for problem in misspellings(parse(yaml.safe_dump(broken), "cluster.yaml"))
        if problem.key == spell((*path, wrong))
    ]
    assert len(named) == 1
    assert f"`{right}`" in str(named[0].hint)


@given(first=st.text("abc", max_size=6), second=st.text("abc", max_size=6), third=st.text("abc", max_size=6))
def test_edit_distance_is_symmetric_and_one_per_appended_letter(first: str, second: str, third: str) -> None:
    assert edit_distance(first, second) == edit_distance(second, first)
    assert (edit_distance(first, second) == 0) == (first == second)
    assert edit_distance(first, first + third) == len(third)


def test_names_that_are_not_close_get_no_suggestion() -> None:
    assert nearest("zzzzzzzz", ["region", "type"]) == ()
    assert nearest("region", []) == ()


def test_keys_that_ray_sets_itself_are_refused_with_what_to_do() -> None:
    data = json.loads(UNSHARED)
    at(data, WORKER)["MaxCount"] = 3
    (problem,) = misspellings(parse(yaml.safe_dump(data), "cluster.yaml"))
    assert problem.key == f"{spell(WORKER)}.MaxCount"
    assert "max_workers" in str(problem.hint)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "is not YAML"),
        ("- 1", "is not a mapping"),
        ("", "is not a mapping"),
        ("a: &x {b: *x}", "contains it"),
        ("a: !!python/object:os.system {}", "is not YAML"),
    ],
)
def test_unreadable_text_is_one_problem_with_a_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "cluster.yaml")
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.where == "cluster.yaml:1"


def test_a_key_given_twice_is_found() -> None:
    once = "  cache_stopped_nodes: false"
    text = TEXT.replace("  cache_stopped_nodes: false", f"  cache_stopped_nodes: true\n{once}")
    (problem,) = problems(parse(text, "cluster.yaml"))
    assert problem.key == "provider.cache_stopped_nodes"
    assert "twice" in problem.message
