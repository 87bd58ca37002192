# SPDX-License-Identifier: Apache-2.0
"""Decide how a table becomes parts: its columns, its types, where it is cut.

A plan depends on the source and the order alone. An interrupted sealing makes
the same plan again, and so seals the same rows into the same parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

from cleanroom.contract.coverage import require_fit
from cleanroom.contract.dataset import part_file
from cleanroom.contract.policy_terms import Role
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_PARTS, MIB
from cleanroom.kernel.record import dataclass
from cleanroom.vault.columns import SealedColumn, plan_columns, require_columns
from cleanroom.vault.data_key import DataKey
from cleanroom.vault.header import PartContext
from cleanroom.vault.rows import Source
from cleanroom.vault.session import fetch

# Delta and byte-stream encodings (Parquet 2) are smaller and read in half the time (ADR 0037).
ENCODING = "COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION V2"
_VECTOR_ROWS = 2048  # DuckDB writes row groups in multiples of its vector size


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How large the pieces of a dataset are.

    Attributes:
        group_rows: Most rows in a Parquet row group; what one thread holds in memory.
        group_bytes: About the most bytes in one.
        groups_in_part: Row groups in a part; what is sealed again after a kill.
    """

    group_rows: int = 122_880
    group_bytes: int = 64 * MIB
    groups_in_part: int = 16


DEFAULT_CUT = Cut()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingOrder:
    """What to seal, and how.

    Attributes:
        key: Data key of this version; also names the dataset and the version.
        roles: Role of exactly the columns that the policy speaks about.
        types: Types that the owner states; every other one is found in the data.
        normalisation: Identifier rule for each column that has one.
        cut: How large the pieces are.
        sort: Columns by whose sealed values the rows are sorted first.
        table: Table of a database file; empty for the one of the dataset's name.
    """

    key: DataKey
    roles: Mapping[str, Role]
    types: Mapping[str, str]
    normalisation: Mapping[str, str]
    cut: Cut = DEFAULT_CUT
    sort: tuple[str, ...] = ()
    table: str = ""

    @property
    def database_table(self) -> str:
        """The table to read of a database: of the dataset's own name if none is stated."""
        return self.table or self.key.lineage.partition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPlan:
    """How a table is cut into parts; the same source is always cut the same way.

    Attributes:
        destination: The ``parts`` directory.
        key: Data key of the version.
        columns: What each part holds.
        rows: Rows in all.
        group_rows: Rows in a Parquet row group.
        part_rows: Rows in a part.
        entropy: Where file ids come from.
    """

    destination: Path
    key: DataKey
    columns: tuple[SealedColumn, ...]
    rows: int
    group_rows: int
    part_rows: int
    entropy: Callable[[int], bytes]

    @property
    def parts(self) -> int:
        """How many parts there are; an empty table has one."""
        return max(1, -(-self.rows // self.part_rows))

    def rows_in(self, number: int) -> int:
        """How many rows one part holds."""
        return min(self.part_rows, self.rows - number * self.part_rows)

    def path(self, number: int) -> Path:
        """Where a part lies."""
        return self.destination / Path(part_file(self.key.version, number)).name

    def context(self, number: int, file_id: bytes) -> PartContext:
        """What the header of a part says."""
        return PartContext(
            lineage=self.key.lineage,
            version=self.key.version,
            part=number,
            parts=self.parts,
            key_id=self.key.key_id,
            file_id=file_id,
        )


def plan_parts(
    table: Source,
    order: SealingOrder,
    *,
    destination: Path,
    entropy: Callable[[int], bytes],
    connection: duckdb.DuckDBPyConnection,
) -> PartPlan:
    """Look at the whole source and decide columns, types and parts.

    Raises:
        RefusedError: Columns and policy differ, or a type does not fit its role.
        MalformedError: A column has a type that parts do not hold, or a value does
            not fit a stated type.
    """
    # Names first: they cost nothing, and a wrong file is found before it is parsed.
    require_columns((name for name, _ in table.columns), agreed=frozenset(order.roles))
    measured = table.measure(stated=order.types)
    columns = plan_columns(
        table.columns, types=measured.types, stated=order.types, normalisation=order.normalisation
    )
    # The contract refuses such a dataset; its owner hears of it here, before it is sealed.
    require_fit(order.roles, {column.name: column.type for column in columns}, what="source")
    _require_values_fit(table, columns, connection=connection)
    group_rows = _group_rows(order.cut, measured.row_bytes)
    in_part = max(order.cut.groups_in_part, math.ceil(measured.rows / group_rows / MAX_PARTS))
    return PartPlan(
        destination=destination,
        key=order.key,
        columns=columns,
        rows=measured.rows,
        group_rows=group_rows,
        part_rows=group_rows * in_part,
        entropy=entropy,
    )


def _group_rows(cut: Cut, row_bytes: float) -> int:
    fitting = int(cut.group_bytes / max(row_bytes, 1)) // _VECTOR_ROWS * _VECTOR_ROWS
    wanted = max(_VECTOR_ROWS, cut.group_rows // _VECTOR_ROWS * _VECTOR_ROWS)
    return min(wanted, max(_VECTOR_ROWS, fitting))


def bind_plan(order: SealingOrder, plan: PartPlan, fingerprint: Mapping[str, str]) -> Digest:
    """Digest everything that two halves of one sealing must have in common."""
    return Digest.of(
        canonical_json(
            {
                "encoding": ENCODING,
                "engine": duckdb.__version__,
                "key_id": order.key.key_id.hex(),
                "lineage": order.key.lineage,
                "version": order.key.version,
                "source": fingerprint,
                "columns": [[c.name, c.type, c.expression] for c in plan.columns],
                "sort": list(order.sort),
                "rows": [plan.rows, plan.part_rows, plan.group_rows],
            }
        )
    )


def _require_values_fit(
    table: Source, columns: tuple[SealedColumn, ...], *, connection: duckdb.DuckDBPyConnection
) -> None:
    checked = [column for column in columns if column.check]
    if not checked:
        return
    tests = ", ".join(f"coalesce(bool_or({column.check}), false)" for column in checked)
    lost = fetch(connection, f"SELECT {tests} FROM {table.everything}")[0]  # noqa: S608 - quoted
    for column, is_lost in zip(checked, lost, strict=True):
        if is_lost:
            raise MalformedError(
                f"column {column.name}: not every value is of the stated type {column.type}",
                code="vault.stated-type",
                hint="state a wider type, such as string, or mend the source",
            )
