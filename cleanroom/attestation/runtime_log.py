# SPDX-License-Identifier: Apache-2.0
"""What a runner extended into a register before it let anything run.

A register only ever grows, so once contract and query stand in it, no later code
can take them out again; whoever reads the register knows what was about to run.
The name is hashed with the digest: a query's digest cannot be shown as a contract's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping

from cleanroom.attestation.binding import LABEL
from cleanroom.attestation.facts import RuntimeEvent, RuntimeLog
from cleanroom.attestation.fields import closed_object, text_field
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.digest import Digest

MAX_EVENTS = 16
MAX_REGISTER = 23

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
Hash = Callable[[bytes], bytes]


def sha256(data: bytes) -> bytes:
    """Digest for a SHA-256 bank of a TPM."""
    return hashlib.sha256(data).digest()


def sha384(data: bytes) -> bytes:
    """Digest for a SHA-384 bank, or a measurement register of a trust domain."""
    return hashlib.sha384(data).digest()


def events_of(*, runner: Digest, contract: Digest, query: Digest) -> tuple[RuntimeEvent, ...]:
    """List what a runner extends, in order, before it asks for evidence."""
    named = {"runner": runner, "contract": contract, "query": query}
    return tuple(RuntimeEvent(name=name, digest=digest) for name, digest in named.items())


def extended_digest(event: RuntimeEvent, *, hashed: Hash = sha256) -> bytes:
    """Derive what is extended for one event."""
    return hashed(LABEL + b"\0event\0" + event.name.encode() + b"\0" + event.digest.raw)


def replayed(events: Iterable[RuntimeEvent], *, hashed: Hash = sha256) -> bytes:
    """Return the value of a register that was zero before these events."""
    value = bytes(len(hashed(b"")))
    for event in events:
        value = hashed(value + extended_digest(event, hashed=hashed))
    return value


def require_runtime_log(log: RuntimeLog, *, value: bytes, hashed: Hash = sha256) -> RuntimeLog:
    """Return a log that explains the genuine value of its register completely.

    Raises:
        IntegrityError: An event was left out, added, changed or moved, or something
            else was extended before or after.
    """
    found = replayed(log.events, hashed=hashed)
    if not hmac.compare_digest(found, value):
        raise IntegrityError(
            f"runtime log: register {log.register} replays to {found.hex()},"
            f" agreed the quoted {value.hex()}",
            code="attestation.runtime-log",
            hint="nothing but the runner may extend this register; start the machine again",
        )
    return log


def encode_runtime_log(log: RuntimeLog) -> dict[str, JSONValue]:
    """Write a log as it travels."""
    return {
        "register": log.register,
        "events": [{"name": event.name, "digest": str(event.digest)} for event in log.events],
    }


def parse_runtime_log(value: object) -> RuntimeLog:
    """Read a log; unverified.

    Raises:
        MalformedError: Not closed, no such register, or too many events.
    """
    members = closed_object(value, members=("register", "events"), what="runtime log")
    register, events = members["register"], members["events"]
    if type(register) is not int or not 0 <= register <= MAX_REGISTER:
        raise MalformedError(
            f"runtime log: not a register from 0 to {MAX_REGISTER}", code="attestation.type"
        )
    if not isinstance(events, list) or len(events) > MAX_EVENTS:
        raise MalformedError(
            f"runtime log: not a list of at most {MAX_EVENTS} events", code="attestation.type"
        )
    return RuntimeLog(register=register, events=tuple(_event(item) for item in events))


def _event(value: Mapping[str, object]) -> RuntimeEvent:
    members = closed_object(value, members=("name", "digest"), what="runtime event")
    return RuntimeEvent(
        name=text_field(members["name"], pattern=_NAME, what="runtime event name"),
        digest=Digest.parse(members["digest"], what="runtime event"),
    )
