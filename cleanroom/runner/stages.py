# SPDX-License-Identifier: Apache-2.0
"""Run the stages of a query, each through the gate, and then what is made of their tables.

A stage is compared with everything released before it, in this query as well as ever
before. Only released values go on from one statement to the next, and the last statement runs
in a process that holds no key.
"""

from __future__ import annotations

import importlib
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from cleanroom.admission.typed.generate import generate, generate_post
from cleanroom.admission.typed.identity import query_identity
from cleanroom.admission.typed.sql_expressions import engine_type
from cleanroom.admission.typed.sql_relations import released_schema, released_table
from cleanroom.admission.typed.tree import AdmittedQuery, Stage
from cleanroom.bound_plan.check import CheckedStatement, check_statement
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.policy_terms import Policy
from cleanroom.contract.rules import Rules, public_only, strictest
from cleanroom.disclosure.bands import is_lowest
from cleanroom.disclosure.past import PastTable
from cleanroom.disclosure.released import Released
from cleanroom.disclosure.result import ResultTable
from cleanroom.disclosure.shape import ReleaseShape
from cleanroom.disclosure.statistics_sql import statistics_sql
from cleanroom.errors import DisclosureRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.process import loading
from cleanroom.kernel.record import dataclass
from cleanroom.receipt.model import CheckRecord
from cleanroom.runner.cells import Value
from cleanroom.runner.child_job import ChildTable
from cleanroom.runner.compute import QueryChildren
from cleanroom.runner.gate import Computed
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.outcome import checks_of
from cleanroom.runner.post_values import result_table
from cleanroom.runner.query_job import post_job, query_job
from cleanroom.runner.shapes import shape_of
from cleanroom.runner.statement_claim import claim_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatement:
    """What one stage runs, before there are keys; :func:`stage_statement` writes it.

    Attributes:
        checked: The statement.
        prefix: What its internal names stand behind.
        shape: What its rows say.
        rules: What they must obey.
    """

    checked: CheckedStatement
    prefix: str
    shape: ReleaseShape
    rules: Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRunner:
    """Everything that the stages of one run have in common.

    Attributes:
        admitted: The query.
        approved: The run.
        grants: Keys of its datasets.
        children: Processes that statements run in.
        statements: What each stage runs; they were written while keys were asked for.
    """

    admitted: AdmittedQuery
    approved: ApprovedRun
    grants: Mapping[str, KeyGrant]
    children: QueryChildren
    statements: Sequence[Future[StageStatement]]

    @property
    def identity(self) -> tuple[str, ...]:
        """Texts that two queries share exactly if they ask for the same result."""
        return query_identity(self.admitted)

    @property
    def lineages(self) -> tuple[str, ...]:
        """Datasets that the query reads."""
        return tuple(lineage for lineage, _ in self.admitted.columns)

    def compute(self, past: Sequence[PastTable]) -> Computed:
        """Run every stage through the gate, then make the result of what they released.

        Raises:
            IntegrityError: A sealed part is not the one that its owner signed.
            DisclosureRefusedError: A result as a whole may not leave.
            QueryFailedError: A statement did not complete.
        """
        released = self.run(past)
        return Computed(
            result=self.finish(released),
            checks=merged_checks(released),
            tables=tuple(table for item in released for table in item.tables),
        )

    def run(self, past: Sequence[PastTable]) -> tuple[Released, ...]:
        """Run every stage, each against the past and the stages before it.

        Raises:
            IntegrityError: A sealed part is not the one that its owner signed.
            DisclosureRefusedError: A result as a whole may not leave.
            QueryFailedError: A statement did not complete.
        """
        released: list[Released] = []
        known = tuple(past)
        for stage in self.admitted.stages:
            made = self._stage(stage, released, past=known)
            released.append(made)
            known += made.tables
        return tuple(released)

    def finish(self, released: Sequence[Released]) -> ResultTable:
        """Make the result of what the stages released.

        Raises:
            QueryFailedError: The statement over released tables did not complete.
        """
        withheld = merged_bands([item.withheld for item in released])
        if self.admitted.post.identity:
            (only,) = released
            return ResultTable(
                columns=only.columns, rows=only.rows, earlier=only.earlier, withheld=withheld
            )
        prefix = secret_prefix()
        post = self.admitted.post
        job = post_job(
            generate_post(self.admitted, prefix=prefix),
            post=post,
            approved=self.approved,
            tables=self._tables(post.inputs, released, prefix=prefix),
        )
        rows = self.children.after().run(job)
        # What is made of several numbers is marked as soon as one of them is an earlier answer.
        repeats = any(names for item in released for names in item.earlier)
        return result_table(rows, output=self.admitted.output, withheld=withheld, repeats=repeats)

    def _stage(
        self, stage: Stage, released: Sequence[Released], *, past: Sequence[PastTable]
    ) -> Released:
        statement = self.statements[len(released)].result()
        child = self.children.next()
        job = query_job(
            statement.checked,
            stage=stage,
            approved=self.approved,
            grants=self.grants,
            inputs=child.inputs,
            tables=self._tables(stage.inputs, released, prefix=statement.prefix),
            prefix=statement.prefix,
        )
        rows = child.run(job, meanwhile=load_gate)
        return decided(rows, shape=statement.shape, rules=statement.rules, past=past)

    def _tables(
        self, stages: Sequence[int], released: Sequence[Released], *, prefix: str
    ) -> tuple[ChildTable, ...]:
        return tuple(
            ChildTable(
                schema=released_schema(prefix),
                name=released_table(number),
                columns=tuple(
                    (column.name, engine_type(column.type)) for column in released[number].columns
                ),
                rows=released[number].rows,
            )
            for number in stages
        )


def stage_statement(
    admitted: AdmittedQuery, stage: Stage, *, approved: ApprovedRun
) -> StageStatement:
    """Write the statement of one stage, and check it by the engine's own plan.

    Raises:
        AdmissionRefusedError: Its plan does something that is not listed, or loses somebody.
    """
    rules = stage_rules(admitted, stage, approved.agreement.policies)
    shape = shape_of(stage)
    prefix = secret_prefix()
    sql = statistics_sql(generate(stage, prefix=prefix), shape=shape, rules=rules, prefix=prefix)
    # What the engine would do is read from its own plan, by code that knows neither of the
    # two that wrote the statement; only what passed can become a job.
    claim = claim_of(
        approved,
        keys=len(shape.keys),
        prefix=prefix,
        released={number: admitted.stages[number] for number in stage.inputs},
    )
    return StageStatement(
        checked=check_statement(sql, claim), prefix=prefix, shape=shape, rules=rules
    )


def load_gate() -> None:
    """Load what decides, arrays and all; before a child has answered, nobody needs it."""
    with loading():
        importlib.import_module("cleanroom.disclosure.decide")


def decided(
    rows: Sequence[Sequence[Value]],
    *,
    shape: ReleaseShape,
    rules: Rules,
    past: Sequence[PastTable],
) -> Released:
    """Decide what may leave.

    Raises:
        DisclosureRefusedError: Nothing, as a whole; also where statistics contradict themselves.
    """
    from cleanroom.disclosure.decide import decide  # noqa: PLC0415 - see load_gate

    try:
        return decide(rows, shape=shape, rules=rules, history=past)
    except (IntegrityError, MalformedError):
        pass
    # Statistics that contradict themselves come from data, so they end like any
    # refusal that depends on data: stored, counted, and always in the same words.
    raise DisclosureRefusedError(
        "statistics: the gate could not decide", code="disclosure.statistics"
    )


def stage_rules(admitted: AdmittedQuery, stage: Stage, policies: Mapping[str, Policy]) -> Rules:
    """Combine the policies of all datasets of the query; public data has no output rule."""
    if stage.public:
        return public_only(policies[lineage] for lineage, _ in stage.columns)
    return strictest(policies[lineage] for lineage, _ in admitted.columns)


def merged_checks(released: Sequence[Released]) -> tuple[CheckRecord, ...]:
    """Record each rule once: applied to every stage, with the largest band it withheld."""
    found = {check.rule: check for item in released for check in checks_of(item)}
    bands = merged_bands(
        [{check.rule: check.withheld for check in checks_of(item)} for item in released]
    )
    return tuple(
        CheckRecord(
            rule=rule,
            parameters=check.parameters,
            verdict="held" if is_lowest(bands[rule]) else "withheld",
            withheld=bands[rule],
        )
        for rule, check in found.items()
    )


def merged_bands(withheld: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Say of each rule the largest band that it withheld anywhere."""
    merged: dict[str, str] = {}
    for bands in withheld:
        for rule, band in bands.items():
            merged[rule] = max(merged.get(rule, band), band, key=_upper)
    return merged


def _upper(band: str) -> int:
    return int(band.rpartition("-")[2])


def secret_prefix() -> str:
    """Draw the prefix that a statement's internal names stand behind."""
    return f"s{secrets.token_hex(8)}_"
