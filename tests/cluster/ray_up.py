"""A Ray cluster that `ray up` has brought up, over SSH, on hosts of this machine."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from search.record import Event
from tests.cluster.hosts import ROOT, Host, make_hosts
from tests.searches import events_so_far
from tests.servers import wait_for
from trainables.embedded import data_dir, model_dir

_PACKAGES = ("search", "trainables", "analysis", "spaces")
_UP_SECONDS = 240.0
_JOIN_SECONDS = 120.0
_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/root/.tightrope/auth_token"}


class RayUp:
    """A laptop, a head on which no group has room, and two workers with one CPU each.

    Args:
        folder: For the hosts' files.
    """

    def __init__(self, folder: Path) -> None:
        self.hosts = make_hosts(folder, 4)
        self.laptop, self.head, *self.workers = self.hosts
        self._searches = 0
        prepared = self.laptop.home / ".tightrope" / "cluster"
        for package in _PACKAGES:
            shutil.copytree(
                ROOT / package, prepared / "source" / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        (prepared / "secrets").mkdir(mode=0o700)
        token = prepared / "secrets" / "auth_token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        shutil.copy(Path(__file__).with_name("cluster.yaml"), self.laptop.home)
        # Searches are of a model and of data that only the head has.
        shutil.copytree(model_dir(), self.head.home / "model")
        shutil.copy(data_dir() / "domain_train.jsonl", self.head.home / "train.jsonl")

    def up(self, *options: str) -> None:
        """Brings the cluster up, or what has been lost of it."""
        # With the autoscaler's second version, a local provider's head counts as a worker (ray#57153).
        words = ["ray", "up", "--yes", "--no-config-cache", *options, "cluster.yaml"]
        for _ in range(2):  # where a node has not started within Ray's 30 s, Ray does not try again
            self.laptop.run(" ".join(words), _UP_SECONDS, RAY_UP_enable_autoscaler_v2="0")
            with suppress(AssertionError):
                wait_for(lambda: all(map(has_started, self.workers)), _JOIN_SECONDS)
                break
        self.wait_for_nodes()

    def wait_for_nodes(self) -> None:
        """Waits until all hosts have a node: the cluster replaces those that are lost."""
        wait_for(lambda: all(map(has_node, [self.head, *self.workers])), _UP_SECONDS)

    def announce(self, host: Host) -> None:
        """Announces to the watcher on a worker that it will be taken away in 30 s, which drains it."""
        notice = host.files / "tmp" / "leave"
        wait_for(lambda: bool(host.processes("search.spot")), 60)
        notice.touch()
        wait_for(lambda: not host.processes("search.spot"), 60)
        notice.unlink()

    def search(self, space: str, *words: str) -> Search:
        """Starts a search on the head.

        Args:
            space: The text of its file.
            words: More of its command line.
        """
        self._searches += 1
        name = f"search{self._searches}"
        (self.head.home / f"{name}.yaml").write_text(space)
        return Search(self, name, words)

    def end(self) -> None:
        """Ends all hosts, with all of their processes."""
        for host in reversed(self.hosts):
            host.end()


def has_node(host: Host) -> bool:
    """Whether a node of the cluster runs on the host."""
    return bool(host.processes("raylet/raylet"))


def has_started(worker: Host) -> bool:
    """Whether a node of the cluster has started on a worker, which begins to watch for notices then."""
    return has_node(worker) and bool(worker.processes("search.spot"))


class Search:
    """A search on the head of a cluster; the same words go on with it.

    Args:
        cluster: Where it runs.
        name: Of the search.
        words: Of its command line.
    """

    def __init__(self, cluster: RayUp, name: str, words: Sequence[str]) -> None:
        self.folder = cluster.head.home / "runs" / name
        fixed = [f"space=/root/{name}.yaml", f"name={name}", "out=/root/runs"]
        fixed += ["model.source=/root/model", "task.train=/root/train.jsonl"]
        fixed += ["workers.address=auto", "report=false", "tracking.enabled=false"]
        self._line = " ".join(["exec python -m search.run", *fixed, *words])
        self._head = cluster.head
        self.again()

    def again(self) -> None:
        """Says the command, once more if it has ended."""
        environment = _TOKEN | {"PYTHONPATH": "/root/tightrope", "COLUMNS": "120"}
        self.command = self._head.start(f"cd tightrope; {self._line}", **environment)

    @property
    def events(self) -> Sequence[Event]:
        """Its record so far."""
        return events_so_far(self.folder)

    def wait_for(self, enough: type[Event], number: int = 1, timeout: float = 120) -> None:
        """Waits until the record has so many events of a kind."""

        def there() -> bool:
            assert self.command.running(), f"the search has ended:\n{self.command.output.read_text()}"
            return sum(isinstance(event, enough) for event in self.events) >= number

        wait_for(there, timeout)

    def finish(self, timeout: float = 200) -> str:
        """Waits for its end, which is a good one; what it has printed."""
        code, output = self.command.finish(timeout)
        assert code == 0, output
        return output
