"""Misspelt keys in a cluster file get the right name; text that is no cluster file gets a line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from search.clustercheck.check import problems, ray_problems
from search.clustercheck.document import parse
from search.config.origins import Key, dotted
from search.errors import ConfigError

pytest.importorskip("botocore")

TEXT = (Path(__file__).parents[2] / "cluster.yaml").read_text()
DATA: dict[str, Any] = yaml.safe_load(TEXT)
UNSHARED = json.dumps(DATA)
NODES = "available_node_types"
HEAD = (NODES, "head", "node_config")
WORKER = (NODES, "worker-l4", "node_config")


def at(data: Any, path: Key) -> Any:
    for part in path:
        data = data[part]
    return data


TYPOS: list[tuple[Key, str, str]] = [
    (("provider",), "cache_stopped_node", "cache_stopped_nodes"),
    (("provider",), "regoin", "region"),
    (WORKER, "IamInstanceProfil", "IamInstanceProfile"),
    (WORKER, "instancemarketoptions", "InstanceMarketOptions"),
    ((*WORKER, "BlockDeviceMappings", 0, "Ebs"), "VolumeSise", "VolumeSize"),
    ((*WORKER, "MetadataOptions"), "HttpToken", "HttpTokens"),
]


@pytest.mark.parametrize(("path", "wrong", "right"), TYPOS)
def test_typos_that_ray_lets_pass_are_refused(path: Key, wrong: str, right: str) -> None:
    data = json.loads(UNSHARED)
    owner = at(data, path)
    owner[wrong] = owner.pop(right)
    document = parse(yaml.safe_dump(data, sort_keys=False), "cluster.yaml")
    assert ray_problems(document) == []
    (problem,) = [problem for problem in problems(document) if problem.key == dotted((*path, wrong))]
    assert right in str(problem.hint)
    line = yaml.safe_dump(data, sort_keys=False).splitlines()[int(problem.where.rpartition(":")[2]) - 1]
    assert wrong in line


PLACES: list[Key] = [
    ("provider",),
    ("provider", "security_group"),
    WORKER,
    HEAD,
    (*WORKER, "InstanceMarketOptions"),
    (*WORKER, "InstanceMarketOptions", "SpotOptions"),
    (*WORKER, "BlockDeviceMappings", 0),
    (*WORKER, "BlockDeviceMappings", 0, "Ebs"),
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
@given(data=st.data(), path=st.sampled_from(PLACES))
def test_any_misspelt_key_is_refused_with_the_right_name(data: st.DataObject, path: Key) -> None:
    broken = json.loads(UNSHARED)
    owner = at(broken, path)
    right = data.draw(st.sampled_from(sorted(owner)))
    wrong = data.draw(misspelt(right).filter(lambda name: name not in owner))
    owner[wrong] = owner.pop(right)
    report = problems(parse(yaml.safe_dump(broken), "cluster.yaml"))
    (problem,) = [problem for problem in report if problem.key == dotted((*path, wrong))]
    assert right in str(problem.hint)


def test_values_that_ec2_does_not_know_are_refused_and_new_instance_types_are_not() -> None:
    data = json.loads(UNSHARED)
    owner = at(data, WORKER)
    owner["InstanceMarketOptions"]["MarketType"] = "spott"
    owner["InstanceType"] = "g99.2xlarge"
    owner["BlockDeviceMappings"][0]["Ebs"] |= {"VolumeSize": "200", "Encrypted": 1}
    report = {problem.key: problem for problem in problems(parse(yaml.safe_dump(data), "cluster.yaml"))}
    disk = dotted((*WORKER, "BlockDeviceMappings", 0, "Ebs"))
    market = dotted((*WORKER, "InstanceMarketOptions", "MarketType"))
    assert report.keys() == {market, f"{disk}.VolumeSize", f"{disk}.Encrypted"}
    assert "spot" in str(report[market].hint)


def test_without_ec2s_model_the_other_checks_run_and_it_is_said(tmp_path: Path) -> None:
    """A process in which botocore cannot be imported."""
    file = tmp_path / "cluster.yaml"
    file.write_text(TEXT)
    program = (
        "import sys, importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name.startswith('boto') else find(name, *rest)\n"
        "sys.modules['botocore'] = None\n"
        "from search.clustercheck.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    sound = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True)
    assert (sound.returncode, sound.stderr) == (0, "")
    assert "tightrope[aws]" in sound.stdout
    file.write_text(TEXT.replace("cache_stopped_nodes: false", "cache_stopped_nodes: true"))
    wrong = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "cache_stopped_nodes" in wrong.stderr
    assert "tightrope[aws]" in wrong.stderr


def test_keys_that_ray_sets_itself_are_refused_with_what_to_do() -> None:
    data = json.loads(UNSHARED)
    at(data, WORKER)["MaxCount"] = 3
    (problem,) = problems(parse(yaml.safe_dump(data), "cluster.yaml"))
    assert problem.key == f"{dotted(WORKER)}.MaxCount"
    assert "max_workers" in str(problem.hint)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "is not YAML"),
        ("- 1", "contains a list"),
        ("", "is empty"),
        ("a: &x {b: *x}", "nested too deeply"),
        ("a: !!python/object:os.system {}", "is not allowed"),
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
