# SPDX-License-Identifier: Apache-2.0
"""Run a query through both gates on tables of an in-memory engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.typed.generate import generate, generate_post
from cleanroom.admission.typed.sql_expressions import engine_type
from cleanroom.admission.typed.sql_relations import released_schema, released_table
from cleanroom.admission.typed.tree import AdmittedQuery, Stage
from cleanroom.bound_plan.check import check_statement
from cleanroom.bound_plan.claim import DatasetClaim, StatementClaim
from cleanroom.contract.rules import Rules, public_only, strictest
from cleanroom.contract.types import ParameterType
from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.past import PastTable
from cleanroom.disclosure.released import Released, ReleasedValue, ResultColumn
from cleanroom.disclosure.statistics_sql import salt_parameter, statistics_sql
from cleanroom.errors import DisclosureRefusedError
from cleanroom.runner.declared_facts import declared_facts
from cleanroom.runner.post_values import result_table
from cleanroom.runner.shapes import shape_of
from cleanroom.runner.stages import merged_bands
from cleanroom.runner.statement_claim import released_claims
from cleanroom.second_reading.agree import require_one_reading

PREFIX = "secretprefix0000_"
SALT = "salt of a test"
Parameters = Mapping[str, str | int | dt.date]


class Memo:
    """Texts that were admitted and statements whose plan was checked against one catalog.

    Neither depends on data, so whoever asks one question of many neighbours asks once.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._admitted: dict[tuple[Any, ...], AdmittedQuery] = {}
        self._checked: set[str] = set()

    def admit(
        self, sql: str, catalog: Catalog, types: Mapping[str, ParameterType]
    ) -> AdmittedQuery:
        """Admit a text that both parsers read alike.

        Raises:
            AdmissionRefusedError: It is not admitted; asked again, it is tried again.
        """
        key = (sql, *sorted(types.items()))
        if key not in self._admitted:
            admitted = admit(sql.encode(), catalog=catalog, parameters=types)
            require_one_reading(sql.encode())
            self._admitted[key] = admitted
        return self._admitted[key]

    def check(self, sql: str, claim: StatementClaim) -> None:
        """Check a statement's bound plan.

        Raises:
            AdmissionRefusedError: It could count other people than it says.
        """
        if sql not in self._checked:
            check_statement(sql, claim)
            self._checked.add(sql)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a query was answered, and what each of its stages released."""

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[ReleasedValue, ...], ...]
    earlier: tuple[tuple[str, ...], ...]
    withheld: Mapping[str, str]
    tables: tuple[PastTable, ...]
    stages: tuple[Released, ...]


def rules_of(admitted: AdmittedQuery, catalog: Catalog) -> Rules:
    """The strictest rules of every dataset that a query touches."""
    return strictest(catalog.datasets[lineage][0] for lineage, _ in admitted.columns)


def claim_of(
    admitted: AdmittedQuery, catalog: Catalog, stage: Stage, *, prefix: str = PREFIX
) -> StatementClaim:
    """Describe what a statement may read, as the runner does from signed documents."""
    datasets = {
        lineage: DatasetClaim(
            policy=catalog.datasets[lineage][0],
            types={name: kind for name, kind in catalog.datasets[lineage][1] if name in columns},
        )
        for lineage, columns in admitted.columns
    }
    released = {number: admitted.stages[number] for number in stage.inputs}
    return StatementClaim(
        datasets={**datasets, **released_claims(released, prefix=prefix)},
        links=catalog.links,
        keys=len(stage.keys),
        salt=salt_parameter(prefix, 0).removesuffix("0"),
    )


class Run:
    """One query through both gates on the tables of a connection, as the runner does it."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        admitted: AdmittedQuery,
        catalog: Catalog,
        memo: Memo,
    ) -> None:
        self._memo = memo
        self._connection = connection
        self._admitted = admitted
        self._catalog = catalog
        self._released: list[Released] = []

    def answer(
        self, *, rules: Rules, parameters: Parameters, history: Sequence[PastTable]
    ) -> Answer:
        """Run every stage and then what is made of their tables."""
        self._connection.execute(f'DROP SCHEMA IF EXISTS "{released_schema(PREFIX)}" CASCADE')
        self._connection.execute(f'CREATE SCHEMA "{released_schema(PREFIX)}"')
        tables: tuple[PastTable, ...] = ()
        for stage in self._admitted.stages:
            given = {name: parameters[name] for name in stage.parameters}
            made = self._stage(stage, rules, given, history=(*history, *tables))
            tables += made.tables
            self._released.append(made)
            self._create(len(self._released) - 1, made)
        stages = tuple(self._released)
        withheld = merged_bands([item.withheld for item in stages])
        if self._admitted.post.identity:
            rows, columns, earlier = stages[0].rows, stages[0].columns, stages[0].earlier
        else:
            sql = generate_post(self._admitted, prefix=PREFIX)
            given = {name: parameters[name] for name in self._admitted.post.parameters}
            found = self._connection.execute(sql, given).fetchall()
            repeats = any(names for item in stages for names in item.earlier)
            table = result_table(
                found, output=self._admitted.output, withheld=withheld, repeats=repeats
            )
            rows, columns, earlier = table.rows, table.columns, table.earlier
        return Answer(
            columns=columns,
            rows=rows,
            earlier=earlier,
            withheld=withheld,
            tables=tables,
            stages=stages,
        )

    def _stage(
        self, stage: Stage, rules: Rules, parameters: Parameters, *, history: Sequence[PastTable]
    ) -> Released:
        if stage.public:
            datasets = self._catalog.datasets
            rules = public_only(datasets[lineage][0] for lineage, _ in stage.columns)
        shape = shape_of(stage)
        sql = statistics_sql(
            generate(stage, prefix=PREFIX), shape=shape, rules=rules, prefix=PREFIX
        )
        self._memo.check(sql, claim_of(self._admitted, self._catalog, stage))
        salts = {salt_parameter(PREFIX, unit): SALT for unit in range(len(stage.units))}
        rows = self._connection.execute(sql, {**parameters, **salts}).fetchall()
        return decide(rows, shape=shape, rules=rules, history=history)

    def _create(self, number: int, released: Released) -> None:
        name = f'"{released_schema(PREFIX)}"."{released_table(number)}"'
        columns = ", ".join(f'"{item.name}" {engine_type(item.type)}' for item in released.columns)
        self._connection.execute(f"CREATE TABLE {name} ({columns})")
        marks = ", ".join("?" * len(released.columns))
        for row in released.rows:
            self._connection.execute(f"INSERT INTO {name} VALUES ({marks})", list(row))  # noqa: S608


def run_gates(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    *,
    catalog: Catalog,
    parameters: Parameters | None = None,
    history: Sequence[PastTable] = (),
    change: Mapping[str, Any] | None = None,
    memo: Memo | None = None,
) -> Answer:
    """Admit, compute and decide one query; ``change`` replaces some of its rules."""
    values = parameters or {}
    memo = memo or Memo()
    admitted = memo.admit(sql, catalog, types_of(values))
    applied = replace(rules_of(admitted, catalog), **(change or {}))
    for fact in declared_facts(
        dict(admitted.columns),
        {lineage: policy for lineage, (policy, _) in catalog.datasets.items()},
    ):
        if connection.execute(fact.sql).fetchall() != [(True,)]:
            raise DisclosureRefusedError(fact.sentence, code="disclosure.declared")
    run = Run(connection, admitted, catalog, memo)
    return run.answer(rules=applied, parameters=values, history=history)


class Analyst:
    """Somebody who asks one query after another, and whose answers the gate remembers."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        catalog: Catalog,
        *,
        change: Mapping[str, Any] | None = None,
        memo: Memo | None = None,
    ) -> None:
        self._memo = memo or Memo()
        self._connection = connection
        self._catalog = catalog
        self._change = change
        self._history: tuple[PastTable, ...] = ()

    def ask(self, sql: str, parameters: Parameters | None = None) -> Answer:
        """Run one query against everything that this analyst was answered before."""
        released = run_gates(
            self._connection,
            sql,
            catalog=self._catalog,
            parameters=parameters,
            history=self._history,
            change=self._change,
            memo=self._memo,
        )
        self._history += released.tables
        return released


def types_of(parameters: Parameters) -> dict[str, ParameterType]:
    """Declare parameters by the types of their values."""
    kinds = {str: ParameterType.STRING, int: ParameterType.INTEGER, dt.date: ParameterType.DATE}
    return {name: kinds[type(value)] for name, value in parameters.items()}
