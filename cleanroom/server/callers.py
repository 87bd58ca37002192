# SPDX-License-Identifier: Apache-2.0
"""Who asks? Callers over a network sign every request; the network itself says nothing.

The head of a request is judged before its body is read: a stranger cannot make a
broker hold 256 MiB in memory. Who asks decides nothing about keys; it keeps
strangers from using up nonces, time and disk.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from cleanroom.contract.introduction import KEY_FIELD, KEY_SIGNATURE_FIELD
from cleanroom.contract.request_key import (
    CLOCK_TOLERANCE,
    VouchedKey,
    parse_request_key,
    verify_request_key,
)
from cleanroom.envelope.http_signature import (
    CONTENT_DIGEST,
    SIGNATURE,
    SIGNATURE_INPUT,
    RequestTarget,
    UnverifiedRequest,
    read_signature,
)
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import MalformedError, RefusedError
from cleanroom.identity.pins import Pins
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.clock import Clock, format_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_REQUEST_KEY_BYTES, MAX_SSHSIG_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64
from cleanroom.server.rates import RateLimit
from cleanroom.server.replays import ReplayStore

OWNERS_USER = "@owner"  # no party can have this name
MAX_SIGNATURE_LIFE = dt.timedelta(seconds=120)
_FIELDS = (SIGNATURE_INPUT, SIGNATURE, CONTENT_DIGEST, KEY_FIELD, KEY_SIGNATURE_FIELD)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """What arrived before the body.

    Attributes:
        method: Upper case.
        path: As sent, escapes included.
        query: As sent; empty if there was none.
        fields: Header fields as they came, names in lower case.
        peer: Address of whoever connected; nobody in particular on a Unix socket.
    """

    method: str
    path: str
    query: str
    fields: Sequence[tuple[str, str]]
    peer: str


def require_one_of(caller: str, parties: Collection[str]) -> None:
    """Raise unless a caller asks for one of these parties, or is the owner's own user.

    Raises:
        RefusedError: It asks about something that is not its own.
    """
    if caller != OWNERS_USER and caller not in parties:
        raise RefusedError(
            f"request: {caller} is no party of that contract",
            code="request.not-yours",
            hint="ask under a contract that names this party",
        )


class Caller(Protocol):
    """Whoever a door let in."""

    @property
    def party(self) -> str:
        """Who asks: a party, or :data:`OWNERS_USER`."""

    def require_body(self, body: bytes) -> None:
        """Raise unless this is the body that the caller sent."""

    def require_one_of(self, parties: Collection[str]) -> None:
        """Raise unless the caller asks for one of these parties."""


class LocalCaller:
    """A process of the owner's own user, which could read the broker's home as well."""

    party = OWNERS_USER

    def require_body(self, body: bytes) -> None:
        """Accept every body: there is no signature over it."""

    def require_one_of(self, parties: Collection[str]) -> None:
        """Accept: the owner may ask whatever its broker answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCaller:
    """Proof that a pinned party signed this request; only ``NetworkDoor.admit`` makes one.

    Attributes:
        party: Who asks.
        request: What it signed.
    """

    party: str
    request: UnverifiedRequest

    def require_body(self, body: bytes) -> None:
        """Raise unless this is the body whose digest was signed.

        Raises:
            IntegrityError: It is not.
        """
        self.request.require_body(body)

    def require_digest(self, digest: Digest) -> None:
        """Raise unless a body of this digest was signed; says nothing about what arrives.

        Raises:
            IntegrityError: Another digest was.
        """
        self.request.require_digest(digest)

    def require_one_of(self, parties: Collection[str]) -> None:
        """Raise unless the caller asks for one of these parties.

        Raises:
            RefusedError: It asks about something that is not its own.
        """
        require_one_of(self.party, parties)


class Door(Protocol):
    """Whom one listening socket lets in."""

    def admit(self, head: RequestHead) -> Caller:
        """Judge the head of a request that asks for something."""

    def admit_reader(self, head: RequestHead) -> None:
        """Judge a request for what anybody may read."""


class LocalDoor:
    """A Unix socket that only its owner's user can open: its mode is the check."""

    def admit(self, head: RequestHead) -> Caller:
        """Let everybody in."""
        del head
        return LocalCaller()

    def admit_reader(self, head: RequestHead) -> None:
        """Let everybody in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often may be asked.

    Attributes:
        strangers: For each network address, before anything is verified.
        parties: For each pinned party, by its signatures.
    """

    strangers: RateLimit
    parties: RateLimit


class NetworkDoor:
    """A socket that anybody can reach: pinned parties come in, by signature."""

    def __init__(
        self,
        published: str,
        *,
        pins: Callable[[], Pins],
        is_revoked: Callable[[str, SSHPublicKey], bool],
        clock: Clock,
        replays: ReplayStore,
        limits: Limits,
    ) -> None:
        """Guard the broker at a published address.

        Args:
            published: The address in the owner's party document; requests are signed for it.
            pins: Reads the pinned party documents.
            is_revoked: Tells whether a party took back a key of its own.
            clock: The clock of the service.
            replays: Requests that were heard.
            limits: How often may be asked.

        Raises:
            RefusedError: The document publishes a Unix socket.
        """
        self._authority, self._prefix = _place(published)
        self._pins = pins
        self._is_revoked = is_revoked
        self._clock = clock
        self._replays = replays
        self._limits = limits

    def admit_reader(self, head: RequestHead) -> None:
        """Let anybody read what is public, so often.

        Raises:
            UnavailableError: Too often.
        """
        self._limits.strangers.take(head.peer)

    def admit(self, head: RequestHead) -> Caller:
        """Return who asks if a pinned party signed this request, now, once.

        Raises:
            UnavailableError: The caller asks too often, or the disk refuses.
            MalformedError: Not signed in the agreed form.
            RefusedError: Not signed, not by a pinned party, or not now.
            IntegrityError: The signature is not over this request.
        """
        # 1. Strangers cost a look at a bucket, and nothing else, however many ask.
        self._limits.strangers.take(head.peer)
        request, vouching = self._read(head)
        at = self._clock()
        # 2. Made now: first, because a wrong clock explains all that follows.
        _require_fresh(request, at=at)
        # 3. By a key that a pinned party signed for, and has not taken back (T-03, T-25).
        vouched = self._vouched(vouching, at=at)
        # 4. Over what arrived here: this place, this body (T-17).
        request.verify(vouched.key.key)
        # 5. Not too often, counted by party: many request keys ask no more than one.
        self._limits.parties.take(vouched.key.party)
        # 6. Once (T-05). Last, so that only what was signed is remembered.
        terms = request.terms
        self._replays.hear(terms.key, terms.nonce, expires=terms.expires, at=at)
        return SignedCaller(party=vouched.key.party, request=request)

    def _read(self, head: RequestHead) -> tuple[UnverifiedRequest, SignedFile]:
        fields = _single(head.fields)
        target = RequestTarget(
            method=head.method,
            # What the caller was told to ask, whatever a proxy says: a request that was
            # signed for another broker does not match here.
            authority=self._authority,
            path=self._prefix + head.path,
            query=head.query,
        )
        request = read_signature(target, fields)
        data = _bytes(fields, KEY_FIELD, limit=MAX_REQUEST_KEY_BYTES)
        signature = _bytes(fields, KEY_SIGNATURE_FIELD, limit=MAX_SSHSIG_BYTES)
        request.terms.key.require(Digest.of(data), what="request key")
        party = parse_request_key(data).party
        return request, SignedFile(data=data, signatures={party: signature})

    def _vouched(self, file: SignedFile, *, at: dt.datetime) -> VouchedKey:
        vouched = verify_request_key(file, pins=self._pins(), at=at)
        if self._is_revoked(vouched.key.party, vouched.signed_with):
            raise RefusedError(
                f"request key: signed with a key that {vouched.key.party} has revoked",
                code="request.key-revoked",
                hint="sign in with another key of the party",
            )
        return vouched


def _require_fresh(request: UnverifiedRequest, *, at: dt.datetime) -> None:
    terms = request.terms
    if abs(terms.created - at) > CLOCK_TOLERANCE:
        raise RefusedError(
            f"request: made at {format_time(terms.created)}, the clock here says "
            f"{format_time(at)}, agreed at most {CLOCK_TOLERANCE.seconds} seconds apart",
            code="request.clock",
            hint="set the clock of the machine that is wrong; if both are right, "
            "somebody sent a recorded request",
        )
    if terms.expires - terms.created > MAX_SIGNATURE_LIFE or at >= terms.expires:
        raise RefusedError(
            f"request: counts until {format_time(terms.expires)}, the clock here says "
            f"{format_time(at)}, agreed at most {MAX_SIGNATURE_LIFE.seconds} seconds in all",
            code="request.expired",
            hint="sign every request when it is sent",
        )


def _single(fields: Sequence[tuple[str, str]]) -> dict[str, str]:
    # Two fields of one name would let a proxy and the broker each believe another one.
    found = {name: value for name, value in fields if name in _FIELDS}
    if sum(name in _FIELDS for name, _ in fields) != len(found):
        raise MalformedError("request: a header field came twice", code="request.fields")
    return found


def _bytes(fields: dict[str, str], name: str, *, limit: int) -> bytes:
    # RFC 8941 section 3.3.5: a byte sequence stands between colons.
    text = fields.get(name, "")
    inner = text.removeprefix(":").removesuffix(":")
    if text != f":{inner}:" or len(inner) > 2 * limit:
        raise MalformedError(
            f"request: the header field {name} is not of the agreed form", code="request.form"
        )
    return decode_base64(inner, what=f"request: {name}")


def _place(published: str) -> tuple[str, str]:
    url = urlsplit(published)
    if url.scheme not in _DEFAULT_PORTS:
        raise RefusedError(
            "broker: its party document publishes a Unix socket, so nobody asks elsewhere",
            code="broker.not-published",
            hint="make the party with: cleanroom init NAME --broker-address https://HOST:PORT",
        )
    authority = url.netloc.lower()
    default = f":{_DEFAULT_PORTS[url.scheme]}"
    return authority.removesuffix(default), url.path
