"""Watches for the notice that this node will be taken away, and has Ray drain it.

    python -m search.spot --address=HEAD:6379            # AWS, GCP or Azure, whichever answers
    python -m search.spot --address=HEAD:6379 --file=F   # elsewhere: the notice is that the file is there

One runs on every node that may be taken away, from when Ray has started there. The trials of a drained node
stop at their next step and go on elsewhere from their last rung.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from search.output import Parser, complain, say
from search.shadows import module_command

LOOK_SECONDS = 2.0
_ANSWER_SECONDS = 2.0
_SECONDS = 30.0
"""Where a notice does not say how long is left: the shortest of the three clouds."""

_OPENER = build_opener(ProxyHandler({}))
"""The metadata of a machine are never behind a proxy."""


@dataclass(frozen=True)
class Notice:
    """That the node will be taken away.

    Attributes:
        by: Who says so.
        seconds: How long is left.
    """

    by: str
    seconds: float


def aws(base: str = "http://169.254.169.254") -> Notice | None:
    """The spot notice of EC2 (instance metadata, version 2); two minutes ahead."""
    token = _ask(f"{base}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, method="PUT")
    if token is None:
        return None
    answer = _ask(f"{base}/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": token})
    return None if answer is None else Notice("AWS", _until(json.loads(answer).get("time")))


def gcp(base: str = "http://metadata.google.internal") -> Notice | None:
    """The preemption notice of Compute Engine; 30 s ahead."""
    answer = _ask(f"{base}/computeMetadata/v1/instance/preempted", {"Metadata-Flavor": "Google"})
    return Notice("Google Cloud", _SECONDS) if answer == "TRUE" else None


def azure(base: str = "http://169.254.169.254") -> Notice | None:
    """The eviction notice of Azure (scheduled events); 30 s ahead."""
    answer = _ask(f"{base}/metadata/scheduledevents?api-version=2020-07-01", {"Metadata": "true"})
    events = [] if answer is None else json.loads(answer).get("Events", [])
    times = [event.get("NotBefore") for event in events if event.get("EventType") == "Preempt"]
    return Notice("Azure", min(map(_until, times))) if times else None


def in_file(path: Path) -> Notice | None:
    """A file that something else makes: a scheduler's hook, or a person."""
    return Notice(str(path), _SECONDS) if path.exists() else None


def first_notice(sources: Sequence[Callable[[], Notice | None]]) -> Notice | None:
    """Asks each; an answer that cannot be read is none."""
    for source in sources:
        try:
            notice = source()
        except (ValueError, AttributeError, TypeError):
            continue
        if notice is not None:
            return notice
    return None


def drain(notice: Notice, address: str) -> int:
    """Has Ray drain this node; returns the exit code of Ray's command."""
    words = [f"--address={address}", f"--deadline-remaining-seconds={max(1, int(notice.seconds))}"]
    words += ["--reason=DRAIN_NODE_REASON_PREEMPTION", f"--reason-message=announced by {notice.by}"]
    return subprocess.run([*module_command("ray.scripts.scripts"), "drain-node", *words]).returncode


def _ask(url: str, headers: Mapping[str, str], method: str = "GET") -> str | None:
    """What a machine's metadata say; None where there are none, or nothing under this name."""
    try:
        with _OPENER.open(
            Request(url, headers=dict(headers), method=method), timeout=_ANSWER_SECONDS
        ) as answer:
            text: str = answer.read().decode()
            return text.strip()
    except (OSError, HTTPException):
        return None


def _until(when: str | None) -> float:
    """Seconds until a time in ISO 8601 or, as Azure has it, in the form of HTTP; 0 where it has passed.

    A time without a zone is in UTC, as all of theirs are.
    """
    if not when:
        return _SECONDS
    try:
        at = datetime.fromisoformat(when.replace("Z", "+00:00"))
    except ValueError:
        at = datetime.strptime(when, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def main(arguments: Sequence[str] | None = None) -> int:
    """Waits for the notice; exit code 0 once the node drains."""
    parser = Parser(prog="python -m search.spot", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--address", required=True, metavar="HOST:PORT", help="of the cluster's head")
    parser.add_argument("--file", type=Path, help="watch for this file, instead of a cloud's notice")
    options = parser.parse_args(arguments)
    sources: list[Callable[[], Notice | None]] = [aws, gcp, azure]
    if options.file is not None:
        sources = [lambda: in_file(options.file)]
    while True:
        notice = first_notice(sources)
        if notice is not None:
            say(f"This node will be taken away in {notice.seconds:.0f} s, says {notice.by}: draining it.")
            if drain(notice, options.address) == 0:
                return 0
            complain("Ray could not drain the node; trying again.")
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
