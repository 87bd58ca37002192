# SPDX-License-Identifier: Apache-2.0
"""Pins: the party documents whose fingerprints somebody compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cleanroom.identity.party import PartyDocument
from cleanroom.kernel.digest import Digest


class Replace(Enum):
    """Whether a pin may take the place of another document of the same party."""

    NO = "no"
    YES = "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """Pinned party documents by party name."""

    documents: Mapping[str, PartyDocument]


def load_pins(directory: Path) -> Pins:
    """Read all pinned party documents of a directory."""
    raise NotImplementedError(directory)


def pin(
    directory: Path,
    document: PartyDocument,
    *,
    confirmed: Digest,
    replace: Replace = Replace.NO,
) -> None:
    """Pin a document whose fingerprint a person confirmed."""
    raise NotImplementedError(directory, document, confirmed, replace)
