# SPDX-License-Identifier: Apache-2.0
"""From bytes to an unverified receipt; strict, and it believes nothing."""

from __future__ import annotations

from cleanroom.contract.statement_shapes import LoggedStatement
from cleanroom.envelope.dsse import Envelope, parse_envelope
from cleanroom.envelope.statement import parse_statement
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_RECEIPT_BYTES
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import validate_shape
from cleanroom.receipt.build import build_receipt
from cleanroom.receipt.encoding import body_from_wire, encode_receipt, logged_by_party
from cleanroom.receipt.model import (
    RECEIPT_PREDICATE,
    RESULT_SUBJECT,
    ReceiptBody,
    UnverifiedReceipt,
)
from cleanroom.receipt.wire import WireBody, WireFile


def parse_receipt(data: bytes) -> UnverifiedReceipt:
    """Parse ``receipt.json``; nothing in what comes back is verified.

    Raises:
        MalformedError: Oversize, not JSON, an unknown or missing member, or a
            second spelling of the same receipt.
    """
    envelope, countersignatures = _parse_file(data)
    return UnverifiedReceipt(
        envelope=envelope,
        digest=Digest.of(envelope.payload),
        body=parse_payload(envelope.payload),
        countersignatures=countersignatures,
    )


def parse_payload(payload: bytes) -> ReceiptBody:
    """Parse the receipt statement alone, as the runner prepared it.

    Raises:
        MalformedError: Not a receipt statement in its one spelling, or one whose
            subject is not the result that it describes.
    """
    statement = parse_statement(payload, predicate_type=RECEIPT_PREDICATE, what="receipt")
    shape = validate_shape(WireBody, dict(statement.predicate), what="receipt")
    body = body_from_wire(shape)
    if statement.subjects != {RESULT_SUBJECT: body.result.digest}:
        raise MalformedError(
            f"receipt subject: not {RESULT_SUBJECT} with the digest of the result",
            code="receipt.subject",
        )
    _require_one_spelling(payload, build_receipt(body))
    return body


def _parse_file(data: bytes) -> tuple[Envelope, dict[str, LoggedStatement]]:
    value = parse_json(data, what="receipt", limit=MAX_RECEIPT_BYTES)
    shape = validate_shape(WireFile, value, what="receipt")
    envelope = parse_envelope(
        {name: item for name, item in value.items() if name != "countersignatures"},
        what="receipt",
        limit=MAX_RECEIPT_BYTES,
    )
    countersignatures = logged_by_party(shape.countersignatures, what="countersignature")
    _require_one_spelling(data, encode_receipt(envelope, countersignatures))
    return envelope, countersignatures


def _require_one_spelling(found: bytes, canonical: bytes) -> None:
    # Spaces and order are outside every signature; a file that differs in them
    # would be another file with the same proof.
    if found != canonical:
        raise MalformedError(
            "receipt: not in canonical form (RFC 8785)",
            code="receipt.not-canonical",
            hint="use the receipt as the runner wrote it; editors change spaces and order",
        )
