# SPDX-License-Identifier: Apache-2.0
"""Give an owner the plain Parquet back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cleanroom.vault.stream import PartReader


def open_dataset(readers: Sequence[PartReader], *, destination: Path) -> None:
    """Write the parts of one version as one plain Parquet file."""
    raise NotImplementedError(readers, destination)
