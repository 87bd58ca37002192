# SPDX-License-Identifier: Apache-2.0
"""Speak to one owner's key broker over a Unix socket or HTTP.

The wire is trusted with nothing: what comes back is unverified, and the caller
verifies it against the party's pinned broker key. No redirect, proxy or
environment variable can send a request elsewhere.
"""

from __future__ import annotations

import datetime as dt
import secrets
import socket
import ssl
from collections.abc import Sequence

import httpx2

from cleanroom.contract.broker_answer import decode_failure
from cleanroom.contract.broker_requests import (
    BrokerStatus,
    Challenge,
    ChallengeRequest,
    CommitRequest,
    Notice,
    ReleaseRequest,
)
from cleanroom.contract.broker_wire import (
    MAX_COMMITS_BYTES,
    MAX_ENTRIES_AT_ONCE,
    MAX_ENTRIES_BYTES,
    MAX_SMALL_REQUEST_BYTES,
    MAX_STATUS_BYTES,
    decode_challenge,
    decode_commits,
    decode_entries,
    decode_status,
    encode_challenge_request,
    encode_commit_request,
    encode_entries_request,
    encode_release_request,
)
from cleanroom.contract.introduction import Introduction
from cleanroom.contract.logged_statement import logged_from_json
from cleanroom.contract.notice_wire import encode_notice
from cleanroom.contract.statements import LoggedStatement
from cleanroom.envelope.dsse import Envelope
from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.identity.broker_address import validate_broker_address
from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_ENVELOPE_BYTES, MAX_STATE_ENTRY_BYTES, MIB
from cleanroom.kernel.strict_json import parse_json

REQUEST_TIMEOUT = dt.timedelta(seconds=30)
CONNECT_TIMEOUT = dt.timedelta(seconds=5)
MAX_STATEMENT_BYTES = 2 * MAX_ENVELOPE_BYTES
MAX_LOG_FILE_BYTES = 32 * MIB
_UNIX = "unix:"
_NONCE_BYTES = 16


def load_client() -> None:
    """Load what a first request needs; the library leaves half of itself until then."""
    _transport("/", "").close()


class BrokerClient(Closing):
    """One broker, by the address in its party document.

    Use it as a context manager, or call :meth:`close`.
    """

    def __init__(
        self,
        address: str,
        *,
        caller: Introduction | None = None,
        authorities: str = "",
        timeout: dt.timedelta = REQUEST_TIMEOUT,
        clock: Clock = system_clock,
    ) -> None:
        """Prepare a client for ``unix:/path``, ``http://host:port`` or ``https://…``.

        Args:
            address: As in a party document.
            caller: For whom requests are signed; a Unix socket and public readings
                need nobody.
            authorities: PEM certificates of whoever may vouch for the broker's host;
                empty for the system's.
            timeout: How long the broker may be silent.
            clock: Says when requests are signed.

        Raises:
            MalformedError: No broker address.
        """
        validate_broker_address(address, what="broker")
        self._address = address
        self._caller = caller
        self._clock = clock
        self._refusal: Envelope | None = None
        self._path = address.removeprefix(_UNIX) if address.startswith(_UNIX) else None
        self._client = httpx2.Client(
            base_url="http://broker" if self._path else address,
            transport=_transport(self._path, authorities),
            timeout=httpx2.Timeout(
                timeout.total_seconds(), connect=CONNECT_TIMEOUT.total_seconds()
            ),
            follow_redirects=False,
            trust_env=False,
        )

    @property
    def refusal(self) -> Envelope | None:
        """The signed refusal behind the last error, unverified; absent after an answer."""
        return self._refusal

    def challenge(self, request: ChallengeRequest) -> Challenge:
        """Ask for a nonce.

        Raises:
            UnavailableError: The broker does not answer.
            CleanroomError: It refused.
        """
        body = encode_challenge_request(request)
        return decode_challenge(self._post("/v0/challenge", body, limit=MAX_SMALL_REQUEST_BYTES))

    def release(self, request: ReleaseRequest) -> LoggedStatement:
        """Ask for keys; verify the answer with ``statements.verify_key_release``.

        Raises:
            UnavailableError: The broker does not answer; asking again costs nothing.
            CleanroomError: It refused.
        """
        return self._statement("/v0/release", encode_release_request(request))

    def commit(self, request: CommitRequest) -> LoggedStatement:
        """Ask for a countersignature; verify it with ``statements.verify_commit``.

        Raises:
            UnavailableError: The broker does not answer; asking again is safe.
            CleanroomError: It refused.
        """
        return self._statement("/v0/commit", encode_commit_request(request))

    def notice(self, notice: Notice) -> LoggedStatement:
        """Deliver a rejection, revocation or contract; verify the acknowledgement.

        Raises:
            UnavailableError: The broker does not answer; it has not been told.
            CleanroomError: It refused.
        """
        return self._statement("/v0/notice", encode_notice(notice))

    def status(self) -> BrokerStatus:
        """Ask how the broker is.

        Raises:
            UnavailableError: The broker does not answer.
        """
        return decode_status(self._get("/v0/status", limit=MAX_STATUS_BYTES))

    def entry(self, digest: Digest) -> bytes:
        """Fetch a sealed state entry.

        Raises:
            UnavailableError: The broker does not answer.
            IntegrityError: It sent other bytes.
            CleanroomError: It has no such entry.
        """
        data = self._get(f"/v0/entries/{digest.hex}", limit=MAX_STATE_ENTRY_BYTES)
        digest.require(Digest.of(data), what="state entry")
        return data

    def entries(self, digests: Sequence[Digest]) -> tuple[bytes, ...]:
        """Fetch sealed state entries in this order, in as few requests as they fit into.

        Raises:
            UnavailableError: The broker does not answer.
            IntegrityError: One is not the one its digest names.
            CleanroomError: It refused, or answered in another form.
        """
        found: list[bytes] = []
        while wanted := digests[len(found) :][:MAX_ENTRIES_AT_ONCE]:
            data = self._post(
                "/v0/entries", encode_entries_request(wanted), limit=MAX_ENTRIES_BYTES
            )
            more = decode_entries(data)
            if not 1 <= len(more) <= len(wanted):
                raise MalformedError(
                    "entries: none, or more than were asked for", code="broker.entries-form"
                )
            # An older entry, or another's, has another digest.
            for digest, entry in zip(wanted, more, strict=False):
                digest.require(Digest.of(entry), what="state entry")
            found.extend(more)
        return tuple(found)

    def commits(self, lineage: str) -> tuple[Envelope, ...]:
        """Fetch every commit that moved a lineage; verify each with ``verify_commit``.

        Raises:
            UnavailableError: The broker does not answer.
            CleanroomError: It refused: only the lineage's owner may ask.
        """
        found: list[Envelope] = []
        while True:
            path = f"/v0/commits/{lineage}/{len(found)}"
            more = decode_commits(self._get(path, limit=MAX_COMMITS_BYTES))
            if not more:
                return tuple(found)
            found.extend(more)

    def log_file(self, path: str) -> bytes:
        """Fetch a file of the broker's log, for example ``checkpoint``.

        Raises:
            UnavailableError: The broker does not answer, or has no such file yet.
        """
        return self._get(f"/v0/log/{path}", limit=MAX_LOG_FILE_BYTES)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _statement(self, path: str, body: bytes) -> LoggedStatement:
        data = self._post(path, body, limit=MAX_STATEMENT_BYTES)
        value = parse_json(data, what="broker answer", limit=MAX_STATEMENT_BYTES)
        return logged_from_json(value, what="broker answer")

    def _post(self, path: str, body: bytes, *, limit: int) -> bytes:
        return self._send(self._client.build_request("POST", path, content=body), limit=limit)

    def _get(self, path: str, *, limit: int) -> bytes:
        return self._send(self._client.build_request("GET", path), limit=limit)

    def _send(self, request: httpx2.Request, *, limit: int) -> bytes:
        self._refusal = None
        try:
            if self._path is not None:
                _knock(self._path)
            elif self._caller is not None:
                request.headers.update(self._signature(request, self._caller))
            response = self._client.send(request, stream=True)
            try:
                data = _read(response, limit=limit)
            finally:
                response.close()
        except (httpx2.TransportError, OSError) as error:
            raise UnavailableError(
                f"broker {self._address}: does not answer",
                code="broker.unreachable",
                hint="on its owner's machine: cleanroom broker serve",
            ) from error
        if response.status_code == httpx2.codes.OK:
            return data
        if response.headers.get("content-type") != "application/json":
            raise _no_broker_s_answer(self._address, response.status_code)
        failure = decode_failure(data)
        self._refusal = failure.refusal
        raise failure.error

    def _signature(self, request: httpx2.Request, caller: Introduction) -> dict[str, str]:
        body = request.read()
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        return caller.sign(_target(request), body, nonce=nonce, at=self._clock())


def _target(request: httpx2.Request) -> RequestTarget:
    url = request.url
    path, _, query = url.raw_path.partition(b"?")
    return RequestTarget(
        method=request.method,
        authority=url.netloc.decode("ascii").lower(),
        path=path.decode("ascii"),
        query=query.decode("ascii"),
    )


def _transport(path: str | None, authorities: str) -> httpx2.HTTPTransport:
    if path is not None:
        # A Unix socket speaks no TLS. A context without any authority is made in no time,
        # loading the system's takes longer than the request, and it would accept nobody.
        return httpx2.HTTPTransport(uds=path, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    if not authorities:
        return httpx2.HTTPTransport()
    try:
        return httpx2.HTTPTransport(verify=ssl.create_default_context(cadata=authorities))
    except ssl.SSLError:
        raise MalformedError(
            "authorities: not PEM certificates", code="broker.authorities"
        ) from None


def _no_broker_s_answer(address: str, status: int) -> UnavailableError:
    if status == httpx2.codes.INTERNAL_SERVER_ERROR:
        return UnavailableError(
            f"broker {address}: failed by itself",
            code="broker.failed",
            hint="the terminal of its owner's broker says where",
        )
    return UnavailableError(
        f"broker {address}: busy, or not a broker",
        code="broker.busy",
        hint="try again; if it stays so, compare the address in the party document",
    )


def _knock(path: str) -> None:
    # The HTTP library forgets to close a Unix socket that it could not connect, so
    # whether anybody listens is found out here.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_TIMEOUT.total_seconds())
        probe.connect(path)


def _read(response: httpx2.Response, *, limit: int) -> bytes:
    data = bytearray()
    for chunk in response.iter_raw():
        data += chunk
        if len(data) > limit:
            raise MalformedError(
                f"broker answer: larger than {limit} bytes", code="format.oversize"
            )
    return bytes(data)
