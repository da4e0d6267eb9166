"""Hosts for tests of whole clusters: Linux namespaces on this machine, each with an SSH server.

A host has its own network, host name, processes, /root, /tmp and /dev/shm, and does not see the checkout.
Nothing of it is left once its first process has ended, which ends with the process that has made it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.servers import wait_for

ROOT = Path(__file__).parents[2]
_NETWORK = "10.77.0"
_PROGRAMS = ("/usr/sbin/sshd", "ssh", "ssh-keygen", "rsync", "ip", "unshare", "nsenter")
_PACKAGES = ("search", "trainables", "analysis", "spaces")
_UP_SECONDS = 30.0


def missing() -> str | None:
    """Why no hosts can be made here; None where they can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "hosts are made of namespaces, which needs Linux and root"
    lacking = [program for program in _PROGRAMS if shutil.which(program) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)} (Debian: openssh-server rsync iproute2)"
    tried = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True)
    return None if tried.returncode == 0 else f"no namespaces: {tried.stderr.decode().strip()}"


@dataclass(frozen=True)
class Command:
    """A command that runs on a host; what it prints goes to a file."""

    words: str
    process: subprocess.Popen[bytes]
    output: Path

    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def finish(self, timeout: float) -> tuple[int, str]:
        """Waits for its end; the exit code, and what it has printed.

        Raises:
            AssertionError: It did not end in time; it is killed.
        """
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            for process in (*psutil.Process(self.process.pid).children(recursive=True), self.process):
                process.kill()
            self.process.wait()
            printed = self.output.read_text()
            raise AssertionError(
                f"{self.words} did not end in {timeout:g} s; it printed:\n{printed}"
            ) from None
        return code, self.output.read_text()


class Host:
    """One host; `number` gives its name and its address.

    Args:
        number: From 1.
        folder: Where the files of all hosts are.
        gateway: The host that the others are linked to; None: it is this one.
    """

    def __init__(self, number: int, folder: Path, gateway: Host | None = None) -> None:
        self.name = f"host{number}"
        self.address = f"{_NETWORK}.{10 + number}"
        self.files = folder / self.name
        self._folder = folder
        self._gateway = gateway
        self._commands = 0
        self.begin()

    @property
    def home(self) -> Path:
        """Its /root, as seen from here."""
        return self.files / "root"

    def begin(self) -> None:
        """Starts it, with the files that it had if it was there before."""
        self._process = self._begin(self._folder)
        self._network()

    def _begin(self, folder: Path) -> subprocess.Popen[bytes]:
        ssh = self.home / ".ssh"
        ssh.mkdir(parents=True, mode=0o700, exist_ok=True)
        self.home.chmod(0o700)
        tmp = self.files / "tmp"
        tmp.mkdir(exist_ok=True)
        tmp.chmod(0o1777)
        shutil.copy(folder / "key.pub", ssh / "authorized_keys")
        if not (ssh / "host").exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh / "host"], check=True)
        (self.files / "hosts").write_text(f"127.0.0.1 localhost\n{self.address} {self.name}\n")
        for name in (".bashrc", ".profile"):
            path = f"{sys.prefix}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            (self.home / name).write_text(f"export PATH={path} OMP_NUM_THREADS=1\n")
        settings = {
            "name": self.name,
            "files": str(self.files),
            "hidden": [str(ROOT / package) for package in (*_PACKAGES, "tests")],
            "python": sorted({os.path.realpath(sys.base_prefix), sys.prefix}),
        }
        namespaces = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        first = [sys.executable, str(Path(__file__).with_name("init.py")), json.dumps(settings)]
        with (self.files / "init.log").open("ab") as log:
            return subprocess.Popen(
                ["unshare", *namespaces, *first],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
                start_new_session=True,
            )

    def _network(self) -> None:
        """Links it to the gateway, whose address is its default route: Ray finds its own address by that."""
        wait_for(lambda: self._first() is not None, _UP_SECONDS)
        self.ip("link", "set", "lo", "up")
        if self._gateway is None:
            device = "bridge"
            self.ip("link", "add", device, "type", "bridge")
        else:
            device, link = "eth0", self._link
            self._gateway.ip("link", "add", link, "type", "veth", "peer", device, "netns", str(self._first()))
            self._gateway.ip("link", "set", link, "master", "bridge", "up")
        self.ip("address", "add", f"{self.address}/24", "dev", device)
        self.ip("link", "set", device, "up")
        if self._gateway is not None:
            self.ip("route", "add", "default", "via", self._gateway.address)

    @property
    def _link(self) -> str:
        return f"to-{self.name}"

    def _first(self) -> int | None:
        """Its first process, by the number that it has here."""
        children = psutil.Process(self._process.pid).children()
        return children[0].pid if children else None

    def _enter(self, *namespaces: str) -> list[str]:
        return ["nsenter", f"--target={self._first()}", *(f"--{name}" for name in namespaces), "--"]

    def ip(self, *words: str) -> None:
        """Runs `ip` in its network."""
        subprocess.run([*self._enter("net"), "ip", *words], check=True)

    def is_up(self) -> bool:
        """Whether its SSH server answers."""
        probe = ["bash", "-c", f"exec 3<>/dev/tcp/{self.address}/22 && head -c 3 <&3"]
        return subprocess.run([*self._enter("net"), *probe], capture_output=True).stdout == b"SSH"

    def link(self, up: bool) -> None:
        """Joins it to the network, or cuts it off."""
        assert self._gateway is not None
        self._gateway.ip("link", "set", self._link, "up" if up else "down")

    def start(self, command: str, **environment: str) -> Command:
        """Starts a command in a login shell of the host."""
        environment = {"HOME": "/root", "USER": "root", "TERM": "dumb"} | environment
        clean = ["env", "-i", *(f"{name}={value}" for name, value in environment.items())]
        self._commands += 1
        # Into a file: what it leaves in the background would hold a pipe open.
        output = self.files / f"output{self._commands}"
        entered = self._enter("mount", "uts", "ipc", "net", "pid")
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*entered, *clean, "bash", "--login", "-c", f"cd; {command}"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        return Command(f"{self.name}: {command}", process, output)

    def run(self, command: str, timeout: float = 120, **environment: str) -> str:
        """Runs a command to its end; returns what it has printed.

        Raises:
            AssertionError: It failed, or did not end in time.
        """
        code, output = self.start(command, **environment).finish(timeout)
        assert code == 0, f"{self.name}: {command} failed ({code}):\n{output}"
        return output

    def processes(self, words: str) -> list[psutil.Process]:
        """Its processes whose command line matches `words`, a regular expression."""
        first = self._first()
        assert first is not None
        # A daemon's parent is the host's first process: nothing leaves the tree.
        return [
            each
            for each in psutil.Process(first).children(recursive=True)
            if re.search(words, _command(each))
        ]

    def kill(self, words: str, number: int) -> None:
        """Sends a signal to those processes, of which there must be one at least."""
        processes = self.processes(words)
        assert processes, f"{self.name} has no process {words}"
        for process in processes:
            process.send_signal(number)

    def end(self) -> None:
        """Ends it with all of its processes; its files stay."""
        first = self._first()
        if first is not None:
            psutil.Process(first).kill()
        self._process.wait(_UP_SECONDS)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def make_hosts(folder: Path, count: int) -> Sequence[Host]:
    """Starts hosts that reach each other; the first has the key to all others, `~/.ssh/cluster`."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    gateway = Host(1, folder)
    hosts = [gateway, *(Host(number, folder, gateway) for number in range(2, count + 1))]
    shutil.copy(folder / "key", gateway.home / ".ssh" / "cluster")
    for host in hosts:
        wait_for(host.is_up, _UP_SECONDS)
    return hosts
