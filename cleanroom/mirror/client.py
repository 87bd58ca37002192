# SPDX-License-Identifier: Apache-2.0
"""Speak to a hub about one room, in the name of one of its parties.

The hub is trusted with nothing: objects are compared with their names here, and
whatever else comes back is a claim.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from typing import NoReturn

import httpx2

from cleanroom.contract.broker_answer import decode_failure
from cleanroom.contract.introduction import Introduction
from cleanroom.contract.types import NAME
from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.hub.wire import (
    MAX_MESSAGE_BYTES,
    OBJECT_BYTES,
    Change,
    Entries,
    Entry,
    decode_changed,
    decode_entries,
    decode_objects,
    encode_changes,
    encode_objects,
)
from cleanroom.identity.broker_address import validate_broker_address
from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.digest import Digest
from cleanroom.mirror.straight import FilePiece, StraightLines

DEFAULT_HTTP_PORT = 80
REQUEST_TIMEOUT = dt.timedelta(seconds=60)
_ROOM_URL = re.compile(rf"(?P<hub>https?://.+)/(?P<room>{NAME})/?")
_NONCE_BYTES = 16


def split_url(url: str) -> tuple[str, str]:
    """Return a hub's address and a room's name from ``https://hub.example:8443/room``.

    Raises:
        MalformedError: Of another form.
    """
    found = _ROOM_URL.fullmatch(url)
    if found is None:
        raise MalformedError(
            "--room: not the address of a room in a hub",
            code="room.url",
            hint="for example https://hub.example:8443/readmissions, or a directory",
        )
    validate_broker_address(found["hub"], what="hub")
    return found["hub"], found["room"]


class HubClient(Closing):
    """One room of one hub; safe to use from several threads."""

    def __init__(
        self,
        url: str,
        *,
        caller: Introduction,
        authorities: str = "",
        timeout: dt.timedelta = REQUEST_TIMEOUT,
        clock: Clock = system_clock,
    ) -> None:
        """Prepare a client.

        Args:
            url: The room's address.
            caller: For whom requests are signed.
            authorities: PEM certificates of whoever may vouch for the hub's host; empty
                for the system's.
            timeout: How long the hub may be silent.
            clock: Says when requests are signed.

        Raises:
            MalformedError: No such address, or no certificates.
        """
        hub, room = split_url(url)
        self._hub = hub
        self._below = f"/v0/rooms/{room}"
        self._caller = caller
        self._clock = clock
        self._client = httpx2.Client(
            base_url=hub,
            transport=_transport(authorities),
            timeout=timeout.total_seconds(),
            follow_redirects=False,
            trust_env=False,
        )
        address = httpx2.URL(hub)
        self._authority = address.netloc.decode("ascii").lower()
        self._prefix = address.raw_path.decode("ascii").rstrip("/")
        self._lines: StraightLines | None = None
        if address.scheme == "http":
            port = address.port or DEFAULT_HTTP_PORT
            self._lines = StraightLines(address.host, port, seconds=timeout.total_seconds())

    def entries(self, since: int) -> Entries:
        """Ask for everything that came after a revision.

        Raises:
            UnavailableError: The hub does not answer.
            CleanroomError: It refused.
        """
        found: list[Entry] = []
        more = True
        while more:
            answer = decode_entries(self._get(f"/entries/{since}", limit=MAX_MESSAGE_BYTES))
            found += answer.entries
            # A hub that never ends is not followed for ever.
            more, since = answer.more and answer.revision > since, answer.revision
        return Entries(revision=since, more=False, entries=tuple(found))

    def missing(self, digests: Sequence[Digest]) -> tuple[Digest, ...]:
        """Ask which of at most 1,024 objects the hub lacks.

        Raises:
            UnavailableError: The hub does not answer.
            CleanroomError: It refused.
        """
        body = encode_objects(digests)
        return decode_objects(self.send("POST", "/missing", body, limit=MAX_MESSAGE_BYTES))

    def put(self, digest: Digest, data: bytes) -> None:
        """Send an object.

        Raises:
            UnavailableError: The hub does not answer, or is full.
            CleanroomError: It refused, for example because these are other bytes.
        """
        # Signed for by its name: computing the digest a second time would tell nothing new.
        path = f"/objects/{digest.hex}"
        self._exchange("PUT", path, data, signed=digest, limit=MAX_MESSAGE_BYTES)

    def put_piece(self, digest: Digest, piece: FilePiece) -> None:
        """Send an object that is a piece of a file, as :meth:`put` does.

        Raises:
            UnavailableError: The hub does not answer, or is full.
            IntegrityError: The file is not long enough.
            CleanroomError: The hub refused, for example because these are other bytes.
        """
        if self._lines is None:
            self.put(digest, piece.read())
            return
        path = f"{self._below}/objects/{digest.hex}"
        target = RequestTarget(method="PUT", authority=self._authority, path=self._prefix + path)
        fields = {"host": self._authority, **self._sign(target, digest)}
        with self._answering():
            answer = self._lines.put(target.path, fields, piece, limit=MAX_MESSAGE_BYTES)
        if answer.status != httpx2.codes.OK:
            self._refuse(answer.kind, answer.data)

    def get(self, digest: Digest) -> bytes:
        """Fetch an object.

        Raises:
            UnavailableError: The hub does not answer.
            IntegrityError: It sent other bytes.
            CleanroomError: It refused.
        """
        data = self._get(f"/objects/{digest.hex}", limit=OBJECT_BYTES)
        digest.require(Digest.of(data), what="hub object")
        return data

    def change(self, changes: Sequence[Change]) -> int:
        """Put files into the room; all of them come, or none.

        Returns:
            The room's revision with them.

        Raises:
            UnavailableError: The hub does not answer; asking again is safe.
            CleanroomError: It refused.
        """
        body = encode_changes(changes)
        return decode_changed(self.send("POST", "/entries", body, limit=MAX_MESSAGE_BYTES))

    @contextmanager
    def lines(
        self, path: str, *, fields: Mapping[str, str], limit: int
    ) -> Iterator[Iterator[bytes]]:
        """Ask for an answer without an end, and read it line by line.

        Args:
            path: Below the room.
            fields: Header fields beside the signature; nobody signs for them.
            limit: Largest line in bytes.

        Raises:
            UnavailableError: The hub does not answer, or fell silent.
            CleanroomError: It refused.
        """
        with self._answering():
            request = self._client.build_request("GET", self._below + path, headers=dict(fields))
            request.headers.update(self._signature(request, b""))
            response = self._client.send(request, stream=True)
            try:
                if response.status_code != httpx2.codes.OK:
                    data = _read(response, limit=MAX_MESSAGE_BYTES)
                    self._refuse(response.headers.get("content-type"), data)
                yield _lines(response, limit=limit)
            finally:
                response.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
        if self._lines is not None:
            self._lines.close()

    def _get(self, path: str, *, limit: int) -> bytes:
        return self.send("GET", path, b"", limit=limit)

    def send(self, method: str, path: str, body: bytes, *, limit: int) -> bytes:
        """Send one signed request and return the body of its answer.

        Args:
            method: Upper case.
            path: Below the room.
            body: Empty for none.
            limit: Largest answer, in bytes.

        Raises:
            UnavailableError: The hub does not answer.
            CleanroomError: It refused.
        """
        return self._exchange(method, path, body, signed=body, limit=limit)

    def _exchange(
        self, method: str, path: str, body: bytes, *, signed: bytes | Digest, limit: int
    ) -> bytes:
        with self._answering():
            request = self._client.build_request(method, self._below + path, content=body or None)
            request.headers.update(self._signature(request, signed))
            response = self._client.send(request, stream=True)
            try:
                data = _read(response, limit=limit)
            finally:
                response.close()
        if response.status_code != httpx2.codes.OK:
            self._refuse(response.headers.get("content-type"), data)
        return data

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.TransportError, HTTPException, OSError) as error:
            raise UnavailableError(
                f"hub {self._hub}: does not answer",
                code="hub.unreachable",
                hint="ask its operator; what was pulled before is still in the mirror",
            ) from error

    def _refuse(self, kind: str | None, data: bytes) -> NoReturn:
        if kind != "application/json":
            raise UnavailableError(
                f"hub {self._hub}: busy, or not a hub",
                code="hub.busy",
                hint="try again; if it stays so, compare the address",
            )
        raise decode_failure(data).error

    def _signature(self, request: httpx2.Request, body: bytes | Digest) -> dict[str, str]:
        path, _, query = request.url.raw_path.partition(b"?")
        target = RequestTarget(
            method=request.method,
            authority=request.url.netloc.decode("ascii").lower(),
            path=path.decode("ascii"),
            query=query.decode("ascii"),
        )
        return self._sign(target, body)

    def _sign(self, target: RequestTarget, body: bytes | Digest) -> dict[str, str]:
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        return self._caller.sign(target, body, nonce=nonce, at=self._clock())


def _transport(authorities: str) -> httpx2.HTTPTransport:
    if not authorities:
        return httpx2.HTTPTransport()
    try:
        return httpx2.HTTPTransport(verify=ssl.create_default_context(cadata=authorities))
    except ssl.SSLError:
        raise MalformedError("authorities: not PEM certificates", code="hub.authorities") from None


def _read(response: httpx2.Response, *, limit: int) -> bytes:
    data = bytearray()
    for piece in response.iter_raw():
        data += piece
        if len(data) > limit:
            raise MalformedError(f"hub answer: larger than {limit} bytes", code="format.oversize")
    return bytes(data)


def _lines(response: httpx2.Response, *, limit: int) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in response.iter_raw():
        waiting += piece
        *lines, rest = bytes(waiting).split(b"\n")
        if len(rest) > limit or any(len(line) > limit for line in lines):
            raise MalformedError(f"hub answer: a line over {limit} bytes", code="format.oversize")
        yield from lines
        waiting = bytearray(rest)
