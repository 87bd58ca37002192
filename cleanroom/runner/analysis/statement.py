# SPDX-License-Identifier: Apache-2.0
"""The statement that makes statistics of a clean frame, as its child is told it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cleanroom.admission.analysis import AdmittedAnalysis
from cleanroom.admission.typed.sql_expressions import quote
from cleanroom.bound_plan.check import CheckedStatement, check_statement
from cleanroom.bound_plan.claim import DatasetClaim, StatementClaim
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.policy_terms import Column, Policy, Public, Role
from cleanroom.contract.rules import Rules
from cleanroom.contract.types import split_lineage
from cleanroom.disclosure.shape import ReleaseShape
from cleanroom.disclosure.statistics_sql import salt_parameter, statistics_sql
from cleanroom.kernel.digest import Digest
from cleanroom.runner.analysis.shape import frame_columns
from cleanroom.runner.analysis.tables_sql import frame_sql, unit_inputs
from cleanroom.runner.child_job import ChildJob
from cleanroom.runner.compute import engine_threads
from cleanroom.runner.declared_facts import declared_facts
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.inputs import QueryInputs
from cleanroom.runner.query_job import MAX_STATISTICS, unit_salt, views_of
from cleanroom.runner.statement_claim import claim_for

FRAME_TABLE = "frame"


def analysis_statement(
    admitted: AdmittedAnalysis,
    *,
    agreement: Agreement,
    read: Mapping[str, tuple[str, ...]],
    shape: ReleaseShape,
    rules: Rules,
    prefix: str,
) -> CheckedStatement:
    """Write the statement and have its plan checked by code that did not write it.

    Args:
        admitted: The analysis.
        agreement: Policies and schemas.
        read: Columns by lineage, as the signed document declares them.
        shape: What is released.
        rules: The strictest of its policies.
        prefix: Secret of the statement's own names.

    Raises:
        AdmissionRefusedError: Its plan does something that is not listed, or loses somebody.
        DisclosureRefusedError: The shape and the rules do not belong together.
    """
    frame = f"{quote(frame_schema(prefix))}.{quote(FRAME_TABLE)}"
    base = frame_sql(admitted, frame=frame, salt=token_parameter(prefix), prefix=prefix)
    sql = statistics_sql(base, shape=shape, rules=rules, prefix=prefix)
    claim = claim_for(agreement, read, keys=len(shape.keys), prefix=prefix, released={})
    return check_statement(sql, _with_frame(claim, admitted, prefix=prefix))


def analysis_job(
    checked: CheckedStatement,
    *,
    admitted: AdmittedAnalysis,
    approved: ApprovedRun,
    grants: Mapping[str, KeyGrant],
    inputs: QueryInputs,
    prefix: str,
    token: str,
    seconds: int,
) -> ChildJob:
    """Describe the statement to the child that runs it: unit keys, salts, the tokens' secret."""
    salts = {
        salt_parameter(prefix, index): unit_salt(
            split_lineage(item.lineage)[0], item.namespace, grants
        )
        for index, (_, item) in enumerate(unit_inputs(admitted))
    }
    # Of each protected table, who is in it; what was measured of them is in the frame.
    units = [(item.lineage, (item.unit,)) for item in admitted.protected]
    return ChildJob(
        sql=checked.sql,
        facts=declared_facts(dict(units), approved.agreement.policies),
        parameters={**salts, token_parameter(prefix): token},
        views=views_of(units, approved=approved, grants=grants, inputs=inputs),
        tables=(),
        memory_mib=approved.resources.memory_mib,
        seconds=seconds,
        rows=MAX_STATISTICS,
        threads=engine_threads(),
        spill=inputs.spill,
        spill_bytes=inputs.spill_bytes,
    )


def frame_schema(prefix: str) -> str:
    """Name the schema of the frame's table, which no owner can have."""
    return f"{prefix}analysis"


def token_parameter(prefix: str) -> str:
    """Name the parameter that holds the secret of tokens; the check of plans knows its start."""
    return f"{salt_parameter(prefix, 0).removesuffix('0')}token"


def _with_frame(
    claim: StatementClaim, admitted: AdmittedAnalysis, *, prefix: str
) -> StatementClaim:
    lineage = f"{frame_schema(prefix)}.{FRAME_TABLE}"
    columns = frame_columns(admitted.analysis)
    # A table without people: its tokens are good for nothing but being compared with a
    # salted digest.
    policy = Policy(
        owner=frame_schema(prefix),
        dataset=lineage,
        kinds=frozenset(),
        receivers=frozenset(),
        unit=Public(),
        columns={name: Column(name=name, role=Role.PUBLIC) for name, _ in columns},
        joins=frozenset(),
        raw=b"",
        digest=Digest.of(b""),
    )
    frame = DatasetClaim(policy=policy, types=dict(columns))
    return replace(claim, datasets={**claim.datasets, lineage: frame})
