"""A server that takes what `huggingface_hub` uploads, as the hub does with small files."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub:
    """What was uploaded.

    Attributes:
        url: Of the server.
        repos: What was asked for when repositories were made.
        files: Contents by path.
        summaries: The first line of each commit's message.
        refuses: Whether it answers that the token is wrong.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.repos: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.summaries: list[str] = []
        self.refuses = False

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self.refuses:
            return 401, {"error": "Invalid username or password."}
        if path.endswith("/repos/create"):
            asked = json.loads(body)
            self.repos.append(asked)
            return 200, {"url": f"{self.url}/{asked['organization']}/{asked['name']}", "id": "1"}
        if path.endswith("/validate-yaml"):
            return 200, {"errors": [], "warnings": []}
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


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """A hub on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            status, data = hub.answer(self.path, body)
            self._reply(status, data)

        def do_GET(self) -> None:
            self._reply(200, {"id": "user/name", "sha": "0" * 40, "siblings": []})

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _reply(self, status: int, data: dict[str, Any]) -> None:
            content = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
