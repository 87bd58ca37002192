# SPDX-License-Identifier: Apache-2.0
"""Answer a run: from a stored release if the request is identical, else compute and gate.

A refusal of the gate is an answer like any other: it is stored, committed, counted
and repeated word for word, because the second time it must not tell more than the first.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cleanroom.admission.generate import generate
from cleanroom.admission.measures import grid_of
from cleanroom.admission.tree import AdmittedQuery, Argument, UnitColumn
from cleanroom.bound_plan.check import check_statement
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.rules import Rules
from cleanroom.contract.state_chain import owners_of
from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.past import PastCell
from cleanroom.disclosure.released import Released
from cleanroom.disclosure.result import encode_result
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
    KeyShape,
    ReleaseShape,
    UnitShape,
)
from cleanroom.disclosure.statistics_sql import statistics_sql
from cleanroom.errors import (
    CleanroomError,
    DisclosureRefusedError,
    IntegrityError,
    MalformedError,
    QueryFailedError,
)
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_STATE_ENTRY_BYTES
from cleanroom.receipt.model import NOTHING_RELEASED, Answered, CheckRecord
from cleanroom.runner.child_job import ChildJob
from cleanroom.runner.compute import QueryChild
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.history import History
from cleanroom.runner.outcome import (
    checks_from_json,
    checks_of,
    checks_to_json,
    encode_refusal,
)
from cleanroom.runner.past_release import PastRelease, encode_release
from cleanroom.runner.proposal import rules_of
from cleanroom.runner.query_job import query_job
from cleanroom.runner.statement_claim import claim_of

_IDENTITY_PREFIX = "identity_"
# Padding at most doubles an entry, with room for its seal.
MAX_STATE_BYTES = MAX_STATE_ENTRY_BYTES // 2 - 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the run answers.

    Attributes:
        release: The answer, and what the state keeps of it.
        checks: Every rule as it was applied, for the receipt.
        answered: Computed, stored or refused.
    """

    release: PastRelease
    checks: tuple[CheckRecord, ...]
    answered: Answered

    @property
    def is_new(self) -> bool:
        """Whether the state grows by an entry; a stored answer adds nothing."""
        return self.answered is not Answered.STORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the gate decides on, beside the numbers themselves."""

    approved: ApprovedRun
    request: Digest
    shape: ReleaseShape
    rules: Rules


def answer(
    admitted: AdmittedQuery,
    *,
    approved: ApprovedRun,
    grants: Mapping[str, KeyGrant],
    history: History,
    child: QueryChild,
) -> Outcome:
    """Answer an admitted and approved run.

    Raises:
        IntegrityError: A sealed part is not the one that its owner signed.
    """
    request = request_identity(admitted, approved)
    stored = history.answered(request)
    if stored is not None:
        checks = checks_from_json(stored.checks)
        return Outcome(release=stored, checks=checks, answered=Answered.STORED)
    rules = rules_of(approved.agreement, admitted)
    shape = shape_of(admitted)
    prefix = f"s{secrets.token_hex(8)}_"
    sql = statistics_sql(generate(admitted, prefix=prefix), shape=shape, rules=rules, prefix=prefix)
    # What the engine would do is read from its own plan, by code that knows neither of the two
    # that wrote the statement; only what passed can become a job.
    claim = claim_of(approved, keys=len(shape.keys), prefix=prefix)
    job = query_job(
        check_statement(sql, claim),
        admitted=admitted,
        approved=approved,
        grants=grants,
        inputs=child.inputs,
        prefix=prefix,
    )
    asked = Asked(approved=approved, request=request, shape=shape, rules=rules)
    return _gated(job, asked, history=history, child=child)


def _gated(job: ChildJob, asked: Asked, *, history: History, child: QueryChild) -> Outcome:
    try:
        return _released(job, asked, history=history, child=child)
    except DisclosureRefusedError as refusal:
        return _refused(asked, refusal, request=asked.request)
    except QueryFailedError as failure:
        # Too little memory or a killed child says nothing about the data for ever:
        # it is counted, and asking again computes again.
        once = Digest.of(b"failed " + asked.approved.request.run.encode())
        return _refused(asked, failure, request=once)


def _released(job: ChildJob, asked: Asked, *, history: History, child: QueryChild) -> Outcome:
    past = tuple(cell for release in history.releases for cell in release.cells)
    released = _decided(child.run(job), asked, past=past)
    checks = checks_of(released)
    release = PastRelease(
        run=asked.approved.request.run,
        request=asked.request,
        result=encode_result(released),
        checks=checks_to_json(checks),
        cells=released.cells,
    )
    # What cannot be remembered must not be released: a later answer could not be
    # compared with it. The size depends on data, so this is a refusal like any other.
    if len(encode_release(release)) > MAX_STATE_BYTES:
        raise DisclosureRefusedError(
            "disclosure state: more to remember about this result than a broker keeps",
            code="disclosure.state-size",
            hint="ask for fewer numbers or groups at a time",
        )
    return Outcome(release=release, checks=checks, answered=Answered.COMPUTED)


def _decided(rows: Sequence[Sequence[Any]], asked: Asked, *, past: Sequence[PastCell]) -> Released:
    try:
        released = decide(rows, shape=asked.shape, rules=asked.rules, history=past)
    except (IntegrityError, MalformedError):
        # Statistics that contradict themselves come from data, so they end like any
        # refusal that depends on data: stored, counted, and always in the same words.
        released = None
    if released is None:
        raise DisclosureRefusedError(
            "statistics: the gate could not decide", code="disclosure.statistics"
        )
    # Counted after the gate: a limit on all groups would tell whether one more exists.
    if len(released.rows) > asked.approved.query.resources.rows:
        raise DisclosureRefusedError(
            "result: more rows than the query's resources allow",
            code="disclosure.rows",
            hint="group by fewer columns, or submit the query with more rows",
        )
    return released


def _refused(asked: Asked, refusal: CleanroomError, *, request: Digest) -> Outcome:
    release = PastRelease(
        run=asked.approved.request.run,
        request=request,
        result=encode_refusal(refusal),
        checks=checks_to_json(NOTHING_RELEASED),
        cells=(),
    )
    return Outcome(release=release, checks=NOTHING_RELEASED, answered=Answered.REFUSED)


def request_identity(admitted: AdmittedQuery, approved: ApprovedRun) -> Digest:
    """Digest everything that an answer depends on; equal requests get equal answers.

    Names, layout and receivers do not count: renaming a query or asking again for
    somebody else must not bring out new noise or new rounding.
    """
    agreement = approved.agreement
    lineages = [lineage for lineage, _ in admitted.columns]
    identity: dict[str, JSONValue] = {
        "sql": generate(admitted, prefix=_IDENTITY_PREFIX),
        "output": list(admitted.output),
        "parameters": dict(approved.parameters),
        "datasets": {name: str(agreement.datasets[name].digest) for name in lineages},
        "policies": {name: str(agreement.policies[name].digest) for name in lineages},
        "aggregates": [
            [item.name, item.kind, item.argument, item.unit] for item in admitted.aggregates
        ],
    }
    return Digest.of(canonical_json(identity))


def shape_of(admitted: AdmittedQuery) -> ReleaseShape:
    """Describe an admitted query to the gate, which does not know admission."""
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
            UnitShape(namespace=f"{_owner(unit)}:{unit.namespace}", type=unit.source.type)
            for unit in admitted.units
        ),
        order=admitted.output,
    )


def _argument(item: Argument) -> ArgumentShape:
    kind = ArgumentKind(item.kind.value)
    if kind is not ArgumentKind.MEASURE:
        return ArgumentShape(kind=kind)
    grid = grid_of(item.source)
    return ArgumentShape(kind=kind, digits=grid.precision, scale=grid.scale)


def _owner(unit: UnitColumn) -> str:
    # Two owners may use one name for their namespaces; their fingerprints never mix.
    (owner,) = owners_of(unit.datasets)
    return owner
