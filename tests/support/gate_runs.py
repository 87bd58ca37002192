# SPDX-License-Identifier: Apache-2.0
"""Run a query through both gates on tables of an in-memory engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.generate import generate
from cleanroom.admission.measures import grid_of
from cleanroom.admission.tree import AdmittedQuery, Argument
from cleanroom.bound_plan.check import check_statement
from cleanroom.bound_plan.claim import DatasetClaim, StatementClaim
from cleanroom.contract.rules import Rules, strictest
from cleanroom.contract.types import ParameterType
from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.past import PastCell
from cleanroom.disclosure.released import Released
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
    KeyShape,
    ReleaseShape,
    UnitShape,
)
from cleanroom.disclosure.statistics_sql import salt_parameter, statistics_sql
from cleanroom.errors import DisclosureRefusedError
from cleanroom.runner.declared_facts import declared_facts
from cleanroom.second_reading.agree import require_one_reading

PREFIX = "secretprefix0000_"
SALT = "salt of a test"
Parameters = Mapping[str, str | int | dt.date]


def shape_of(admitted: AdmittedQuery) -> ReleaseShape:
    """Describe an admitted query to disclosure, as the runner does."""
    return ReleaseShape(
        keys=tuple(
            KeyShape(name=key.name, type=key.type, source=key.source.reference)
            for key in admitted.keys
        ),
        arguments=tuple(_argument(item) for item in admitted.arguments),
        aggregates=tuple(
            AggregateShape(
                name=item.name,
                kind=AggregateKind(item.kind.value),
                type=item.type,
                argument=item.argument,
                unit=item.unit,
            )
            for item in admitted.aggregates
        ),
        units=tuple(
            UnitShape(namespace=unit.namespace, type=unit.source.type) for unit in admitted.units
        ),
        order=admitted.output,
    )


def _argument(item: Argument) -> ArgumentShape:
    kind = ArgumentKind(item.kind.value)
    if kind is not ArgumentKind.MEASURE:
        return ArgumentShape(kind=kind)
    grid = grid_of(item.source)
    return ArgumentShape(kind=kind, digits=grid.precision, scale=grid.scale)


def rules_of(admitted: AdmittedQuery, catalog: Catalog) -> Rules:
    """The strictest rules of every dataset that a query touches."""
    return strictest(catalog.datasets[lineage][0] for lineage, _ in admitted.columns)


def claim_of(admitted: AdmittedQuery, catalog: Catalog) -> StatementClaim:
    """Describe what the statement may read, as the runner does from signed documents."""
    return StatementClaim(
        datasets={
            lineage: DatasetClaim(
                policy=catalog.datasets[lineage][0],
                types={
                    name: kind for name, kind in catalog.datasets[lineage][1] if name in columns
                },
            )
            for lineage, columns in admitted.columns
        },
        links=catalog.links,
        keys=len(admitted.keys),
        salt=salt_parameter(PREFIX, 0).removesuffix("0"),
    )


def statistics(
    connection: duckdb.DuckDBPyConnection,
    admitted: AdmittedQuery,
    *,
    catalog: Catalog,
    rules: Rules,
    parameters: Parameters,
) -> Sequence[Sequence[Any]]:
    """Run the generated statement, once its plan has passed."""
    sql = statistics_sql(
        generate(admitted, prefix=PREFIX), shape=shape_of(admitted), rules=rules, prefix=PREFIX
    )
    check_statement(sql, claim_of(admitted, catalog))
    units = range(max(1, len(admitted.units)))
    salts = {salt_parameter(PREFIX, unit): SALT for unit in units}
    return connection.execute(sql, {**parameters, **salts}).fetchall()


def run_gates(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    *,
    catalog: Catalog,
    parameters: Parameters | None = None,
    history: Sequence[PastCell] = (),
    change: Mapping[str, Any] | None = None,
) -> Released:
    """Admit, compute and decide one query; ``change`` replaces some of its rules."""
    values = parameters or {}
    admitted = admit(sql.encode(), catalog=catalog, parameters=types_of(values))
    require_one_reading(sql.encode())
    applied = replace(rules_of(admitted, catalog), **(change or {}))
    for fact in declared_facts(
        dict(admitted.columns),
        {lineage: policy for lineage, (policy, _) in catalog.datasets.items()},
    ):
        if connection.execute(fact.sql).fetchall() != [(True,)]:
            raise DisclosureRefusedError(fact.sentence, code="disclosure.declared")
    rows = statistics(connection, admitted, catalog=catalog, rules=applied, parameters=values)
    return decide(rows, shape=shape_of(admitted), rules=applied, history=history)


class Analyst:
    """Somebody who asks one query after another, and whose answers the gate remembers."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        catalog: Catalog,
        *,
        change: Mapping[str, Any] | None = None,
    ) -> None:
        self._connection = connection
        self._catalog = catalog
        self._change = change
        self._history: tuple[PastCell, ...] = ()

    def ask(self, sql: str, parameters: Parameters | None = None) -> Released:
        """Run one query against everything that this analyst was answered before."""
        released = run_gates(
            self._connection,
            sql,
            catalog=self._catalog,
            parameters=parameters,
            history=self._history,
            change=self._change,
        )
        self._history += released.cells
        return released


def types_of(parameters: Parameters) -> dict[str, ParameterType]:
    """Declare parameters by the types of their values."""
    kinds = {str: ParameterType.STRING, int: ParameterType.INTEGER, dt.date: ParameterType.DATE}
    return {name: kinds[type(value)] for name, value in parameters.items()}
