"""The first process of a host: hides what is not the host's, and runs its SSH server.

It runs in new namespaces (`hosts.Host`), in which what it mounts is seen by no other process of the machine.
The host ends with it, and it with its standard input.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def hide(name: str, files: Path, hidden: list[str], python: list[str]) -> None:
    """Gives the host folders of its own.

    Args:
        name: Of the host.
        files: The host's files: `root`, `tmp` and `hosts`.
        hidden: Folders that a host would not have.
        python: Folders that Python needs.
    """
    socket.sethostname(name)
    for folder in hidden:
        mount("-t", "tmpfs", "-o", "ro", "tmpfs", folder)
    for folder, own in ((Path(folder), own) for folder in python for own in ("root", "tmp")):
        if folder.is_relative_to(f"/{own}"):
            inside = files / own / folder.relative_to(f"/{own}")
            inside.mkdir(parents=True, exist_ok=True)
            mount("--bind", folder, inside)
            mount("-o", "remount,ro,bind", inside)
    for place, options in (("/mnt", "size=1m"), ("/run", "size=1m"), ("/dev/shm", "size=2g,mode=1777")):
        mount("-t", "tmpfs", "-o", options, "tmpfs", place)
    Path("/run/sshd").mkdir()
    mount("--bind", files / "hosts", "/etc/hosts")
    mount("--rbind", files / "root", "/root")
    mount("--rbind", files / "tmp", "/tmp")  # last: `files` may lie in it


def end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)  # and with the first process of the namespace all others


def main() -> None:
    """Reads what is to be done as JSON in the first argument."""
    hide(**{key: Path(value) if key == "files" else value for key, value in json.loads(sys.argv[1]).items()})
    os.environ["HOME"] = "/root"
    os.chdir("/root")
    options = ["PermitRootLogin=yes", "PasswordAuthentication=no", "UsePAM=no", "HostKey=/root/.ssh/host"]
    server = ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null"]
    with open("/tmp/sshd.log", "ab") as log:
        subprocess.Popen([*server, *(f"-o{option}" for option in options)], stdout=log, stderr=log)
    threading.Thread(target=end_with_input, daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        os.wait()  # for orphans too, which a first process inherits; the server never ends


if __name__ == "__main__":
    main()
