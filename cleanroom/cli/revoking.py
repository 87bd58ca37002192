# SPDX-License-Identifier: Apache-2.0
"""What is taken back, as it is typed."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

from cleanroom.contract.revocation import RevocationKind, RevocationTerms
from cleanroom.identity.profile import Profile
from cleanroom.kernel.digest import Digest


def lies_in(room: Path, terms: RevocationTerms, *, profile: Profile) -> bool:
    """Tell whether the room holds what is taken back; a mistyped digest takes back nothing.

    A room may hide a document, so this is no reason to refuse.
    """
    mine = profile.name
    if isinstance(terms.subject, str):
        return terms.subject.startswith(f"{mine}.") and (room / "datasets" / terms.subject).is_dir()
    keys = {Digest.of(key.blob) for key in profile.party.signing_keys}
    if terms.subject in keys | {profile.party.digest}:
        return terms.kind is RevocationKind.KEY
    patterns = {
        RevocationKind.CONTRACT: ("contract.toml", "archive/*"),
        RevocationKind.DATASET: (f"datasets/{mine}.*/dataset.toml", "archive/*"),
        RevocationKind.QUERY: ("queries/*/query.toml", "archive/*"),
        RevocationKind.KEY: (),
        RevocationKind.APPROVAL: (f"queries/*/approvals/{mine}.toml", "archive/*"),
    }[terms.kind]
    found = (path for pattern in patterns for path in room.glob(pattern) if path.is_file())
    return any(_digest(path) == terms.subject for path in found)


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").digest())


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
