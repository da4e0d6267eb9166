"""A server that gives and takes files as `huggingface_hub` asks for it, as the hub does with small files."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from trainables.models import hub as client

COMMIT = "0123456789" * 4


class Hub:
    """What was uploaded, and what there is to download.

    Attributes:
        url: Of the server.
        repos: What was asked for when repositories were made.
        files: Contents by path.
        summaries: The first line of each commit's message.
        refuses: Whether it answers that the token is wrong.
        models: Files of each model that can be downloaded, by its id and their path.
        claimed: Sizes that it says files have, where they are not theirs.
        hangs: What is never answered: paths that contain this.
        seconds: That each 64 kB of a file take.
        served: Paths of the files that were downloaded.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.repos: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.summaries: list[str] = []
        self.refuses = False
        self.models: dict[str, dict[str, bytes]] = {}
        self.claimed: dict[str, int] = {}
        self.hangs = ""
        self.seconds = 0.0
        self.served: list[str] = []
        self.closing = threading.Event()

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        if self.refuses:
            return 401, {"error": "Invalid username or password."}
        if path.endswith("/repos/create"):
            asked = json.loads(body)
            self.repos.append(asked)
            return 200, {"url": f"{self.url}/{asked['organization']}/{asked['name']}", "id": "1"}
        if path.endswith("/validate-yaml"):
            return 200, {"errors": [], "warnings": []}
        if "/paths-info/" in path:
            wanted = parse_qs(body.decode())["paths"]
            return 200, [file for file in self._tree(path) if file["path"] in wanted]
        if "/preupload/" in path:
            names = [file["path"] for file in json.loads(body)["files"]]
            return 200, {
                "files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            }
        if "/commit/" in path:
            for line in body.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "header":
                    self.summaries.append(entry["value"]["summary"])
                if entry["key"] == "file":
                    value = entry["value"]
                    self.files[value["path"]] = base64.b64decode(value["content"])
            return 200, {
                "success": True,
                "commitOid": "0" * 40,
                "commitUrl": f"{self.url}/user/name/commit/0",
            }
        return 404, {"error": path}

    def described(self, path: str) -> tuple[int, Any]:
        """What GET below /api is answered."""
        if self.refuses:
            return 401, {"error": "Invalid username or password."}
        if "/tree/" in path:
            return 200, self._tree(path)
        named = path.removeprefix("/api/models/").partition("/revision/")[0]
        files = [{"rfilename": file["path"], "size": file["size"]} for file in self._tree(path)]
        return 200, {"id": named, "sha": COMMIT if named in self.models else "0" * 40, "siblings": files}

    def file(self, path: str) -> bytes | None:
        """What lies at /ORG/NAME/resolve/REVISION/FILE."""
        source, _, file = path.strip("/").partition("/resolve/")
        return self.models.get(source, {}).get(unquote(file.partition("/")[2]))

    def _tree(self, path: str) -> list[dict[str, Any]]:
        files = self.models.get("/".join(path.split("/")[3:5]), {})
        return [
            {"type": "file", "path": name, "size": self.claimed.get(name, len(data)), "oid": etag(data)}
            for name, data in files.items()
        ]


def etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """A hub on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            if self._answers():
                self._reply(*hub.answer(self.path, body))

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if not self._answers():
                return
            if path.startswith("/api/"):
                self._reply(*hub.described(path))
            elif self._head(path) is not None:
                hub.served.append(path.rpartition("/")[2])
                data = hub.file(path) or b""
                for start in range(0, len(data), 65_536):
                    time.sleep(hub.seconds)
                    self.wfile.write(data[start : start + 65_536])

        def do_HEAD(self) -> None:
            if self._answers():
                self._head(urlsplit(self.path).path)

        def _answers(self) -> bool:
            """Whether it does; else once the server ends."""
            if not hub.hangs or hub.hangs not in self.path:
                return True
            hub.closing.wait()
            self.close_connection = True
            return False

        def _head(self, path: str) -> bytes | None:
            data = hub.file(path)
            self.send_response(200 if data is not None else 404)
            self.send_header("X-Repo-Commit", COMMIT)
            if data is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            else:
                self.send_header("ETag", f'"{etag(data)}"')
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            return data

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _reply(self, status: int, data: Any) -> None:
            content = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def asked_here(hub: Hub, cache: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The client of this process asks this hub, and downloads into this folder.

    It reads its environment when it is imported.
    """
    changes = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": cache,
        "HF_HUB_OFFLINE": False,
    }
    with monkeypatch.context() as patch:
        for name, value in changes.items():
            patch.setattr(f"huggingface_hub.constants.{name}", value)
        client._asked.cache_clear()
        yield hub
    client._asked.cache_clear()
