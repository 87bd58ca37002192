# SPDX-License-Identifier: Apache-2.0
"""Seal one version of a dataset: plain table in, sealed parts out, nothing in between on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cleanroom.kernel.digest import Digest
from cleanroom.vault.data_key import DataKey

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Progress = Callable[[int, int], None]  # rows sealed so far, rows in all


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPart:
    """One sealed part, as the dataset document lists it.

    Attributes:
        file: Name relative to the dataset's directory, ``parts/<version>-00000.part``.
        digest: SHA-256 over the sealed bytes.
        size: Length of the sealed bytes.
        file_id: The attempt at sealing that these bytes come from.
    """

    file: str
    digest: Digest
    size: int
    file_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingOrder:
    """What to seal, and how.

    Attributes:
        key: Data key of this version; also names the dataset and the version.
        columns: Exactly the columns that the policy gives a role.
        types: Types that the owner states; every other one is found in the data.
        normalisation: Identifier rule for each column that has one.
    """

    key: DataKey
    columns: frozenset[str]
    types: Mapping[str, str]
    normalisation: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDataset:
    """What sealing produced; not a dataset until its owner signs a document about it.

    Attributes:
        parts: In order.
        columns: Name and type of each column, in file order.
    """

    parts: tuple[SealedPart, ...]
    columns: tuple[tuple[str, str], ...]


def seal_dataset(
    source: Path | pa.Table | pd.DataFrame,
    *,
    destination: Path,
    order: SealingOrder,
    progress: Progress,
    entropy: Callable[[int], bytes] = os.urandom,
) -> SealedDataset:
    """Seal a table into ``destination``, a dataset's ``parts`` directory."""
    raise NotImplementedError(source, destination, order, progress, entropy)


def discard_journal(destination: Path, *, version: int) -> None:
    """Forget how the version was sealed, once its document is published."""
    raise NotImplementedError(destination, version)


def abandon_sealing(destination: Path, *, version: int) -> None:
    """Delete what an interrupted sealing left; its staged key must not be used again."""
    raise NotImplementedError(destination, version)
