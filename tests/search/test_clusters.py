"""The cluster files that are shipped: each is sound, and each way to break one is named."""

from __future__ import annotations

import copy
import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
import yaml

from search.clustercheck import gcp
from search.clustercheck.__main__ import main
from search.clustercheck.check import problems, unready
from search.clustercheck.document import load, parse
from search.clustercheck.machines import V2, V2_OF_UP
from search.config.origins import Key, dotted
from search.record import Event, SearchEnded, TrialProposed
from tests.searches import events_so_far
from tests.servers import wait_for

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
FILES = {path.name: path for path in (ROOT / "clusters").iterdir()} | {"cluster.yaml": ROOT / "cluster.yaml"}
LAUNCHED = ("cluster.yaml", "gcp.yaml", "local.yaml")
"""By `ray up`."""
HEAD_START = ("head_start_ray_commands", 1)
POD = ("items", 1, "spec", "headGroupSpec", "template", "spec")
SPEC = ("items", 1, "spec")
WORKER = ("available_node_types", "worker-l4", "node_config")


@pytest.fixture(autouse=True)
def _plain_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(V2_OF_UP, raising=False)


def test_these_are_all_files() -> None:
    assert set(FILES) == {*LAUNCHED, "kuberay.yaml", "slurm.sbatch", "Dockerfile"}


@pytest.mark.parametrize("name", [*LAUNCHED, "kuberay.yaml"])
def test_each_is_sound_and_says_what_is_to_be_set(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = FILES[name]
    assert main([str(path)]) == 0
    said = capsys.readouterr().out
    lines = path.read_text().splitlines()
    places = {int(number) for number in re.findall(rf"to set: .*\({name}:(\d+)\)", said)}
    marked = {
        number for number, line in enumerate(lines, 1) if "CHANGE-ME" in line and "*CHANGE-ME*" not in line
    }
    assert places == marked
    for number in marked:
        assert any("SET" in line for line in lines[number - 4 : number])


@pytest.mark.parametrize("name", LAUNCHED)
def test_rays_validator_takes_it(name: str) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(copy.deepcopy(yaml.safe_load(FILES[name].read_text()))))


def test_a_pod_that_has_to_go_has_ray_drain_its_node_and_time_to_leave_it() -> None:
    from ray.scripts.scripts import drain_node

    *_, cluster = yaml.safe_load(FILES["kuberay.yaml"].read_text())["items"]
    (group,) = cluster["spec"]["workerGroupSpecs"]
    pod = group["template"]["spec"]
    shell, flag, script = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert (shell, flag) == ("bash", "-c")
    words = shlex.split(script)
    before, after = words.index("drain-node"), words.index("&&")
    assert words[:before] == ["timeout", "20", "ray"]
    options = drain_node.make_context("drain-node", words[before + 1 : after]).params
    assert options["deadline_remaining_seconds"] <= int(words[after + 2])
    assert 20 + int(words[after + 2]) < pod["terminationGracePeriodSeconds"]


def changed(name: str, path: Key, value: Any) -> list[str]:
    """Keys of the problems of a file with another value at `path`, or without it where that is None."""
    data = json.loads(json.dumps(yaml.safe_load(FILES[name].read_text())))
    owner = data
    for part in path[:-1]:
        owner = owner[part]
    if value is None:
        del owner[path[-1]]
    else:
        owner[path[-1]] = value
    return [problem.key for problem in problems(parse(yaml.safe_dump(data, sort_keys=False), name))]


BROKEN: list[tuple[str, Key, Any]] = [  # The problem has the key that was changed.
    ("local.yaml", ("min_workers",), 2),
    ("local.yaml", ("min_workers",), -1),
    ("local.yaml", ("min_worker",), 1),
    ("local.yaml", HEAD_START, "RAY_AUTH_MODE=token ray start --head"),
    ("gcp.yaml", ("provider", "project_id"), None),
    ("gcp.yaml", ("provider", "gcp_credentials"), {"type": "service_account"}),
    ("gcp.yaml", ("provider", "zone"), "us-central1-a"),
    ("gcp.yaml", (*WORKER, "machineType"), None),
    ("gcp.yaml", (*WORKER, "serviceAccounts"), None),
    ("gcp.yaml", (*WORKER, "scheduling", "provisioningModel"), None),
    ("gcp.yaml", ("available_node_types", "head", "resources", "GPU"), 1),
    ("gcp.yaml", ("available_node_types", "head", "node_config", "guestAccelerators"), [{}]),
    (
        "gcp.yaml",
        (*WORKER, "disks", 0, "initializeParams", "sourceImage"),
        "projects/debian-cloud/global/images/family/debian-12",
    ),
    ("gcp.yaml", HEAD_START, "ray start --head --dashboard-host=0.0.0.0"),
    ("kuberay.yaml", ("items", 1, "apiVersion"), "ray.io/v1alpha1"),
    ("kuberay.yaml", (*SPEC, "rayVersion"), "2.9.3"),
    ("kuberay.yaml", (*SPEC, "authOptions"), None),
    ("kuberay.yaml", (*SPEC, "authOptions"), {"mode": "disabled"}),
    ("kuberay.yaml", (*SPEC, "enableAutoscaling"), True),
    ("kuberay.yaml", (*SPEC, "headGroupSpec", "serviceType"), "LoadBalancer"),
    ("kuberay.yaml", (*SPEC, "headGroupSpec", "enableIngress"), True),
    ("kuberay.yaml", (*SPEC, "workerGroupSpecs", 0, "maxReplica"), 8),
    ("kuberay.yaml", (*SPEC, "workerGroupSpecs", 0, "maxReplicas"), "8"),
    ("kuberay.yaml", (*POD, "container"), []),
    ("kuberay.yaml", (*POD, "containers", 0, "volumeMount"), []),
    ("kuberay.yaml", (*POD, "containers", 0, "image"), "rayproject/ray:latest"),
    ("kuberay.yaml", (*POD, "containers", 0, "image"), "rayproject/ray:2.9.3-py311-cpu"),
    ("kuberay.yaml", (*POD, "containers", 0, "resources", "limits", "nvidia.com/gpu"), 1),
]


@pytest.mark.parametrize(("name", "path", "value"), BROKEN)
def test_each_way_to_break_one_is_named(name: str, path: Key, value: Any) -> None:
    assert dotted(path) in changed(name, path, value)


def test_a_token_in_a_pod_is_refused() -> None:
    env = [{"name": "RAY_AUTH_TOKEN", "value": "0123"}]
    assert changed("kuberay.yaml", (*POD, "containers", 0, "env"), env) == [
        dotted((*POD, "containers", 0, "env", 0))
    ]


def test_machines_may_be_kept_and_autoscaler_v1_be_asked_for_in_the_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert changed("local.yaml", ("min_workers",), 1) == []
    command = yaml.safe_load(FILES["local.yaml"].read_text())["head_start_ray_commands"][1]
    without = command.replace(f"{V2}=0 ", "")
    assert changed("local.yaml", HEAD_START, without) == [dotted(HEAD_START)]
    text = FILES["local.yaml"].read_text()
    (problem,) = problems(parse(text.replace(f"{V2}=0", f"{V2}=1"), "local.yaml"))
    assert "ray#57153" in problem.message
    assert f"{V2_OF_UP}=0" in str(problem.hint)
    monkeypatch.setenv(V2_OF_UP, "0")
    assert changed("local.yaml", HEAD_START, without) == []


def test_compute_engines_own_model_is_asked_where_it_is_installed() -> None:
    pytest.importorskip("googleapiclient")
    assert list(gcp.misuses(load(FILES["gcp.yaml"]))) == []
    for path, value in (
        ((*WORKER, "machinetype"), "g2-standard-8"),
        ((*WORKER, "scheduling", "provisioningModel"), "SPOTTY"),
        ((*WORKER, "disks", 0, "boot"), "yes"),
    ):
        assert dotted(path) in changed("gcp.yaml", path, value)


@pytest.mark.parametrize("name", ["gcp.yaml", "local.yaml"])
def test_ready_names_what_this_machine_lacks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    document = load(FILES[name])
    missing = {problem.key for problem in unready(document)}
    assert {dotted(path) for path in document.placeholders()} < missing
    assert {"file_mounts." + remote for remote in document.get("file_mounts")} <= missing


def test_the_image_has_the_version_of_ray_that_is_installed() -> None:
    assert f"FROM rayproject/ray:{ray.__version__}-py311-" in FILES["Dockerfile"].read_text()


SRUN = """\
#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """\
#!/bin/bash
echo 127.0.0.1
"""


ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Among no other processes: `ray stop` ends all of Ray that it sees."""


def events_of(folder: Path, kind: type[Event]) -> list[Event]:
    """The events of a kind in the search's record so far."""
    return [event for event in events_so_far(folder / "demo") if isinstance(event, kind)]


def batch(folder: Path, *words: str) -> subprocess.Popen[str]:
    """The batch file on a Slurm of one node, of which `srun` and `scontrol` are made up."""
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    fixed = ["confirm.candidates=0", "report=false", "tracking.enabled=false", f"out={folder}"]
    return subprocess.Popen(
        [*ALONE, "bash", FILES["slurm.sbatch"], "space=demo", "trials=1", *fixed, *words],
        cwd=ROOT,
        env={
            "PATH": f"{folder}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "SLURM_JOB_NUM_NODES": "1",
            "SLURM_JOB_NODELIST": "here",
            "SLURM_JOB_ID": "71",
            "SLURM_CPUS_PER_TASK": "2",
            "SLURM_TMPDIR": "/tmp",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.alone
@pytest.mark.skipif(
    subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode != 0,
    reason="no rights to make a namespace: `ray stop` would end other clusters of this machine",
)
def test_the_batch_file_runs_a_search_which_is_stopped_before_the_time_limit(tmp_path: Path) -> None:
    job = batch(tmp_path, "budget.steps=20000", "budget.rungs=2", "scheduler=none")
    try:
        wait_for(lambda: bool(events_of(tmp_path, TrialProposed)), 200)
        (shell,) = psutil.Process(job.pid).children()
        shell.send_signal(signal.SIGTERM)
        output, _ = job.communicate(timeout=200)
    finally:
        job.kill()
    assert job.returncode == 128 + signal.SIGTERM, output
    (ended,) = events_of(tmp_path, SearchEnded)
    assert isinstance(ended, SearchEnded)
    assert ended.reason == "interrupted", output
