# SPDX-License-Identifier: Apache-2.0
"""What lies in a room, as its documents say; nothing here is verified.

A list helps a person to find a name. Whoever acts on it verifies the documents again.
"""

from __future__ import annotations

from pathlib import Path

from cleanroom.contract import places
from cleanroom.contract.approval import parse_approval
from cleanroom.contract.dataset import parse_dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.query import parse_query
from cleanroom.errors import CleanroomError
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_APPROVAL_BYTES

QUERY_COLUMNS = ("query", "author", "digest", "decisions")
DATASET_COLUMNS = ("dataset", "version", "columns", "parts", "digest")


def list_queries(room: Path) -> list[list[str]]:
    """List queries by name with what each party decided about them."""
    directory = RoomDirectory(path=room)
    rows = []
    for name in _children(room / places.QUERIES, "query.toml"):
        query = parse_query(directory.load(places.query_file(name)).data, what=name)
        approvals = sorted((room / places.approvals_directory(name)).glob("*.toml"))
        decisions = ", ".join(_decision(path) for path in approvals)
        rows.append([name, query.author, str(query.digest), decisions or "none"])
    return rows


def read_query(room: Path, name: str) -> tuple[str, str]:
    """Return a query's document and its code as text.

    Raises:
        UnavailableError: There is no such query.
        MalformedError: The name is none, or a document cannot be read.
    """
    directory = RoomDirectory(path=room)
    document = directory.load(places.query_file(name)).data
    query = parse_query(document, what=places.query_file(name))
    code = [directory.find(places.code_file(name, file.file), file.digest) for file in query.code]
    return document.decode(), "\n".join(file.data.decode(errors="replace") for file in code)


def list_datasets(room: Path) -> list[list[str | int]]:
    """List the sealed datasets of a room."""
    directory = RoomDirectory(path=room)
    rows: list[list[str | int]] = []
    for lineage in _children(room / "datasets", "dataset.toml"):
        dataset = parse_dataset(directory.load(places.dataset_file(lineage)).data, what=lineage)
        counts = (dataset.version, len(dataset.columns), len(dataset.parts))
        rows.append([lineage, *counts, str(dataset.digest)])
    return rows


def _children(directory: Path, document: str) -> list[str]:
    return sorted(path.parent.name for path in directory.glob(f"*/{document}"))


def _decision(path: Path) -> str:
    data = read_limited(path, what=path.name, limit=MAX_APPROVAL_BYTES)
    try:
        return f"{path.stem}: {parse_approval(data, what=path.name).decision}"
    except CleanroomError:
        return f"{path.stem}: unreadable"
