# SPDX-License-Identifier: Apache-2.0
"""Notices to a key broker as bytes: rejections, revocations, contracts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from cleanroom.contract.broker_requests import (
    ContractNotice,
    Notice,
    RejectionNotice,
    RevocationNotice,
)
from cleanroom.contract.bundle import contract_bundle_json, parse_contract_bundle
from cleanroom.contract.wire import Name
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.limits import MAX_BUNDLE_BYTES
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

FORMAT = "cleanroom.notice.v0"
_WHAT = "notice"


class _FileWire(WireModel):
    data: str
    # A rejection and a revocation have one signer.
    signatures: Annotated[dict[Name, str], Field(max_length=1)]


class _DocumentWire(WireModel):
    format: Literal["cleanroom.notice.v0"]
    kind: Literal["rejection", "revocation"]
    document: _FileWire


class _ContractWire(WireModel):
    format: Literal["cleanroom.notice.v0"]
    kind: Literal["contract"]
    document: dict[str, Any]


def encode_notice(notice: Notice) -> bytes:
    """Write a notice."""
    if isinstance(notice, ContractNotice):
        return _encode("contract", contract_bundle_json(notice.bundle))
    kind = "rejection" if isinstance(notice, RejectionNotice) else "revocation"
    return _encode(kind, _file_json(notice.document))


def decode_notice(data: bytes) -> Notice:
    """Read a notice; nothing in it is verified.

    Raises:
        MalformedError: Not of this shape.
    """
    value = parse_json(data, what=_WHAT, limit=MAX_BUNDLE_BYTES)
    if isinstance(value, dict) and value.get("kind") == "contract":
        contract = validate_shape(_ContractWire, value, what=_WHAT)
        return ContractNotice(bundle=parse_contract_bundle(contract.document, what=_WHAT))
    wire = validate_shape(_DocumentWire, value, what=_WHAT)
    document = _file(wire.document)
    if wire.kind == "rejection":
        return RejectionNotice(document=document)
    return RevocationNotice(document=document)


def _encode(kind: str, document: JSONValue) -> bytes:
    return canonical_json({"format": FORMAT, "kind": kind, "document": document})


def _file_json(file: SignedFile) -> JSONValue:
    return {
        "data": encode_base64(file.data),
        "signatures": {party: encode_base64(data) for party, data in file.signatures.items()},
    }


def _file(wire: _FileWire) -> SignedFile:
    return SignedFile(
        data=decode_base64(wire.data, what="notice document"),
        signatures={
            party: decode_base64(text, what="notice signature")
            for party, text in wire.signatures.items()
        },
    )
