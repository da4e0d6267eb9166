"""The shipped cluster file is sound, and each way to break it is found, with key, line and right name."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.clustercheck.__main__ import main
from search.clustercheck.check import problems, ray_problems, unready
from search.clustercheck.document import load, parse
from search.clustercheck.shell import simple_commands
from search.config.origins import Key, dotted
from search.errors import Problem

pytestmark = pytest.mark.integration

SHIPPED = Path(__file__).parents[2] / "cluster.yaml"
TEXT = SHIPPED.read_text()
DATA: dict[str, Any] = yaml.safe_load(TEXT)
NODES = "available_node_types"
HEAD = (NODES, "head", "node_config")
WORKER = (NODES, "worker-l4", "node_config")
HEAD_START = ("head_start_ray_commands", 1)
MLFLOW = ("head_start_ray_commands", 2)
WORKER_START = ("worker_start_ray_commands", 1)

Change = Callable[[Any], Any]


def at(data: Any, path: Key) -> Any:
    for part in path:
        data = data[part]
    return data


DELETE = object()


def changed(path: Key, change: Change) -> dict[str, Any]:
    """The shipped file with the value at `path` changed there alone, or taken out."""
    data: dict[str, Any] = json.loads(json.dumps(DATA))  # Without shared values, which aliases make.
    owner = at(data, path[:-1])
    old = owner.get(path[-1]) if isinstance(owner, dict) else owner[path[-1]]
    new = change(old)
    if new is DELETE:
        del owner[path[-1]]
    else:
        owner[path[-1]] = new
    return data


def delete(_: object) -> object:
    return DELETE


def to(value: object) -> Change:
    return lambda _: value


def swap(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


def found(data: dict[str, Any]) -> list[Problem]:
    return problems(parse(yaml.safe_dump(data, sort_keys=False), "cluster.yaml"))


def test_shipped_file_passes_rays_validator_and_ours() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(copy.deepcopy(DATA)))
    document = load(SHIPPED)
    assert ray_problems(document) == []
    assert problems(document) == []


def test_shipped_file_names_each_value_to_set_once() -> None:
    document = load(SHIPPED)
    assert [dotted(path) for path in document.placeholders()] == [
        "metadata.host_image",
        "docker.run_options.0",
    ]
    lines = TEXT.splitlines()
    for path in document.placeholders():
        assert "CHANGE-ME" in lines[int(document.places[path].rpartition(":")[2]) - 1]


def test_every_node_brings_the_token_and_none_carries_it() -> None:
    assert DATA["file_mounts"]["/home/ray/.tightrope"] == "~/.tightrope/cluster/secrets"
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        starts = [
            command for line in DATA[key] for command in simple_commands(line) if command.runs("ray", "start")
        ]
        assert len(starts) == 1
        assert starts[0].variables["RAY_AUTH_MODE"] == "token"
        assert starts[0].variables["RAY_AUTH_TOKEN_PATH"].startswith("/home/ray/.tightrope/")


RULES: list[tuple[Key, Change]] = [  # The problem has the key that was changed.
    (("provider", "cache_stopped_nodes"), to(True)),
    (("provider", "cache_stopped_nodes"), delete),
    (("provider", "type"), to("awz")),
    (("provider", "type"), delete),
    ((*HEAD, "InstanceType"), to("g5.xlarge")),
    ((*HEAD, "InstanceType"), to("p4d.24xlarge")),
    ((NODES, "head", "resources", "GPU"), to(1)),
    ((*HEAD, "IamInstanceProfile"), delete),
    ((*WORKER, "IamInstanceProfile"), delete),
    ((*WORKER, "IamInstanceProfile"), to({})),
    ((*WORKER, "InstanceMarketOptions"), delete),
    ((NODES,), lambda types: {"head": types["head"]}),
    ((NODES,), delete),
    ((*WORKER, "ImageId"), delete),
    ((*WORKER, "ImageId"), to("latest_dlami")),
    ((*WORKER, "ImageId"), to("resolve:ssm:/aws/service/deeplearning/ami/x86_64/base/latest/ami-id")),
    (("docker", "worker_image"), to("rayproject/ray:nightly-py311-cu128")),
    (("docker", "worker_image"), to("rayproject/ray:latest")),
    (("docker", "worker_image"), to("rayproject/ray")),
    (("docker", "worker_image"), to("rayproject/ray:cu128")),
    (("docker", "head_image"), to("rayproject/ray:2.9.3-py311-cpu")),
    (("docker", "head_image"), to("registry:5000/team/image")),
    (("setup_commands",), delete),
    (("setup_commands", 1), to("pip install -U https://x.test/ray-wheels/latest/ray.whl")),
    (HEAD_START, swap("RAY_AUTH_MODE=token ", "")),
    (HEAD_START, swap("RAY_AUTH_MODE=token", "RAY_AUTH_MODE=disabled")),
    (HEAD_START, swap("RAY_AUTH_MODE=token ", "RAY_AUTH_MODE=token true; ")),
    (HEAD_START, swap("--dashboard-host=127.0.0.1", "--dashboard-host=0.0.0.0")),
    (HEAD_START, swap("--dashboard-host=127.0.0.1", "--dashboard-host '::'")),
    (WORKER_START, swap("RAY_AUTH_MODE=token ", "")),
    (WORKER_START, swap("/home/ray/.tightrope/auth_token", "/etc/token")),
    (("worker_start_ray_commands",), delete),
    (("head_start_ray_commands",), lambda lines: lines[:1]),
    (("docker", "run_options", 1), to("--env=RAY_AUTH_TOKEN=0123abcd")),
    (MLFLOW, swap("--host 127.0.0.1", "--host 0.0.0.0")),
    (MLFLOW, swap("--host 127.0.0.1 ", "")),
]


@pytest.mark.parametrize(("path", "change"), RULES)
def test_each_rule_names_the_key(path: Key, change: Change) -> None:
    report = found(changed(path, change))
    named = [problem for problem in report if problem.key == dotted(path)]
    assert named, report
    assert all(problem.where.startswith("cluster.yaml") for problem in named)


def test_a_head_on_spot_is_refused() -> None:
    (problem,) = found(changed((*HEAD, "InstanceMarketOptions"), to({"MarketType": "spot"})))
    assert problem.key == f"{dotted(HEAD)}.InstanceMarketOptions.MarketType"


def test_workers_without_any_spot_are_refused() -> None:
    data = changed((*WORKER, "InstanceMarketOptions"), to({"MarketType": "on-demand"}))
    data[NODES]["worker-a10g"]["node_config"]["InstanceMarketOptions"] = {"MarketType": "on-demand"}
    (problem,) = found(data)
    assert (problem.key, problem.message) == (NODES, "has no worker on spot")


def test_a_token_that_no_mount_brings_is_found_on_both_sides() -> None:
    report = found(changed(("file_mounts", "/home/ray/.tightrope"), delete))
    assert {problem.key for problem in report} == {dotted(HEAD_START), dotted(WORKER_START)}


def test_an_image_of_one_node_type_is_checked_too() -> None:
    (problem,) = found(changed((NODES, "worker-l4", "docker"), to({"worker_image": "mine:latest"})))
    assert problem.key == f"{NODES}.worker-l4.docker.worker_image"


def test_ports_open_to_everyone_are_refused() -> None:
    group = {"IpPermissions": [{"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}
    (problem,) = found(changed(("provider", "security_group"), to(group)))
    assert problem.key == "provider.security_group.IpPermissions.0.IpRanges.0.CidrIp"


ALLOWED: list[tuple[Key, Change]] = [
    (HEAD_START, swap("RAY_AUTH_MODE=token ", "export RAY_AUTH_MODE=token; ")),
    (HEAD_START, swap("RAY_AUTH_MODE=token", "RAY_AUTH_MODE='token'")),
    (HEAD_START, swap("--dashboard-host=127.0.0.1", "--dashboard-host localhost")),
    (HEAD_START, swap("ray start", "/opt/venv/bin/ray start")),
    ((*WORKER, "ImageId"), to("ami-0123456789abcdef0")),
    ((*WORKER, "ImageId"), to("resolve:ssm:tightrope-host:7")),
    (("docker", "worker_image"), to("registry:5000/team/image@sha256:" + "0" * 64)),
    (("docker", "worker_image"), to("registry:5000/team/image:1.4")),
    ((NODES, "worker-a10g", "node_config", "InstanceMarketOptions"), to({"MarketType": "on-demand"})),
    (
        (*WORKER, "TagSpecifications"),
        to([{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}]),
    ),
]


@pytest.mark.parametrize(("path", "change"), ALLOWED)
def test_sound_variants_pass(path: Key, change: Change) -> None:
    assert found(changed(path, change)) == []


def test_rays_schema_reports_every_violation() -> None:
    data = changed(("max_workers",), to("eight"))
    data["file_mount"] = {}
    data[NODES]["worker-l4"]["min_worker"] = 1
    by_key = {problem.key: problem for problem in found(data)}
    assert by_key.keys() == {"max_workers", "file_mount", f"{NODES}.worker-l4.min_worker"}
    assert "file_mounts?" in str(by_key["file_mount"].hint)
    assert "min_workers?" in str(by_key[f"{NODES}.worker-l4.min_worker"].hint)


def test_what_only_rays_validator_knows_is_reported() -> None:
    (problem,) = found(changed((NODES, "worker-l4", "min_workers"), to(99)))
    assert problem.key == "max_workers"
    assert "sum of `min_workers`" in problem.message


TOKEN = "RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=/home/me/.tightrope/auth_token"
LOCAL: dict[str, Any] = {
    "cluster_name": "desk",
    "provider": {"type": "local", "head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2"]},
    "auth": {"ssh_user": "me"},
    "file_mounts": {"/home/me/.tightrope": "~/.tightrope/cluster/secrets"},
    "head_start_ray_commands": [f"RAY_enable_autoscaler_v2=0 {TOKEN} ray start --head"],
    "worker_start_ray_commands": [f"{TOKEN} ray start --address=$RAY_HEAD_IP:6379"],
}


def test_local_provider() -> None:
    assert found(LOCAL) == []
    typo = copy.deepcopy(LOCAL)
    typo["provider"]["externl_head_ip"] = "1.2.3.4"
    (problem,) = found(typo)
    assert (problem.key, problem.hint) == ("provider.externl_head_ip", "did you mean external_head_ip?")
    hostless = copy.deepcopy(LOCAL)
    del hostless["provider"]["worker_ips"]
    assert "provider" in {problem.key for problem in found(hostless)}


def test_command_line_reports_everything_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("botocore")
    file = tmp_path / "broken.yaml"
    file.write_text(
        TEXT.replace("cache_stopped_nodes: false", "cache_stopped_nodes: true")
        .replace("--dashboard-host=127.0.0.1", "--dashboard-host=0.0.0.0")
        .replace("      InstanceType: g6.2xlarge", "      InstanceTyp: g6.2xlarge")
    )
    assert main([str(file)]) == 2
    report = capsys.readouterr().err
    assert "4 problems" in report
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        if "cache_stopped_nodes: true" in line or "InstanceTyp:" in line:
            assert f"(broken.yaml:{number})" in report
    assert "did you mean InstanceType?" in report
    assert main([str(tmp_path / "absent.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_module_runs_and_says_ok() -> None:
    command = [sys.executable, "-m", "search.clustercheck", "cluster.yaml"]
    outcome = subprocess.run(command, capture_output=True, text=True, cwd=SHIPPED.parent, timeout=60)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("cluster.yaml: OK")


def test_ready_wants_values_set_and_a_private_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    text = TEXT.replace("ami-CHANGE-ME", "ami-0123456789abcdef0").replace("s3://CHANGE-ME", "s3://bucket")
    document = parse(text, "cluster.yaml")

    def wrong() -> set[str]:
        return {problem.key for problem in unready(document)} - {"provider.type"}

    secrets, source = "file_mounts./home/ray/.tightrope", "file_mounts./home/ray/tightrope"
    assert wrong() == {secrets, source}
    (tmp_path / ".tightrope/cluster/source").mkdir(parents=True)
    token = tmp_path / ".tightrope/cluster/secrets/auth_token"
    token.parent.mkdir()
    token.write_text("")
    assert wrong() == {secrets}
    token.write_text("0123")
    token.chmod(0o644)
    assert wrong() == {secrets}
    token.chmod(0o600)
    assert wrong() == set()
    unset = {problem.key for problem in unready(load(SHIPPED))}
    assert {"metadata.host_image", "docker.run_options.0"} <= unset


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("provider: {type: [aws]}", "is not a provider"),
        ("a: !!bool x", "of the type bool"),
        ("a: !!int x", "of the type int"),
        ("a: " + "1" * 5000, "5,000 characters"),
        ("a: !!timestamp x", "of the type timestamp"),
        ("a: \0", "character"),
        ("a: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        (BOMB, "10,000 values"),
        ("provider: 3", "give a mapping of keys to values"),
    ],
)
def test_hostile_files_are_refused_in_plain_words(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    assert main([str(file)]) == 2
    printed = capsys.readouterr().err
    assert "instance of" not in printed
    assert said in printed


def test_a_file_that_is_absent_is_said_in_plain_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.yaml")]) == 2
    assert "Errno" not in capsys.readouterr().err
