# SPDX-License-Identifier: Apache-2.0
"""What one party takes back, and from when."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from cleanroom.kernel.digest import Digest

FORMAT = "cleanroom.revocation.v0"


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


def parse_revocation(data: bytes, *, what: str = "revocation.toml") -> Revocation:
    """Read a revocation from its exact bytes.

    Raises:
        MalformedError: Not a revocation.
    """
    raise NotImplementedError
