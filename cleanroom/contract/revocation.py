# SPDX-License-Identifier: Apache-2.0
"""What one party takes back, and from when."""

from __future__ import annotations

import datetime as dt
from dataclasses import field
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from cleanroom.contract.types import DIGEST, LINEAGE
from cleanroom.contract.wire import (
    Moment,
    Name,
    Text,
    malformed,
    parse_document,
    with_bytes,
)
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_REVOCATION_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.remembered import remembered
from cleanroom.kernel.wire_model import WireModel


class RevocationKind(StrEnum):
    """What kind of thing is taken back."""

    CONTRACT = "contract"
    DATASET = "dataset"
    QUERY = "query"
    KEY = "key"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationTerms:
    """Everything a revocation says, before it has bytes.

    Attributes:
        party: Party that signs it.
        kind: What kind of thing is taken back.
        subject: Digest of the document (of a signing key: of its SSH wire blob);
            for a dataset also its lineage, which takes back every version.
        since: First moment at which it no longer counts.
        reason: Why, in words.
    """

    party: str
    kind: RevocationKind
    subject: Digest | str
    since: dt.datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation(RevocationTerms):
    """A revocation as its party signed it."""

    raw: bytes = field(repr=False)
    digest: Digest


class RevocationWire(WireModel):
    """The whole revocation."""

    format: Literal["cleanroom.revocation.v0"]
    party: Name
    kind: Literal["contract", "dataset", "query", "key", "approval"]
    subject: Annotated[str, Field(pattern=f"^(?:{DIGEST}|{LINEAGE})$")]
    since: Moment
    reason: Text


@remembered(512)
def parse_revocation(data: bytes, *, what: str = "revocation.toml") -> Revocation:
    """Read a revocation from its exact bytes.

    Raises:
        MalformedError: Not a revocation, or a lineage where a digest is needed.
    """
    wire = parse_document(
        RevocationWire, data, what=what, kind="revocation", limit=MAX_REVOCATION_BYTES
    )
    is_digest = wire.subject.startswith("sha256:")
    if not is_digest and wire.kind != "dataset":
        raise malformed(
            what,
            "subject",
            found="the name of a dataset",
            agreed=f"the digest of a {wire.kind}",
            code="revocation.subject",
        )
    terms = RevocationTerms(
        party=wire.party,
        kind=RevocationKind(wire.kind),
        subject=Digest.parse(wire.subject) if is_digest else wire.subject,
        since=wire.since.astimezone(dt.UTC),
        reason=wire.reason,
    )
    return with_bytes(Revocation, terms, data=data)
