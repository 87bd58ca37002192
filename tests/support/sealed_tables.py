# SPDX-License-Identifier: Apache-2.0
"""Small sealed datasets, and readers and views over them."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa

from cleanroom.contract.policy_terms import Role
from cleanroom.engine.query import Limits, View, run_query
from cleanroom.vault.data_key import DataKey
from cleanroom.vault.header import PartContext
from cleanroom.vault.seal import Cut, SealedDataset, SealingOrder, seal_dataset
from cleanroom.vault.stream import PartReader

LINEAGE = "hospital.encounters"
KEY = DataKey(lineage=LINEAGE, version=1, key_id=b"k" * 16, secret=b"s" * 32)
SMALL = Cut(group_rows=2048, groups_in_part=2)
COLUMNS = ("patient_id", "ward", "cost")
LIMITS = Limits(memory_mib=512, seconds=60, rows=100_000, threads=2)


def encounters(rows=10_000):
    return pa.table(
        {
            "patient_id": [f"P{number % 701:05}" for number in range(rows)],
            "ward": [("cardiology", "surgery", "geriatrics")[number % 3] for number in range(rows)],
            "cost": [number * 17 % 5000 for number in range(rows)],
        }
    )


def order(columns=COLUMNS, *, key=KEY, cut=SMALL, **changes) -> SealingOrder:
    options = {"types": {}, "normalisation": {}, **changes}
    roles = dict.fromkeys(columns, Role.BLOCKED)
    return SealingOrder(key=key, roles=roles, cut=cut, **options)


def silent(done, total):
    """Take progress and say nothing."""


def seal(source, destination: Path, **options) -> SealedDataset:
    wanted = order(**options)
    return seal_dataset(source, destination=destination, order=wanted, progress=silent)


def seal_and_read(source, folder: Path, *, columns=COLUMNS, **options):
    """Seal into a folder's parts; give the dataset and its rows, read back."""
    sealed = seal(source, destination=folder / "parts", columns=columns, **options)
    return sealed, rows_of(sealed, folder / "parts", columns)


def rows_of(sealed: SealedDataset, directory: Path, columns=COLUMNS) -> list[tuple]:
    """Read the parts of a dataset."""
    with readers(sealed, directory) as parts:
        return query("SELECT * FROM hospital.encounters", parts, columns=columns).rows


def sqlite(path: Path, rows, *, columns="patient_id, ward, cost") -> Path:
    """Write rows as the table ``encounters`` of a new database."""
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE encounters ({columns})")
        marks = ", ".join("?" * len(columns.split(",")))
        database.executemany(f"INSERT INTO encounters VALUES ({marks})", rows)  # noqa: S608
    database.close()
    return path


def context(sealed: SealedDataset, number: int, *, key=KEY) -> PartContext:
    return PartContext(
        lineage=key.lineage,
        version=key.version,
        part=number,
        parts=len(sealed.parts),
        key_id=key.key_id,
        file_id=sealed.parts[number].file_id,
    )


def reader(sealed: SealedDataset, directory: Path, number: int, *, key=KEY) -> PartReader:
    path = directory / Path(sealed.parts[number].file).name
    expected = context(sealed, number, key=key)
    return PartReader(path, key=key.secret, expected=expected, name=f"{key.lineage}/{path.name}")


@contextmanager
def readers(sealed: SealedDataset, directory: Path, *, key=KEY):
    with ExitStack() as stack:
        opened = []
        for number in range(len(sealed.parts)):
            opened.append(reader(sealed, directory, number, key=key))
            stack.callback(opened[-1].close)
        yield tuple(opened)


def view(parts, *, columns=COLUMNS, key=KEY) -> View:
    schema, _, name = key.lineage.partition(".")
    return View(schema=schema, name=name, columns=tuple(columns), parts=tuple(parts))


def query(sql, parts, *, parameters=None, limits=LIMITS, columns=COLUMNS):
    return run_query(
        views=[view(parts, columns=columns)], sql=sql, parameters=parameters or {}, limits=limits
    )
