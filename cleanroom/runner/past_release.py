# SPDX-License-Identifier: Apache-2.0
"""One earlier release, as the sealed disclosure state keeps it."""

from __future__ import annotations

from dataclasses import field

from cleanroom.disclosure.past import PastTable, decode_tables, encode_tables
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_STATE_ENTRY_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

FORMAT = "cleanroom.state-entry.v0"
_WHAT = "disclosure state"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRelease:
    """What was released to whoever asked, refusals of the gate included.

    Attributes:
        run: Run that released it first.
        request: Identity of the request: an identical one gets the same answer.
        result: The released bytes, word for word.
        checks: The rules as they were applied, as canonical JSON.
        tables: The released numbers and sketches of who contributed, for the difference rule.
    """

    run: str
    request: Digest
    result: bytes = field(repr=False)
    checks: bytes
    tables: tuple[PastTable, ...] = field(repr=False)


class _Wire(WireModel):
    format: str
    run: str
    request: str
    result: str
    checks: str
    tables: str


def encode_release(release: PastRelease) -> bytes:
    """Write a release for sealing."""
    return canonical_json(
        {
            "format": FORMAT,
            "run": release.run,
            "request": str(release.request),
            "result": encode_base64(release.result),
            "checks": encode_base64(release.checks),
            "tables": encode_base64(encode_tables(release.tables)),
        }
    )


def decode_release(data: bytes) -> PastRelease:
    """Read a release back.

    Raises:
        MalformedError: Not an entry of this format.
    """
    value = parse_json(data, what=_WHAT, limit=MAX_STATE_ENTRY_BYTES)
    wire = validate_shape(_Wire, value, what=_WHAT)
    if wire.format != FORMAT:
        raise MalformedError(f"{_WHAT}: not of the format {FORMAT}", code="state.format")
    return PastRelease(
        run=wire.run,
        request=Digest.parse(wire.request, what=_WHAT),
        result=decode_base64(wire.result, what=_WHAT),
        checks=decode_base64(wire.checks, what=_WHAT),
        tables=decode_tables(decode_base64(wire.tables, what=_WHAT)),
    )
