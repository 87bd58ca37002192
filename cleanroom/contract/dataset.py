# SPDX-License-Identifier: Apache-2.0
"""One sealed version of a dataset: its columns, its parts and the key that seals them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cleanroom.contract.types import ColumnType
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest

FORMAT = "cleanroom.dataset.v0"
NORMALISATIONS = ("email-sha256", "phone-e164-sha256", "trim-lower")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One sealed file.

    Attributes:
        file: ``parts/<version>-<five digits>.part`` below the dataset's directory.
        digest: SHA-256 of the sealed bytes.
        size: Their number.
    """

    file: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetTerms:
    """Everything a dataset document says, before it has bytes.

    Attributes:
        lineage: ``owner.table``, the same for all versions.
        owner: The party that sealed it.
        version: Counts up from 1.
        policy: Digest of the policy it was sealed under.
        key_id: 32 hexadecimal digits that name the data key.
        columns: Names and types in file order.
        normalisation: Columns whose identifiers were normalised, and how.
        parts: The sealed files in order.
    """

    lineage: str
    owner: str
    version: int
    policy: Digest
    key_id: str
    columns: tuple[tuple[str, ColumnType], ...]
    normalisation: Mapping[str, str]
    parts: tuple[Part, ...]

    @property
    def schema(self) -> Digest:
        """Digest that a contract names as ``schema``."""
        return schema_digest(self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(DatasetTerms):
    """A dataset document as its owner signed it."""

    raw: bytes = field(repr=False)
    digest: Digest


def schema_digest(columns: Iterable[tuple[str, str]]) -> Digest:
    """Digest names and types in file order: canonical JSON ``[[name,type],...]``."""
    return Digest.of(canonical_json([[name, str(kind)] for name, kind in columns]))


def part_file(version: int, index: int) -> str:
    """Name a part, for example ``parts/1-00000.part``."""
    return f"parts/{version}-{index:05}.part"


def parse_dataset(data: bytes, *, what: str = "dataset.toml") -> Dataset:
    """Read a dataset document from its exact bytes.

    Raises:
        MalformedError: Not a dataset document, or one that contradicts itself.
    """
    raise NotImplementedError
