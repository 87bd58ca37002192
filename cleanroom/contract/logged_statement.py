# SPDX-License-Identifier: Apache-2.0
"""The JSON in which a broker's logged statement travels and lies in a receipt."""

from __future__ import annotations

from typing import Any

from cleanroom.contract.statement_shapes import LoggedStatement
from cleanroom.envelope.dsse import parse_envelope, to_json
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.limits import MAX_ENVELOPE_BYTES, MAX_NOTE_BYTES, MAX_PROOF_HASHES
from cleanroom.kernel.wire_model import WireModel, validate_shape


class _LogWire(WireModel):
    index: int
    checkpoint: str
    proof: list[str]


class _LoggedWire(WireModel):
    statement: dict[str, Any]
    log: _LogWire


def logged_to_json(logged: LoggedStatement) -> dict[str, JSONValue]:
    """Write a statement and its place in the log."""
    return {
        "statement": to_json(logged.statement),
        "log": {
            "index": logged.index,
            "checkpoint": logged.checkpoint,
            "proof": [node.hex() for node in logged.proof],
        },
    }


def logged_from_json(value: object, *, what: str) -> LoggedStatement:
    """Read a statement and its place in the log; nothing in it is verified.

    Raises:
        MalformedError: Not of this shape, or over a limit.
    """
    wire = validate_shape(_LoggedWire, value, what=what)
    _require_bounds(wire.log, what=what)
    return LoggedStatement(
        statement=parse_envelope(wire.statement, what=what, limit=MAX_ENVELOPE_BYTES),
        index=wire.log.index,
        checkpoint=wire.log.checkpoint,
        proof=tuple(_node(text, what=what) for text in wire.log.proof),
    )


def _require_bounds(log: _LogWire, *, what: str) -> None:
    if log.index < 0:
        raise MalformedError(f"{what}: a negative log index", code="statement.log-index")
    if len(log.proof) > MAX_PROOF_HASHES or len(log.checkpoint.encode()) > MAX_NOTE_BYTES:
        raise MalformedError(f"{what}: log proof over its limit", code="format.oversize")


def _node(text: str, *, what: str) -> bytes:
    try:
        node = bytes.fromhex(text)
    except ValueError:
        node = b""
    if len(text) != len(node) * 2 or node.hex() != text or not node:
        raise MalformedError(f"{what}: a log proof is not lower-case hexadecimal", code="json.hex")
    return node
