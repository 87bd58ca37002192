# SPDX-License-Identifier: Apache-2.0
"""Data keys at rest: one per dataset version, sealed to their owner's receiving key."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cleanroom.identity.receiving import ReceivingKey


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """The key of one version of one dataset.

    Attributes:
        lineage: The dataset.
        version: Its version.
        key_id: 16 public bytes that name the key.
        secret: The 32 key bytes; never shown.
    """

    lineage: str
    version: int
    key_id: bytes
    secret: bytes = field(repr=False)


def new_data_key(
    *, lineage: str, version: int, entropy: Callable[[int], bytes] = os.urandom
) -> DataKey:
    """Draw a fresh key and a fresh name for it."""
    raise NotImplementedError(lineage, version, entropy)


def stage_data_key(broker_home: Path, key: DataKey, *, receiving_key: bytes) -> None:
    """Keep a key on disk while its dataset is being sealed; the broker does not see it yet."""
    raise NotImplementedError(broker_home, key, receiving_key)


def open_staged_key(
    broker_home: Path, *, lineage: str, version: int, receiving: ReceivingKey
) -> DataKey | None:
    """Open the key of an interrupted sealing; None when there was none."""
    raise NotImplementedError(broker_home, lineage, version, receiving)


def settle_data_key(broker_home: Path, *, lineage: str, version: int) -> None:
    """Make a staged key the version's key, visible to the broker."""
    raise NotImplementedError(broker_home, lineage, version)


def open_data_key(
    broker_home: Path, *, lineage: str, version: int, receiving: ReceivingKey
) -> DataKey:
    """Open the key of a sealed version."""
    raise NotImplementedError(broker_home, lineage, version, receiving)


def list_versions(broker_home: Path, lineage: str) -> tuple[int, ...]:
    """List the sealed versions of a dataset, ascending."""
    raise NotImplementedError(broker_home, lineage)


def delete_data_key(broker_home: Path, *, lineage: str, version: int) -> None:
    """Delete a version's key: its parts can never be opened again."""
    raise NotImplementedError(broker_home, lineage, version)
