# SPDX-License-Identifier: Apache-2.0
"""Refuse a query text that two parsers read differently."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from typing import Any, NoReturn

import _duckdb as duckdb
import sqlglot
from sqlglot import expressions as exp
from sqlglot.errors import SqlglotError

from cleanroom.errors import AdmissionRefusedError
from cleanroom.kernel.limits import MAX_CODE_BYTES
from cleanroom.second_reading.names import Names, names_of_engine, names_of_second

_DIALECT = "duckdb"
_SERIALIZE = (
    "SELECT json_serialize_sql($1::VARCHAR, "
    "skip_null := true, skip_empty := true, skip_default := true)"
)
_FIX = (
    "write the query in plainer SQL: no rare quoting, operators or comments within expressions, "
    "and comparisons inside ROLLUP or CUBE in brackets"
)
_AGREED = "agreed a text that two parsers read alike"


def load_readers() -> None:
    """Load both parsers, so that the first query does not wait for them."""
    _parser()
    sqlglot.Dialect.get_or_raise(_DIALECT)


def require_one_reading(sql: bytes) -> None:
    """Require that both parsers see the same tables, columns, functions and parameters.

    Raises:
        AdmissionRefusedError: They do not, or one of them cannot read it.
    """
    # Callers bound size and nesting before; a parser must not be tried on anything else.
    if len(sql) > MAX_CODE_BYTES:
        _refuse("size", f"more than {MAX_CODE_BYTES} bytes")
    text = sql.decode("utf-8")
    engine = _engine_names(text)
    second = _second_names(text)
    for what, one, other in (
        ("tables", engine.tables, second.tables),
        ("columns", engine.columns, second.columns),
        ("functions", engine.functions, second.functions),
        ("parameters", engine.parameters, second.parameters),
    ):
        if one != other:
            _refuse(what, f"{what} that only one parser sees ({_listed(one, other)})")


def _engine_names(text: str) -> Names:
    tree: Any = None
    with _parser().cursor() as engine:
        try:
            row = engine.execute(_SERIALIZE, [text]).fetchone()
            tree = json.loads(row[0]) if row else None
        except (duckdb.Error, RecursionError):
            tree = None
    # Outside the handler: the engine's error quotes the text and must not be chained.
    if tree is None or tree.get("error") is not False:
        _refuse("syntax", "a text that the engine cannot parse")
    return names_of_engine(tree)


@functools.cache
def _parser() -> duckdb.DuckDBPyConnection:
    """Open the one connection that parses; it holds no data and runs nothing else."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "enable_external_access": False,
        "python_enable_replacements": False,
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "lock_configuration": True,
    }
    return duckdb.connect(":memory:readers", config=settings)


def _second_names(text: str) -> Names:
    trees: list[exp.Expr | None] = []
    try:
        trees = sqlglot.parse(text, dialect=_DIALECT)
    except (SqlglotError, RecursionError):
        trees = []
    if len(trees) != 1 or trees[0] is None:
        _refuse("syntax", "a text that the second parser cannot read as one statement")
    return names_of_second(trees[0])


def _listed(one: Iterable[str], other: Iterable[str]) -> str:
    names = sorted(set(one) ^ set(other))
    return ", ".join(names) or "not equally often"


def _refuse(rule: str, found: str) -> NoReturn:
    raise AdmissionRefusedError(
        f"second reading: found {found}, {_AGREED}", code=f"second-reading.{rule}", hint=_FIX
    )
