# SPDX-License-Identifier: Apache-2.0
"""Evidence as it travels: a platform's name, its report, and collateral.

Nothing here is believed. Collateral (certificates, revocation lists, roots) is
carried so that verification works offline; whether to trust any of it is
decided against pins in code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cleanroom.attestation.fields import (
    base64_field,
    closed_object,
    constant_field,
    text_field,
)
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.limits import MAX_EVIDENCE_BYTES
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.kernel.strict_json import parse_json

FORMAT = "cleanroom.evidence.v0"
MAX_COLLATERAL_ITEMS = 32

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_MEMBERS = ("format", "platform", "report", "collateral")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Unverified evidence of one platform.

    Attributes:
        platform: Which platform it claims to come from.
        report: The platform's own bytes, exactly as it produced them.
        collateral: Name to bytes of what a verifier needs beside the report.
    """

    platform: str
    report: bytes
    collateral: Mapping[str, bytes]

    def to_json(self) -> dict[str, JSONValue]:
        """Write the wire form."""
        return {
            "format": FORMAT,
            "platform": self.platform,
            "report": encode_base64(self.report),
            "collateral": {name: encode_base64(data) for name, data in self.collateral.items()},
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
    members = closed_object(value, members=_MEMBERS, what="evidence")
    constant_field(members["format"], expected=FORMAT, what="evidence format")
    evidence = Evidence(
        platform=text_field(members["platform"], pattern=_NAME, what="evidence platform"),
        report=base64_field(members["report"], what="evidence report"),
        collateral=_collateral(members["collateral"]),
    )
    # A key release names evidence by the digest of its bytes, a receipt holds it
    # as an object: both name the same thing only if there is one encoding.
    if isinstance(data, bytes) and encode_evidence(evidence) != data:
        raise MalformedError(
            "evidence: not in canonical form (RFC 8785)", code="attestation.not-canonical"
        )
    return evidence


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
