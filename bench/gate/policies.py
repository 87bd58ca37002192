# SPDX-License-Identifier: Apache-2.0
"""Write the policies of this product from the ``policy.json`` beside a corpus' data.

That file is older than our policies and has fewer words: ``key`` names no namespace,
``blocked`` covers row identifiers, and nothing says what may be compared or joined. What it
says is kept; what it cannot say is what its queries need, and no more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from cleanroom.admission.catalog import Catalog
from cleanroom.contract.types import ColumnType
from tests.support.gate_policies import measure, policy

_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "integer",
    "SMALLINT": "integer",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "FLOAT": "double",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}
# The data has units with more rows than ``max_rows_per_unit`` on purpose; that number bounds
# what one unit adds under noise, while here it would be a declaration that is false.
_MAX_ROWS = 1_000_000


def read_catalog(data: Path, connection: duckdb.DuckDBPyConnection, database: str) -> Catalog:
    """Read ``policy.json`` and the schemas of the tables that it names."""
    document = json.loads((data / "policy.json").read_text(encoding="utf-8"))
    tables = document["tables"]
    datasets = {}
    for name, table in tables.items():
        schema = _schema(connection, database, name)
        least = _threshold(document, table)
        datasets[name] = (_policy(name, table, schema, partners=tuple(tables), k=least), schema)
    return Catalog(datasets=datasets, links=_links(document))


def _threshold(document: Mapping[str, Any], table: Mapping[str, Any]) -> int:
    units = document.get("units") or document.get("unit_kinds") or {}
    return int(units.get(table.get("unit"), {}).get("k") or document.get("k") or 10)


def _schema(
    connection: duckdb.DuckDBPyConnection, database: str, lineage: str
) -> tuple[tuple[str, ColumnType], ...]:
    owner, table = lineage.split(".")
    rows = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_catalog = $1 "
        "AND table_schema = $2 AND table_name = $3 ORDER BY ordinal_position",
        [database, owner, table],
    ).fetchall()
    return tuple((name, _type(kind)) for name, kind in rows)


def _type(kind: str) -> ColumnType:
    return ColumnType(_TYPES.get(kind) or kind.lower().replace(" ", ""))


def _policy(
    name: str,
    table: Mapping[str, Any],
    schema: tuple[tuple[str, ColumnType], ...],
    *,
    partners: tuple[str, ...],
    k: int,
) -> Any:  # noqa: ANN401 - the product's policy type
    if not table.get("unit"):
        return policy(name, {column: "public" for column, _ in schema}, joins=partners)
    columns = {
        column: _role(column, table["columns"].get(column, "blocked")) for column, _ in schema
    }
    one = table.get("row_per_unit") == 1 or table.get("one_row_per_unit") is True
    return policy(
        name,
        columns,
        unit=table["unit_key"],
        namespace=_namespace(table["unit_key"], table["columns"][table["unit_key"]]),
        rows="one" if one else "many",
        extra={"max_rows": str(1 if one else _MAX_ROWS), "unit": str(table["unit"])},
        joins=partners,
        k=k,
    )


def _role(column: str, declared: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(declared, Mapping):
        role = str(declared["role"])
        if role == "measure":
            lower, upper = declared["bounds"]
            return measure(str(lower), str(upper), str(declared.get("unit") or "units"))
        return _role(column, role)
    if declared == "key" or str(declared).startswith("key:"):
        return f"key:{_namespace(column, declared)}"
    if declared == "blocked" and column.endswith("_id"):
        return "row_id"
    return str(declared)


def _namespace(column: str, declared: Any) -> str:  # noqa: ANN401 - any JSON value
    # Without a namespace, columns of one name identify alike.
    role = declared["role"] if isinstance(declared, Mapping) else str(declared)
    return role.partition(":")[2] or column


def _links(document: Mapping[str, Any]) -> frozenset[frozenset[str]]:
    pairs = []
    for link in document.get("links", []):
        ends = [f"{table}.{column}" for table, column in link.items() if isinstance(column, str)]
        pairs.append(frozenset(ends))
    return frozenset(pairs)
