# SPDX-License-Identifier: Apache-2.0
"""Write mock data of a room's datasets, so that an analyst can work before anybody approves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanroom.contract.agreement import Agreement
from cleanroom.contract.mock_rows import MockDataset, mock_rows
from cleanroom.contract.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa


def mock_datasets(agreement: Agreement) -> list[MockDataset]:
    """List the room's sealed datasets with the signed documents that describe them."""
    return [
        MockDataset(lineage=lineage, policy=agreement.policies[lineage], columns=dataset.columns)
        for lineage, dataset in sorted(agreement.datasets.items())
    ]


def write_mocks(
    agreement: Agreement, directory: Path, *, seed: int, units: int
) -> dict[str, dict[str, Any]]:
    """Write one Parquet file a dataset and tell where and how many rows.

    Raises:
        OSError: The directory cannot be written.
    """
    import pyarrow.parquet as pq

    directory.mkdir(parents=True, exist_ok=True)
    written: dict[str, dict[str, Any]] = {}
    for dataset in mock_datasets(agreement):
        table = mock_table(dataset, seed=seed, units=units)
        target = directory / f"{dataset.lineage}.parquet"
        temporary = target.with_suffix(".partial")
        pq.write_table(table, temporary)
        temporary.replace(target)
        written[dataset.lineage] = {"file": str(target), "rows": table.num_rows}
    return written


def mock_table(dataset: MockDataset, *, seed: int, units: int) -> pa.Table:
    """Invent one dataset as a table of the declared types."""
    import pyarrow as pa

    rows = mock_rows(dataset, seed=seed, units=units)
    columns = list(zip(*rows, strict=True)) or [()] * len(dataset.columns)
    arrays = [
        pa.array(values, type=_arrow_type(kind))
        for values, (_, kind) in zip(columns, dataset.columns, strict=True)
    ]
    return pa.table(arrays, names=[name for name, _ in dataset.columns])


def _arrow_type(kind: ColumnType) -> pa.DataType:
    import pyarrow as pa

    if kind.decimal is not None:
        return pa.decimal128(*kind.decimal)
    return {
        "boolean": pa.bool_(),
        "integer": pa.int64(),
        "double": pa.float64(),
        "string": pa.string(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
    }[kind]
