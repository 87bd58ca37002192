# SPDX-License-Identifier: Apache-2.0
"""Run a proposal on invented rows: both gates exactly as on real ones, and nothing to protect.

There is no key, no broker, no evidence and no history, so nothing that comes out is a release and
no budget is touched. Statements, checks and rules are those of a real run; only the rows and the
salts differ, and the engine runs in this process, because there is nobody to keep out. What
policies declare about their rows holds of invented ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

from cleanroom.admission.typed.generate import generate, generate_post
from cleanroom.admission.typed.sql_expressions import engine_type
from cleanroom.admission.typed.sql_relations import released_schema, released_table
from cleanroom.admission.typed.tree import AdmittedQuery, Stage
from cleanroom.bound_plan.check import check_statement
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.mock_rows import MockDataset, mock_rows
from cleanroom.contract.resources import MAX_RESULT_ROWS
from cleanroom.contract.types import ParameterType, split_lineage
from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.past import PastTable
from cleanroom.disclosure.released import Released
from cleanroom.disclosure.result import ResultTable
from cleanroom.disclosure.statistics_sql import salt_parameter, statistics_sql
from cleanroom.engine.lockdown import Table
from cleanroom.engine.query import Limits, run_query
from cleanroom.kernel.record import dataclass
from cleanroom.runner.cells import Value
from cleanroom.runner.child_job import Bindable, bindable
from cleanroom.runner.gate import require_rows
from cleanroom.runner.post_values import result_table
from cleanroom.runner.proposal import admit_analysis_proposal, admit_proposal
from cleanroom.runner.proposed import AnalysisProposal, Proposal, Proposed
from cleanroom.runner.query_job import MAX_STATISTICS
from cleanroom.runner.shapes import shape_of
from cleanroom.runner.stages import merged_bands, secret_prefix, stage_rules
from cleanroom.runner.statement_claim import claim_for

Known: TypeAlias = Mapping[str, Sequence[str | int]]

_NONE: Known = MappingProxyType({})
_SALT = "mock"  # the salts of real units are their owners' secrets; these units are nobody


def run_on_mock(
    agreement: Agreement, proposal: Proposed, *, seed: int, units: int, known: Known = _NONE
) -> ResultTable:
    """Admit a proposal, run it on invented rows of every dataset that it reads, and gate it.

    Args:
        agreement: Schemas, policies and links, from which rows are invented.
        proposal: The query; the first value of each parameter is the one that it runs with.
        seed: Other seeds invent other rows.
        units: How many people there are in all.
        known: Values that invented columns of a name take, beside those that the groups of a
            Python analysis list.

    Raises:
        AdmissionRefusedError: A policy does not admit it.
        DisclosureRefusedError: A result as a whole may not leave.
        QueryFailedError: A statement did not complete within the query's resources.
    """
    agreed = agreement.contract.resources
    proposal = replace(proposal, resources=proposal.resources.within(agreed))
    if isinstance(proposal, AnalysisProposal):
        return _run_analysis(agreement, proposal, seed=seed, units=units, known=known)
    admitted = admit_proposal(agreement, proposal)
    room = _MockRoom(
        agreement=agreement,
        admitted=admitted,
        proposal=proposal,
        datasets=_tables(agreement, admitted.columns, seed=seed, units=units, known=known),
    )
    released: list[Released] = []
    past: tuple[PastTable, ...] = ()
    for stage in admitted.stages:
        made = room.release(stage, released, past=past)
        released.append(made)
        past += made.tables
    result = room.finish(released)
    require_rows(result, most=proposal.resources.rows)
    return result


def _run_analysis(
    agreement: Agreement, proposal: AnalysisProposal, *, seed: int, units: int, known: Known
) -> ResultTable:
    # Imports readers of tables, which a query in SQL never needs.
    from cleanroom.runner.analysis.mock import MockAnalysis  # noqa: PLC0415

    admitted = admit_analysis_proposal(agreement, proposal)
    listed = {group.name: group.values for group in admitted.analysis.groups}
    tables = _tables(agreement, admitted.columns, seed=seed, units=units, known={**listed, **known})
    values = {
        name: bindable(parameter.values[0], is_date=parameter.type is ParameterType.DATE)
        for name, parameter in proposal.parameters.items()
    }
    analysis = MockAnalysis(
        agreement=agreement, proposal=proposal, values=values, tables=tuple(tables.values())
    )
    result = analysis.run()
    require_rows(result, most=proposal.resources.rows)
    return result


def _tables(
    agreement: Agreement,
    columns: Iterable[tuple[str, tuple[str, ...]]],
    *,
    seed: int,
    units: int,
    known: Known,
) -> dict[str, Table]:
    return {
        lineage: _table(agreement, lineage, names, seed=seed, units=units, known=known)
        for lineage, names in columns
    }


def _table(
    agreement: Agreement,
    lineage: str,
    columns: Sequence[str],
    *,
    seed: int,
    units: int,
    known: Known,
) -> Table:
    """Invent one dataset, and keep of it what the query may read."""
    dataset = agreement.datasets[lineage]
    mock = MockDataset(
        lineage=lineage,
        policy=agreement.policies[lineage],
        columns=dataset.columns,
        known=known,
    )
    kept = [number for number, (name, _) in enumerate(dataset.columns) if name in columns]
    owner, name = split_lineage(lineage)
    return Table(
        schema=owner,
        name=name,
        columns=tuple((dataset.columns[n][0], engine_type(dataset.columns[n][1])) for n in kept),
        rows=[[row[n] for n in kept] for row in mock_rows(mock, seed=seed, units=units)],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _MockRoom:
    agreement: Agreement
    admitted: AdmittedQuery
    proposal: Proposal
    datasets: dict[str, Table]

    def release(
        self, stage: Stage, released: Sequence[Released], *, past: Sequence[PastTable]
    ) -> Released:
        """Compute the statistics of one stage and decide what leaves."""
        rules = stage_rules(self.admitted, stage, self.agreement.policies)
        shape = shape_of(stage)
        prefix = secret_prefix()
        sql = statistics_sql(
            generate(stage, prefix=prefix), shape=shape, rules=rules, prefix=prefix
        )
        claim = claim_for(
            self.agreement,
            dict(self.admitted.columns),
            keys=len(shape.keys),
            prefix=prefix,
            released={number: self.admitted.stages[number] for number in stage.inputs},
        )
        tables = [self.datasets[lineage] for lineage, _ in stage.columns]
        rows = self._run(
            check_statement(sql, claim).sql,
            tables=[*tables, *_released_tables(stage.inputs, released, prefix=prefix)],
            parameters={
                **self._values(stage.parameters),
                **{salt_parameter(prefix, unit): _SALT for unit in range(len(stage.units))},
            },
            most=MAX_STATISTICS,
        )
        return decide(rows, shape=shape, rules=rules, history=past)

    def finish(self, released: Sequence[Released]) -> ResultTable:
        """Make the result of what the stages released."""
        withheld = merged_bands([item.withheld for item in released])
        post = self.admitted.post
        if post.identity:
            (only,) = released
            return ResultTable(
                columns=only.columns, rows=only.rows, earlier=only.earlier, withheld=withheld
            )
        prefix = secret_prefix()
        rows = self._run(
            generate_post(self.admitted, prefix=prefix),
            tables=_released_tables(post.inputs, released, prefix=prefix),
            parameters=self._values(post.parameters),
            most=MAX_RESULT_ROWS,
        )
        repeats = any(names for item in released for names in item.earlier)
        return result_table(rows, output=self.admitted.output, withheld=withheld, repeats=repeats)

    def _run(
        self, sql: str, *, tables: Iterable[Table], parameters: dict[str, Bindable], most: int
    ) -> list[tuple[Value, ...]]:
        resources = self.proposal.resources
        limits = Limits(
            memory_mib=resources.memory_mib, seconds=resources.seconds, rows=most, threads=1
        )
        return run_query(
            views=(), sql=sql, parameters=parameters, limits=limits, tables=tuple(tables)
        ).rows

    def _values(self, names: Iterable[str]) -> dict[str, Bindable]:
        declared = self.proposal.parameters
        return {
            name: bindable(
                declared[name].values[0], is_date=declared[name].type is ParameterType.DATE
            )
            for name in names
        }


def _released_tables(
    stages: Iterable[int], released: Sequence[Released], *, prefix: str
) -> tuple[Table, ...]:
    return tuple(
        Table(
            schema=released_schema(prefix),
            name=released_table(number),
            columns=tuple((item.name, engine_type(item.type)) for item in released[number].columns),
            rows=released[number].rows,
        )
        for number in stages
    )
