# SPDX-License-Identifier: Apache-2.0
"""How a broker says no on the wire, and how its caller hears it.

The words of a foreign process end up on a terminal and in exit codes. Only an
error of our tree comes out of here, with printable words of limited length.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from cleanroom.envelope.dsse import Envelope, parse_envelope, to_json
from cleanroom.errors import CleanroomError, MalformedError, from_wire, to_wire
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.plain_text import printable
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

MAX_FAILURE_BYTES = 64 * 1024
_MAX_WORDS = 500
_CODE = re.compile(r"[a-z][a-z0-9.-]{0,63}")
_WHAT = "broker answer"


class _ErrorWire(WireModel):
    kind: str = Field(alias="class")
    code: str
    message: str
    hint: str


class _FailureWire(WireModel):
    error: _ErrorWire
    refusal: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a broker did not do what it was asked.

    Attributes:
        error: The error, rebuilt in this process.
        refusal: The broker's signed refusal, unverified; absent where a request was
            not even read, or the disk was to blame.
    """

    error: CleanroomError
    refusal: Envelope | None


def encode_failure(error: CleanroomError, *, refusal: Envelope | None) -> bytes:
    """Write an error and, if a rule said no, the signed refusal."""
    value: dict[str, JSONValue] = {
        "error": dict(to_wire(error)),
        "refusal": None if refusal is None else to_json(refusal),
    }
    return canonical_json(value)


def decode_failure(data: bytes) -> Failure:
    """Read why a broker did not answer.

    Raises:
        MalformedError: Not of this shape.
    """
    value = parse_json(data, what=_WHAT, limit=MAX_FAILURE_BYTES)
    wire = validate_shape(_FailureWire, value, what=_WHAT)
    error = wire.error
    if not _CODE.fullmatch(error.code):
        raise MalformedError(f"{_WHAT}: an error without a proper code", code="broker.answer")
    refusal = None
    if wire.refusal is not None:
        refusal = parse_envelope(wire.refusal, what="refusal", limit=MAX_FAILURE_BYTES)
    return Failure(
        error=from_wire(
            error.kind,
            code=error.code,
            # Escape sequences in a message could rewrite what a terminal shows.
            message=printable(error.message[:_MAX_WORDS], instead="?"),
            hint=printable(error.hint[:_MAX_WORDS], instead="?"),
        ),
        refusal=refusal,
    )
