# SPDX-License-Identifier: Apache-2.0
"""Where an owner's data keys come from, behind one interface.

A key service in a cloud can stand here later. It can hold keys; it cannot count
uses or countersign, so it stands behind a broker and never in its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.standing import DataKeys
from cleanroom.vault.data_key import list_versions, name_data_key, open_data_key


class KeySource(DataKeys, Protocol):
    """Data keys of one owner, with their secrets."""

    def secret(self, lineage: str, version: int) -> bytes:
        """Return the 32-byte key of a version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeKeys:
    """Data keys in the broker's home, sealed to the owner's receiving key.

    Attributes:
        home: The broker's home.
        receiving: Opens them, one at a time and only for a release.
    """

    home: Path
    receiving: ReceivingKey

    def versions(self, lineage: str) -> tuple[int, ...]:
        """Return the sealed versions, ascending."""
        return list_versions(self.home, lineage)

    def key_id(self, lineage: str, version: int) -> str:
        """Return the 32 hexadecimal digits that name a version's key, without opening it."""
        return name_data_key(self.home, lineage=lineage, version=version)

    def secret(self, lineage: str, version: int) -> bytes:
        """Return the 32-byte key of a version."""
        key = open_data_key(self.home, lineage=lineage, version=version, receiving=self.receiving)
        return key.secret
