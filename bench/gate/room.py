# SPDX-License-Identifier: Apache-2.0
"""The data of a corpus behind views, and all its neighbours in which one unit never was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from bench.gate.policies import read_catalog
from cleanroom.admission.catalog import Catalog
from cleanroom.contract.policy_terms import Role, Unit
from tests.support.gate_runs import Memo

_ATTACHED = "corpus_data"

# Identifiers of one unit: namespace and value, in every namespace where it has one.
UnitIds: TypeAlias = frozenset[tuple[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A connection whose views show the data, or a neighbour of it."""

    connection: duckdb.DuckDBPyConnection
    catalog: Catalog
    memo: Memo

    def show(self, without: UnitIds = frozenset()) -> None:
        """Show every table, without the rows of one unit."""
        for lineage in self.catalog.datasets:
            owner, table = lineage.split(".")
            gone = self._values(lineage, without)
            marks = ", ".join(_literal(value) for value in gone)
            kept = f" WHERE ({self._unit(lineage)} IN ({marks})) IS NOT TRUE" if gone else ""
            self.connection.execute(
                f'CREATE OR REPLACE VIEW "{owner}"."{table}" AS '
                f'SELECT * FROM {_ATTACHED}."{owner}"."{table}"{kept}'
            )

    def units(self, sql: str) -> list[UnitIds]:
        """List every unit of the tables that a text names; of all tables if it names none."""
        named = [lineage for lineage in self.catalog.datasets if lineage in sql.lower()]
        merged: dict[tuple[str, Any], set[tuple[str, Any]]] = {}
        for row in self._identifiers(self._kinds(named)):
            together = set(row).union(*(merged.get(identifier, ()) for identifier in row))
            merged |= dict.fromkeys(together, together)
        distinct = {id(group): frozenset(group) for group in merged.values()}
        return sorted(distinct.values(), key=lambda group: sorted(map(str, group)))

    def _kinds(self, named: list[str]) -> list[str]:
        """Every table about the same kind of unit as a named one."""
        kinds = {lineage: _kind(self.catalog, lineage) for lineage in self.catalog.datasets}
        wanted = {kinds[lineage] for lineage in named or kinds} - {""}
        return [lineage for lineage, kind in kinds.items() if kind in wanted]

    def _identifiers(self, lineages: list[str]) -> Iterator[list[tuple[str, Any]]]:
        for lineage in lineages:
            policy, _ = self.catalog.datasets[lineage]
            keys = [item for item in policy.columns.values() if item.role is Role.KEY]
            if not (isinstance(policy.unit, Unit) and policy.unit.one_row):
                keys = [item for item in keys if item.name == self._unit(lineage)]
            listed = ", ".join(f'"{key.name}"' for key in keys)
            rows = self.connection.execute(
                f"SELECT DISTINCT {listed} FROM {_ATTACHED}.{lineage}"
            ).fetchall()
            for row in rows:
                pairs = zip(keys, row, strict=True)
                yield [(key.namespace, value) for key, value in pairs if value is not None]

    def _unit(self, lineage: str) -> str:
        policy, _ = self.catalog.datasets[lineage]
        return policy.unit.column if isinstance(policy.unit, Unit) else ""

    def _values(self, lineage: str, ids: UnitIds) -> list[Any]:
        policy, _ = self.catalog.datasets[lineage]
        if not isinstance(policy.unit, Unit):
            return []
        return [value for namespace, value in ids if namespace == policy.unit.namespace]


@contextmanager
def open_room(data: Path) -> Iterator[Room]:
    """Open ``room.duckdb`` of a directory that the corpus' generator wrote."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute(
            f"ATTACH {_literal(str(data / 'room.duckdb'))} AS {_ATTACHED} (READ_ONLY)"
        )
        catalog = read_catalog(data, connection, _ATTACHED)
        for owner in sorted({lineage.split(".")[0] for lineage in catalog.datasets}):
            connection.execute(f'CREATE SCHEMA "{owner}"')
        room = Room(connection=connection, catalog=catalog, memo=Memo())
        room.show()
        yield room


def _kind(catalog: Catalog, lineage: str) -> str:
    policy, _ = catalog.datasets[lineage]
    return policy.unit.kind if isinstance(policy.unit, Unit) else ""


def _literal(value: Any) -> str:  # noqa: ANN401 - an identifier
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
