# SPDX-License-Identifier: Apache-2.0
"""One sealed version of a dataset: its columns, its parts and the key that seals them.

Part files have exactly one possible name each, so a dataset document can never
point at a file outside its own directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from cleanroom.contract.types import ColumnType, split_lineage
from cleanroom.contract.wire import (
    ColumnName,
    DigestText,
    Lineage,
    Name,
    Positive,
    Type,
    malformed,
    parse_document,
    unique,
    with_bytes,
)
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_COLUMNS, MAX_DATASET_BYTES, MAX_PARTS
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.wire_model import WireModel

MAX_VERSION = 999_999_999
# A phone rule may name the country (ISO 3166-1) whose national numbers it completes.
NORMALISATION = r"^(?:email-sha256|trim-lower|phone-e164-sha256(?::[a-z]{2})?)$"

_KIND = "dataset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One sealed file.

    Attributes:
        file: ``parts/<version>-<five digits>.part`` below the dataset's directory.
        digest: SHA-256 of the sealed bytes.
        size: Their number.
        file_id: 32 hexadecimal digits, bound into the part's key; a part of an earlier
            attempt at sealing has another one, and is found out without hashing all of it.
    """

    file: str
    digest: Digest
    size: int
    file_id: str


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


class ColumnWire(WireModel):
    """One column of the sealed file."""

    name: ColumnName
    type: Type


class PartWire(WireModel):
    """One sealed file."""

    file: Annotated[str, Field(max_length=64)]
    digest: DigestText
    bytes: Positive
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class DatasetWire(WireModel):
    """The whole dataset document."""

    format: Literal["cleanroom.dataset.v0"]
    lineage: Lineage
    owner: Name
    version: Annotated[int, Field(ge=1, le=MAX_VERSION)]
    policy: DigestText
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    normalisation: dict[ColumnName, Annotated[str, Field(pattern=NORMALISATION)]]
    columns: Annotated[list[ColumnWire], Field(min_length=1, max_length=MAX_COLUMNS)]
    parts: Annotated[list[PartWire], Field(min_length=1, max_length=MAX_PARTS)]


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
    wire = parse_document(DatasetWire, data, what=what, kind=_KIND, limit=MAX_DATASET_BYTES)
    names = unique(
        (column.name for column in wire.columns), what=what, clause="columns", kind=_KIND
    )
    _require_names(wire, names, what=what)
    _require_part_names(wire, what=what)
    terms = DatasetTerms(
        lineage=wire.lineage,
        owner=wire.owner,
        version=wire.version,
        policy=Digest.parse(wire.policy),
        key_id=wire.key_id,
        columns=tuple((column.name, ColumnType(column.type)) for column in wire.columns),
        normalisation=dict(wire.normalisation),
        parts=tuple(_part(part) for part in wire.parts),
    )
    return with_bytes(Dataset, terms, data=data)


def _part(wire: PartWire) -> Part:
    return Part(file=wire.file, digest=Digest.parse(wire.digest), size=wire.bytes, file_id=wire.id)


def _require_names(wire: DatasetWire, names: frozenset[str], *, what: str) -> None:
    if split_lineage(wire.lineage)[0] != wire.owner:
        raise malformed(
            what,
            "owner",
            found=repr(wire.owner),
            agreed="the party that the dataset is named after",
            code="dataset.owner",
        )
    for name in sorted(wire.normalisation.keys() - names):
        raise malformed(
            what,
            "normalisation",
            found=f"{name!r}, which is no column",
            agreed="columns of the dataset",
            code="dataset.normalisation",
        )


def _require_part_names(wire: DatasetWire, *, what: str) -> None:
    # A free file name could be '../../home/someone/.ssh/id_ed25519' (T-01).
    for index, part in enumerate(wire.parts):
        agreed = part_file(wire.version, index)
        if part.file != agreed:
            raise malformed(
                what,
                f"parts[{index + 1}].file",
                found="another name",
                agreed=repr(agreed),
                code="dataset.part-name",
                hint="parts are numbered from 0 in order, below the dataset's own directory",
            )
