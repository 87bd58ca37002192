# SPDX-License-Identifier: Apache-2.0
"""Obtain the engine's bound plan of a statement, on empty tables of the declared schema.

Nothing of the data is here: a plan depends on names and types alone. Columns that were not
declared do not exist in these tables, so a statement that names one does not even bind.
"""

from __future__ import annotations

import functools
import json

import _duckdb as duckdb

from cleanroom.bound_plan.claim import DatasetClaim, StatementClaim
from cleanroom.bound_plan.node import Unread
from cleanroom.bound_plan.refusal import refuse_plan, require
from cleanroom.contract.types import ColumnType, split_lineage
from cleanroom.errors import UnavailableError

ENGINE_VERSION = "2.0.0"  # whose plans are pinned by tests/unit/bound_plan/golden
MAX_PLAN_BYTES = 64 * 1024 * 1024

_SERIALIZE = (
    "SELECT json_serialize_plan($1::VARCHAR, skip_null := true, skip_empty := true, "
    "skip_default := true, optimize := false)"
)
_TYPES = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
_NO_COLUMN = "no column"
_ONE_PLAN = "one statement that the engine can write down"


def bound_plan(sql: str, claim: StatementClaim) -> Unread:
    """Bind a statement and return the root of its plan, unchecked.

    Raises:
        AdmissionRefusedError: It does not bind, or the engine cannot serialise its plan.
        UnavailableError: The engine is not the version whose plans are known.
    """
    require_known_engine(duckdb.__version__)
    text = _serialized(sql, claim)
    require(
        0 < len(text) <= MAX_PLAN_BYTES, "serialise", "no plan of bounded size", agreed=_ONE_PLAN
    )
    plan = _parsed(text)
    require(plan.get("error") is False, "serialise", "no plan", agreed=_ONE_PLAN)
    require(len(plan["plans"]) == 1, "serialise", "several plans", agreed=_ONE_PLAN)
    return plan["plans"][0]


def require_known_engine(version: str) -> None:
    """Refuse an engine whose plans have no golden test.

    Raises:
        UnavailableError: Another version is installed.
    """
    if version != ENGINE_VERSION:
        raise UnavailableError(
            f"engine: found duckdb {version}, agreed {ENGINE_VERSION}",
            code="plan.engine-version",
            hint=f"install duckdb=={ENGINE_VERSION}",
        )


def _serialized(sql: str, claim: StatementClaim) -> str:
    row: Unread = None
    with _planner().cursor() as engine:
        # Tables of a transaction that never ends well are seen by nobody else.
        engine.execute("BEGIN TRANSACTION")
        try:
            for lineage, dataset in claim.datasets.items():
                _create_empty(engine, lineage, dataset)
            row = engine.execute(_SERIALIZE, [sql]).fetchone()
        except duckdb.Error:
            row = None
        engine.execute("ROLLBACK")
    # Outside the handler: the engine's error quotes the statement and must not be chained.
    return row[0] if row else ""


@functools.cache
def _planner() -> duckdb.DuckDBPyConnection:
    """Open the one connection that plans; opening costs more than a check.

    It never holds data and runs no statement but the serialisation.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "enable_external_access": False,
        "python_enable_replacements": False,
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "lock_configuration": True,
    }
    return duckdb.connect(":memory:readers", config=settings)


def _create_empty(engine: duckdb.DuckDBPyConnection, lineage: str, dataset: DatasetClaim) -> None:
    owner, table = split_lineage(lineage)
    columns = [f"{_quoted(name)} {_engine_type(kind)}" for name, kind in dataset.types.items()]
    # A query may count rows and read no column, but a table has at least one.
    listed = ", ".join(columns or [f"{_quoted(_NO_COLUMN)} BOOLEAN"])
    engine.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(owner)}")
    engine.execute(f"CREATE TABLE {_quoted(owner)}.{_quoted(table)} ({listed})")


def _parsed(text: str) -> Unread:
    try:
        plan = json.loads(text)
    except RecursionError:
        plan = None
    if plan is None:
        refuse_plan("nesting", "a plan that nests too deeply", agreed=_ONE_PLAN)
    return plan


def _engine_type(kind: ColumnType) -> str:
    if kind.decimal:
        return f"DECIMAL({kind.decimal[0]},{kind.decimal[1]})"
    return _TYPES[kind]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
