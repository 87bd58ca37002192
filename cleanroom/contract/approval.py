# SPDX-License-Identifier: Apache-2.0
"""One party's decision about one query under one contract."""

from __future__ import annotations

import datetime as dt
from dataclasses import field
from enum import StrEnum
from typing import Literal

from cleanroom.contract.wire import (
    DigestText,
    Moment,
    Name,
    Positive,
    Text,
    parse_document,
    with_bytes,
)
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_APPROVAL_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.remembered import remembered
from cleanroom.kernel.wire_model import WireModel


class Decision(StrEnum):
    """What the approver said."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalTerms:
    """Everything an approval says, before it has bytes.

    Attributes:
        approver: Party that signs it.
        contract: Digest of the contract; an approval lapses with it.
        query: Digest of the query document.
        decision: ``approve`` or ``reject``.
        reason: Why, in words.
        sequence: Counts up; the highest one an approver signed counts.
        expires: First moment at which an approval no longer counts.
    """

    approver: str
    contract: Digest
    query: Digest
    decision: Decision
    reason: str
    sequence: int
    expires: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(ApprovalTerms):
    """An approval as its approver signed it."""

    raw: bytes = field(repr=False)
    digest: Digest


class ApprovalWire(WireModel):
    """The whole approval."""

    format: Literal["cleanroom.approval.v0"]
    approver: Name
    contract: DigestText
    query: DigestText
    decision: Literal["approve", "reject"]
    reason: Text
    sequence: Positive
    expires: Moment


@remembered(512)
def parse_approval(data: bytes, *, what: str = "approval.toml") -> Approval:
    """Read an approval from its exact bytes.

    Raises:
        MalformedError: Not an approval.
    """
    wire = parse_document(ApprovalWire, data, what=what, kind="approval", limit=MAX_APPROVAL_BYTES)
    terms = ApprovalTerms(
        approver=wire.approver,
        contract=Digest.parse(wire.contract),
        query=Digest.parse(wire.query),
        decision=Decision(wire.decision),
        reason=wire.reason,
        sequence=wire.sequence,
        expires=wire.expires.astimezone(dt.UTC),
    )
    return with_bytes(Approval, terms, data=data)
