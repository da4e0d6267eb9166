"""Notices of the clouds, from servers that answer as theirs do."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from search.spot import Notice, _until, aws, azure, first_notice, gcp, in_file


class Metadata(BaseHTTPRequestHandler):
    """The metadata of one machine in each of the clouds; refuses what each of them refuses."""

    noticed = False

    def do_PUT(self) -> None:
        self._say("secret" if "X-aws-ec2-metadata-token-ttl-seconds" in self.headers else None)

    def do_GET(self) -> None:
        at = datetime.now(UTC) + timedelta(seconds=60)
        match self.path:
            case "/latest/meta-data/spot/instance-action":
                entitled = self.headers["X-aws-ec2-metadata-token"] == "secret"
                notice = json.dumps({"action": "terminate", "time": f"{at:%Y-%m-%dT%H:%M:%SZ}"})
                self._say(notice if entitled and self.noticed else None)
            case "/computeMetadata/v1/instance/preempted":
                entitled = self.headers["Metadata-Flavor"] == "Google"
                self._say(("TRUE" if self.noticed else "FALSE") if entitled else None)
            case "/metadata/scheduledevents?api-version=2020-07-01":
                kinds = ["Reboot", *(["Preempt"] if self.noticed else [])]
                time = f"{at:%a, %d %b %Y %H:%M:%S GMT}"
                events = [{"EventType": kind, "NotBefore": time} for kind in kinds]
                self._say(json.dumps({"Events": events}) if self.headers["Metadata"] == "true" else None)
            case _:
                self._say(None)

    def _say(self, text: str | None) -> None:
        self.send_response(404 if text is None else 200)
        self.end_headers()
        self.wfile.write((text or "").encode())

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def base() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("cloud", "seconds"), [(aws, 60), (gcp, 30), (azure, 60)])
def test_a_clouds_notice_says_how_long_is_left(
    cloud: Callable[[str], Notice | None], seconds: float, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cloud(base) is None
    monkeypatch.setattr(Metadata, "noticed", True)
    notice = first_notice([partial(cloud, "http://127.0.0.1:9"), partial(cloud, base)])
    assert notice is not None
    assert seconds - 30 < notice.seconds <= seconds


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nTRU",
        b"GARBAGE\r\n\r\n",
        b'HTTP/1.1 200 OK\r\n\r\n{"Events": 1, "time": 1}',
    ],
)
@pytest.mark.parametrize("cloud", [aws, gcp, azure])
def test_an_answer_that_is_cut_off_or_senseless_is_none(
    cloud: Callable[[str], Notice | None], answer: bytes
) -> None:
    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(10_000)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=serve, daemon=True).start()
        assert first_notice([partial(cloud, f"http://127.0.0.1:{server.getsockname()[1]}")]) is None


def test_a_time_without_a_zone_is_in_utc() -> None:
    assert 50 < _until(f"{datetime.now(UTC) + timedelta(seconds=60):%Y-%m-%dT%H:%M:%S}") <= 60


def test_a_file_is_a_notice(tmp_path: Path) -> None:
    path = tmp_path / "leave"
    assert in_file(path) is None
    path.touch()
    assert in_file(path) is not None
