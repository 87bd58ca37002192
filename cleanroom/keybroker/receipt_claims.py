# SPDX-License-Identifier: Apache-2.0
"""The few claims of a receipt that a broker compares with its own release.

A broker countersigns the digest of the whole receipt, and vouches for what it
knows: that these keys went to the runner that signed this. Whoever verifies the
receipt reads all of it; this module refuses to know the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from cleanroom.contract.logged_statement import logged_from_json
from cleanroom.contract.statement_wire import StateStepWire, step_from_wire
from cleanroom.contract.statements import LoggedStatement, StateStep
from cleanroom.envelope.dsse import Envelope
from cleanroom.envelope.statement import parse_statement
from cleanroom.errors import IntegrityError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64
from cleanroom.kernel.wire_model import validate_shape

RECEIPT = "urn:cleanroom:receipt:v0"
RESULT_SUBJECT = "result.sealed"
_WHAT = "receipt"


class _Part(BaseModel):
    # Unlike every other shape at the edge this one lets other members pass, because
    # they belong to whoever verifies the receipt.
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _NamedWire(_Part):
    digest: str


class _ClaimsWire(_Part):
    run: str
    contract: _NamedWire
    query: _NamedWire
    run_request: str
    runtime_data: str
    releases: dict[str, dict[str, Any]]
    state: list[StateStepWire]
    result: _NamedWire


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptClaims:
    """What a receipt says about the release that it used; unverified.

    Attributes:
        digest: Digest of the receipt statement's exact bytes.
        run: Run identifier.
        contract: Digest of the contract.
        query: Digest of the query document.
        run_request: Digest of the signed run request.
        runtime_data: Exact runtime data; the run key inside must sign the receipt.
        releases: The brokers' releases as the runner got them.
        state: The step of every lineage that the run touched.
        result: Digest of the sealed result.
    """

    digest: Digest
    run: str
    contract: Digest
    query: Digest
    run_request: Digest
    runtime_data: bytes
    releases: Mapping[str, LoggedStatement]
    state: tuple[StateStep, ...]
    result: Digest


def read_claims(unverified_envelope: Envelope) -> ReceiptClaims:
    """Read the claims from an envelope that nobody has verified yet.

    Raises:
        MalformedError: Not a receipt statement.
        IntegrityError: The subject is not the result that it claims.
    """
    payload = unverified_envelope.payload
    statement = parse_statement(payload, predicate_type=RECEIPT, what=_WHAT)
    wire = validate_shape(_ClaimsWire, dict(statement.predicate), what=_WHAT)
    result = Digest.parse(wire.result.digest, what="receipt result")
    if dict(statement.subjects) != {RESULT_SUBJECT: result}:
        raise IntegrityError(
            "receipt: its subject is not the sealed result", code="statement.subject"
        )
    return ReceiptClaims(
        digest=Digest.of(payload),
        run=wire.run,
        contract=Digest.parse(wire.contract.digest, what="receipt contract"),
        query=Digest.parse(wire.query.digest, what="receipt query"),
        run_request=Digest.parse(wire.run_request, what="receipt run request"),
        runtime_data=decode_base64(wire.runtime_data, what="receipt runtime data"),
        releases={
            party: logged_from_json(value, what="receipt release")
            for party, value in wire.releases.items()
        },
        state=tuple(step_from_wire(step, what=_WHAT) for step in wire.state),
        result=result,
    )
