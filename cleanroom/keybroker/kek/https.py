# SPDX-License-Identifier: Apache-2.0
"""Ask a key service over HTTPS: one POST, one bounded JSON answer, nothing believed beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import closing
from dataclasses import field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from cleanroom.errors import CleanroomError, MalformedError
from cleanroom.identity.private_files import read_private_file
from cleanroom.kernel.limits import KIB
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64
from cleanroom.kernel.strict_json import parse_foreign_json
from cleanroom.keybroker.kek.source import Trouble

MAX_ANSWER_BYTES = 64 * KIB
MAX_CREDENTIALS_BYTES = 16 * KIB
PATIENCE = dt.timedelta(seconds=20)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Answer = dict[str, Any]
Send = httpx2.BaseTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyService:
    """Where a service answers, and how it is reached.

    Attributes:
        place: Which key, for messages.
        base: ``https://host[:port]``; plain http to this machine alone.
        transport: Sends requests; tests answer them.
    """

    place: str
    base: str
    transport: Send | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse an address over which credentials and keys would travel readable."""
        url = urlsplit(self.base)
        local = url.scheme == "http" and url.hostname in _LOOPBACK
        if not url.hostname or url.username or not (url.scheme == "https" or local):
            raise MalformedError(
                "kek: its service is not reached by https://host",
                code="kek.address",
                hint="plain http is accepted on this machine alone, for an agent beside the broker",
            )

    def post(
        self, path: str, *, headers: Mapping[str, str], body: bytes
    ) -> tuple[HTTPStatus, Answer]:
        """Return status and JSON object of one answer; redirects are not followed.

        Raises:
            UnavailableError: Not reached, overloaded, or no such answer.
        """
        request = httpx2.Request(
            "POST",
            self.base + path,
            headers={
                "content-type": "application/json",
                "accept-encoding": "identity",
                **headers,
            },
            content=body,
        )
        try:
            # No proxy, no .netrc: credentials come from the file that was named.
            with httpx2.Client(
                transport=self.transport, trust_env=False, timeout=PATIENCE.total_seconds()
            ) as client:
                response = client.send(request, stream=True, follow_redirects=False)
                with closing(response):
                    status, data = response.status_code, _read(response)
        except (httpx2.TransportError, OSError) as error:
            raise Trouble.UNREACHABLE.of(self.place) from error
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Trouble.UNREACHABLE.of(self.place)
        try:
            value = parse_foreign_json(data, what="kek answer", limit=MAX_ANSWER_BYTES)
            return HTTPStatus(status), dict(value)
        except (CleanroomError, ValueError, TypeError):
            raise Trouble.ANSWER.of(self.place) from None

    def member(self, answer: Answer, *names: str) -> str:
        """Return a text at a path of an answer.

        Raises:
            UnavailableError: There is none.
        """
        value: object = answer
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        if not isinstance(value, str):
            raise Trouble.ANSWER.of(self.place)
        return value

    def decoded(self, text: str) -> bytes:
        """Return the bytes of standard base64.

        Raises:
            UnavailableError: It is none.
        """
        try:
            return decode_base64(text, what="kek answer")
        except MalformedError:
            raise Trouble.ANSWER.of(self.place) from None


def read_token(path: Path) -> str:
    """Read a bearer token from a file of ours; read each time, so that a helper may renew it.

    Raises:
        UnavailableError: There is no such file.
        RefusedError: Others can read it.
        MalformedError: Not one line of printable characters.
    """
    data = read_private_file(path, limit=MAX_CREDENTIALS_BYTES).strip()
    text = data.decode("ascii", "replace")
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise MalformedError("kek credentials: not one token in a line", code="kek.credentials")
    return text


def _read(response: httpx2.Response) -> bytes:
    data = bytearray()
    for chunk in response.iter_raw():
        data += chunk
        if len(data) > MAX_ANSWER_BYTES:
            break  # the reader refuses what is over its limit
    return bytes(data)
