# SPDX-License-Identifier: Apache-2.0
"""What the runner tells the query child: one statement, its sealed inputs, its limits.

The job travels over the child's standard input, because it holds data keys: an
argument or an environment variable can be read by others, a file can outlive us.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeAlias

from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.runner.cells import read_value, write_value

MAX_JOB_BYTES = 64 * MIB

NO_SPILL = -1

Bindable: TypeAlias = str | int | dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPart:
    """One sealed part and exactly what it must be a part of.

    Attributes:
        descriptor: The open file of its sealed bytes, which the child inherits.
        name: What errors call it.
        part: Its number, from 0.
        file_id: 32 hexadecimal digits, from the signed dataset document.
        size: Sealed bytes, from the same.
    """

    descriptor: int
    name: str
    part: int
    file_id: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildView:
    """One dataset version, the columns the query declared, and its data key."""

    lineage: str
    version: int
    key_id: str
    columns: tuple[str, ...]
    parts: tuple[ChildPart, ...]
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFact:
    """Something that a policy declares about its data.

    Attributes:
        sql: One SELECT whose one value is true exactly if it holds.
        sentence: What is refused with if it does not; never leaves the runner otherwise.
    """

    sql: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildTable:
    """What an earlier stage released, for a statement that goes on from there.

    Attributes:
        schema: Schema of its name in the statement.
        name: Name of the table there.
        columns: Names and engine types.
        rows: Released values: text, integers, booleans or nothing.
    """

    schema: str
    name: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str | int | bool | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildJob:
    """One generated statement and all that it may touch.

    Attributes:
        sql: One SELECT statement that the gate generated.
        facts: What must be true of the data before it runs.
        parameters: Values that it is bound with.
        views: Datasets that it reads.
        tables: Released tables that it reads.
        memory_mib: Memory of the process that runs it.
        seconds: Time of the engine.
        rows: Most rows that the statement may return.
        threads: Threads of the engine.
        spill: Open file for intermediate rows, or :data:`NO_SPILL`.
        spill_bytes: Size to which it may grow.
    """

    sql: str
    facts: tuple[DeclaredFact, ...]
    parameters: Mapping[str, Bindable]
    views: tuple[ChildView, ...]
    tables: tuple[ChildTable, ...]
    memory_mib: int
    seconds: int
    rows: int
    threads: int
    spill: int
    spill_bytes: int

    def encode(self) -> bytes:
        """Write the job for the child's standard input."""
        return canonical_json(
            {
                "sql": self.sql,
                "facts": [{"sql": fact.sql, "sentence": fact.sentence} for fact in self.facts],
                "parameters": {name: write_value(value) for name, value in self.parameters.items()},
                "views": [_view_json(view) for view in self.views],
                "tables": [_table_json(table) for table in self.tables],
                "memory_mib": self.memory_mib,
                "seconds": self.seconds,
                "rows": self.rows,
                "threads": self.threads,
                "spill": self.spill,
                "spill_bytes": self.spill_bytes,
            }
        )


def decode_job(data: bytes) -> ChildJob:
    """Read what :meth:`ChildJob.encode` wrote.

    Raises:
        MalformedError: Anything else.
    """
    value = parse_json(data, what="query job", limit=MAX_JOB_BYTES)
    parameters = {name: _bindable(item) for name, item in value.pop("parameters").items()}
    views = tuple(_view(item) for item in value.pop("views"))
    facts = tuple(DeclaredFact(**item) for item in value.pop("facts"))
    tables = tuple(_table(item) for item in value.pop("tables"))
    return ChildJob(parameters=parameters, views=views, facts=facts, tables=tables, **value)


def _bindable(item: str) -> Bindable:
    value = read_value(item)
    if not isinstance(value, str | int | dt.date):
        raise MalformedError("query job: a parameter of another kind", code="child.format")
    return value


def _view_json(view: ChildView) -> dict[str, Any]:
    return {
        "lineage": view.lineage,
        "version": view.version,
        "key_id": view.key_id,
        "columns": list(view.columns),
        "key": encode_base64(view.key),
        "parts": [
            {
                "descriptor": part.descriptor,
                "name": part.name,
                "part": part.part,
                "file_id": part.file_id,
                "size": part.size,
            }
            for part in view.parts
        ],
    }


def _view(item: dict[str, Any]) -> ChildView:
    return ChildView(
        lineage=item["lineage"],
        version=item["version"],
        key_id=item["key_id"],
        columns=tuple(item["columns"]),
        key=decode_base64(item["key"], what="query job"),
        parts=tuple(ChildPart(**part) for part in item["parts"]),
    )


def _table_json(table: ChildTable) -> dict[str, Any]:
    return {
        "schema": table.schema,
        "name": table.name,
        "columns": [list(column) for column in table.columns],
        "rows": [write_value(row) for row in table.rows],
    }


def _table(item: dict[str, Any]) -> ChildTable:
    return ChildTable(
        schema=item["schema"],
        name=item["name"],
        columns=tuple((name, kind) for name, kind in item["columns"]),
        rows=tuple(tuple(read_value(value) for value in row) for row in item["rows"]),  # type: ignore[misc]  # as written above
    )


def bindable(value: str | int, *, is_date: bool) -> Bindable:
    """Give a parameter the type that the engine binds it with."""
    return dt.date.fromisoformat(value) if is_date and isinstance(value, str) else value
