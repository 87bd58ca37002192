# SPDX-License-Identifier: Apache-2.0
"""Speak to one owner's key broker over a Unix socket or HTTP.

The wire is trusted with nothing: what comes back is unverified, and the caller
verifies it against the party's pinned broker key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from http import HTTPStatus

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
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.identity.broker_address import validate_broker_address
from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_ENVELOPE_BYTES, MAX_STATE_ENTRY_BYTES, MIB
from cleanroom.kernel.strict_json import parse_json
from cleanroom.runner.broker_carriers import Carrier, SocketCarrier

REQUEST_TIMEOUT = dt.timedelta(seconds=30)
MAX_STATEMENT_BYTES = 2 * MAX_ENVELOPE_BYTES
MAX_LOG_FILE_BYTES = 32 * MIB
_UNIX = "unix:"


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
        self._refusal: Envelope | None = None
        self._carrier = _carrier(
            address, caller=caller, authorities=authorities, timeout=timeout, clock=clock
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
        """Close what is open."""
        self._carrier.close()

    def _statement(self, path: str, body: bytes) -> LoggedStatement:
        data = self._post(path, body, limit=MAX_STATEMENT_BYTES)
        value = parse_json(data, what="broker answer", limit=MAX_STATEMENT_BYTES)
        return logged_from_json(value, what="broker answer")

    def _post(self, path: str, body: bytes, *, limit: int) -> bytes:
        return self._send("POST", path, body, limit=limit)

    def _get(self, path: str, *, limit: int) -> bytes:
        return self._send("GET", path, b"", limit=limit)

    def _send(self, method: str, path: str, body: bytes, *, limit: int) -> bytes:
        self._refusal = None
        answer = self._carrier.send(method, path, body, limit=limit)
        if answer.status == HTTPStatus.OK:
            return answer.data
        if answer.kind != "application/json":
            raise _no_broker_s_answer(self._address, answer.status)
        failure = decode_failure(answer.data)
        self._refusal = failure.refusal
        raise failure.error


def _carrier(
    address: str,
    *,
    caller: Introduction | None,
    authorities: str,
    timeout: dt.timedelta,
    clock: Clock,
) -> Carrier:
    if address.startswith(_UNIX):
        return SocketCarrier(address.removeprefix(_UNIX), timeout=timeout)
    # Only here: a run among brokers on one machine waits for no client of networks.
    from cleanroom.runner.network_carrier import NetworkCarrier  # noqa: PLC0415

    return NetworkCarrier(
        address, caller=caller, authorities=authorities, timeout=timeout, clock=clock
    )


def _no_broker_s_answer(address: str, status: int) -> UnavailableError:
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
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
