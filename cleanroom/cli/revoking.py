# SPDX-License-Identifier: Apache-2.0
"""What is taken back, as it is typed."""

from __future__ import annotations

import datetime as dt

from cleanroom.contract.revocation import RevocationKind, RevocationTerms
from cleanroom.kernel.digest import Digest


def read_terms(
    party: str, kind: str, subject: str, *, reason: str, since: dt.datetime
) -> RevocationTerms:
    """Read the subject of a revocation: a digest, or the lineage of a dataset.

    Raises:
        MalformedError: Neither.
    """
    by_name = kind == RevocationKind.DATASET and not subject.startswith("sha256:")
    return RevocationTerms(
        party=party,
        kind=RevocationKind(kind),
        subject=subject if by_name else Digest.parse(subject, what="subject"),
        since=since,
        reason=reason or "withdrawn",
    )
