# SPDX-License-Identifier: Apache-2.0
"""Evidence as it travels: a platform's name, its report, and collateral.

Nothing here is believed. Collateral (certificates, revocation lists, roots) is
carried so that verification works offline; whether to trust any of it is
decided against pins in code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cleanroom.attestation.fields import (
    base64_field,
    closed_object,
    constant_field,
    text_field,
)
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.limits import MAX_EVIDENCE_BYTES, MAX_EVIDENCE_ITEM_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.kernel.strict_json import parse_json

FORMAT = "cleanroom.evidence.v0"
MAX_COLLATERAL_ITEMS = 32
MAX_DEVICES = 64

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ITEM_MEMBERS = ("platform", "report", "collateral")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceItem:
    """Unverified evidence of one kind.

    Attributes:
        platform: Which kind it claims to be.
        report: The platform's own bytes, exactly as it produced them.
        collateral: Name to bytes of what a verifier needs beside the report.
    """

    platform: str
    report: bytes
    collateral: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(EvidenceItem):
    """Unverified evidence of one machine: its platform, and the devices it brings.

    Attributes:
        devices: Evidence of GPUs and the like, in the order of the runtime data.
    """

    devices: tuple[EvidenceItem, ...]

    @classmethod
    def of(cls, item: EvidenceItem, *, devices: Sequence[EvidenceItem] = ()) -> Evidence:
        """Put a platform's evidence and its devices' together."""
        return cls(
            platform=item.platform,
            report=item.report,
            collateral=item.collateral,
            devices=tuple(devices),
        )

    def to_json(self) -> dict[str, JSONValue]:
        """Write the wire form."""
        return {
            "format": FORMAT,
            **_item_json(self),
            "devices": [_item_json(device) for device in self.devices],
        }


def encode_evidence(evidence: Evidence) -> bytes:
    """Write the canonical JSON bytes, whose digest names the evidence."""
    return canonical_json(evidence.to_json())


def parse_evidence(data: bytes | Mapping[str, Any]) -> Evidence:
    """Read evidence from its canonical bytes, or from a strictly parsed object.

    Raises:
        MalformedError: Not closed JSON of this version, not canonical, or over a limit.
    """
    value = (
        parse_json(data, what="evidence", limit=MAX_EVIDENCE_BYTES)
        if isinstance(data, bytes)
        else data
    )
    members = closed_object(value, members=("format", *_ITEM_MEMBERS, "devices"), what="evidence")
    constant_field(members["format"], expected=FORMAT, what="evidence format")
    evidence = Evidence.of(_item(members), devices=_devices(members["devices"]))
    # A key release names evidence by the digest of its bytes, a receipt holds it
    # as an object: both name the same thing only if there is one encoding.
    if isinstance(data, bytes) and encode_evidence(evidence) != data:
        raise MalformedError(
            "evidence: not in canonical form (RFC 8785)", code="attestation.not-canonical"
        )
    return evidence


def _item(members: Mapping[str, Any]) -> EvidenceItem:
    item = EvidenceItem(
        platform=text_field(members["platform"], pattern=_NAME, what="evidence platform"),
        report=base64_field(members["report"], what="evidence report"),
        collateral=_collateral(members["collateral"]),
    )
    # One device must not take the room of all others.
    size = len(item.report) + sum(map(len, item.collateral.values()))
    if size > MAX_EVIDENCE_ITEM_BYTES:
        raise MalformedError(
            f"evidence of {item.platform}: {size} bytes against at most {MAX_EVIDENCE_ITEM_BYTES}",
            code="format.oversize",
        )
    return item


def _devices(value: object) -> tuple[EvidenceItem, ...]:
    if not isinstance(value, list) or len(value) > MAX_DEVICES:
        raise MalformedError(
            f"evidence devices: not a list of at most {MAX_DEVICES}", code="attestation.type"
        )
    return tuple(
        _item(closed_object(device, members=_ITEM_MEMBERS, what="evidence device"))
        for device in value
    )


def _item_json(item: EvidenceItem) -> dict[str, JSONValue]:
    return {
        "platform": item.platform,
        "report": encode_base64(item.report),
        "collateral": {name: encode_base64(data) for name, data in item.collateral.items()},
    }


def _collateral(value: object) -> dict[str, bytes]:
    if not isinstance(value, Mapping):
        raise MalformedError("evidence collateral: not a JSON object", code="attestation.type")
    if len(value) > MAX_COLLATERAL_ITEMS:
        raise MalformedError(
            f"evidence collateral: more than {MAX_COLLATERAL_ITEMS} items",
            code="format.oversize",
        )
    return {
        text_field(name, pattern=_NAME, what="evidence collateral name"): base64_field(
            data, what="evidence collateral"
        )
        for name, data in value.items()
    }
