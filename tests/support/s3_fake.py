# SPDX-License-Identifier: Apache-2.0
"""What a hub asks of S3 or Google's XML API, on loopback: objects put once, read, looked at.

Answers as the API reference of Amazon S3 says for PutObject with ``If-None-Match: *``,
GetObject and HeadObject, and as Google's says with ``x-goog-if-generation-match: 0``. A
request for S3 that is not signed (Signature Version 4) is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import unquote


@dataclass(kw_only=True)
class Bucket:
    """What the fake holds, and what it was asked.

    Attributes:
        address: Where it listens.
        objects: Bytes by path, ``/bucket/key``.
        asked: Method and path of each request.
        conditions: Whether a put that must find nothing is refused where there is something.
    """

    address: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    conditions: bool = True

    def environment(self) -> dict[str, str]:
        """Return the settings that lead a client here."""
        return {
            "AWS_ENDPOINT": self.address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def google_environment(self, account: Path) -> dict[str, str]:
        """Return the settings that lead a client of Google here, its account in a file."""
        nobody = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        settings = nobody | {"gcs_base_url": self.address, "disable_oauth": True}
        account.write_text(json.dumps(settings), "utf-8")
        return {"GOOGLE_SERVICE_ACCOUNT": str(account)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bucket = Bucket(address=f"http://127.0.0.1:{self.server_address[1]}")
        self.turn = Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.turn:
            path = self.begin()
            if path is None:
                return
            objects = self.server.bucket.objects
            if self.must_be_new() and path in objects:
                self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            objects[path] = body
        self.answer(200, b"", etag=body)

    def do_GET(self) -> None:
        self.look(body=True)

    def do_HEAD(self) -> None:
        self.look(body=False)

    def look(self, *, body: bool) -> None:
        with self.server.turn:
            path = self.begin()
            if path is None:
                return
            data = self.server.bucket.objects.get(path)
        if data is None:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>", body=body)
        else:
            self.answer(200, data, etag=data, body=body)

    def must_be_new(self) -> bool:
        asked = (self.headers.get("if-none-match"), self.headers.get("x-goog-if-generation-match"))
        return self.server.bucket.conditions and asked in (("*", None), (None, "0"))

    def begin(self) -> str | None:
        path = unquote(self.path.partition("?")[0])
        self.server.bucket.asked.append((self.command, path))
        google = "%2F" in self.path  # one name a path, where S3 has directories
        signed = self.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ")
        if not (google or signed):
            self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            return None
        return path

    def answer(
        self, status: int, data: bytes, *, etag: bytes | None = None, body: bool = True
    ) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.send_header("last-modified", formatdate(0, usegmt=True))
        if etag is not None:
            self.send_header("x-goog-generation", "1")
            self.send_header("etag", f'"{hashlib.sha256(etag).hexdigest()}"')
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def s3_fake() -> Iterator[Bucket]:
    """Listen on loopback while the block runs."""
    server = _Server()
    thread = Thread(target=server.serve_forever, name="s3")
    thread.start()
    try:
        yield server.bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
