# SPDX-License-Identifier: Apache-2.0
"""What lies in a room, as its documents say, and whether their signatures hold.

A list helps a person to find a name. Whoever acts on it verifies the documents again,
and against pins.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cleanroom.cli.standing import QueryDecisions, named_parties, require_signed
from cleanroom.contract import places
from cleanroom.contract.contract import parse_contract
from cleanroom.contract.dataset import parse_dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.query import parse_query

QUERY_COLUMNS = ("query", "author", "digest", "decisions")
DATASET_COLUMNS = ("dataset", "version", "columns", "parts", "digest")


def list_queries(room: Path, *, at: dt.datetime) -> list[list[str]]:
    """List queries by name with what each party decided, and what of it does not count."""
    directory = RoomDirectory(path=room)
    names = _children(room / places.QUERIES, "query.toml")
    if not names:
        return []
    bundle = directory.load_contract_bundle()
    decisions = QueryDecisions(
        room=directory,
        contract=parse_contract(bundle.contract.data, what=places.CONTRACT),
        parties=named_parties(bundle),
        at=at,
    )
    rows = []
    for name in names:
        file = directory.load(places.query_file(name))
        query = parse_query(file.data, what=name)
        rows.append([name, query.author, str(query.digest), decisions.of(query, file)])
    return rows


def read_query(room: Path, name: str) -> tuple[str, str]:
    """Return a query's document and its code as text.

    Raises:
        UnavailableError: There is no such query.
        MalformedError: The name is none, or a document cannot be read.
        IntegrityError: These are not the bytes that its author signed.
        RefusedError: Its author is no party of the contract, or has not signed it.
    """
    directory = RoomDirectory(path=room)
    place = places.query_file(name)
    file = directory.load(place)
    query = parse_query(file.data, what=place)
    parties = named_parties(directory.load_contract_bundle())
    require_signed(file, kind="query", by=query.author, parties=parties, what=place)
    code = [directory.find(places.code_file(name, file.file), file.digest) for file in query.code]
    return file.data.decode(), "\n".join(file.data.decode(errors="replace") for file in code)


def list_datasets(room: Path) -> list[list[str | int]]:
    """List the sealed datasets of a room; of a deleted one only documents are left."""
    directory = RoomDirectory(path=room)
    rows: list[list[str | int]] = []
    for lineage in _children(room / "datasets", "dataset.toml"):
        dataset = parse_dataset(directory.load(places.dataset_file(lineage)).data, what=lineage)
        home = room / places.dataset_directory(lineage)
        if not any((home / part.file).exists() for part in dataset.parts):
            continue
        counts = (dataset.version, len(dataset.columns), len(dataset.parts))
        rows.append([lineage, *counts, str(dataset.digest)])
    return rows


def _children(directory: Path, document: str) -> list[str]:
    return sorted(path.parent.name for path in directory.glob(f"*/{document}"))
