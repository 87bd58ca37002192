# SPDX-License-Identifier: Apache-2.0
"""Answer a run: from a stored release if the request is identical, else compute and gate.

A refusal of the gate is an answer like any other: it is stored, committed, counted
and repeated word for word, because the second time it must not tell more than the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cleanroom.admission.identity import query_identity
from cleanroom.admission.tree import AdmittedQuery
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.disclosure.bands import is_lowest
from cleanroom.disclosure.released import Released
from cleanroom.disclosure.result import ResultTable, encode_result
from cleanroom.errors import CleanroomError, DisclosureRefusedError, QueryFailedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_STATE_ENTRY_BYTES
from cleanroom.receipt.model import NOTHING_RELEASED, Answered, CheckRecord
from cleanroom.runner.compute import QueryChildren
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.history import History
from cleanroom.runner.outcome import (
    checks_from_json,
    checks_of,
    checks_to_json,
    encode_refusal,
)
from cleanroom.runner.past_release import PastRelease, encode_release
from cleanroom.runner.stages import StageRunner, merged_bands

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


def answer(
    admitted: AdmittedQuery,
    *,
    approved: ApprovedRun,
    grants: Mapping[str, KeyGrant],
    history: History,
    children: QueryChildren,
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
    stages = StageRunner(admitted=admitted, approved=approved, grants=grants, children=children)
    run = approved.request.run
    try:
        return _released(stages, run, request=request, history=history)
    except DisclosureRefusedError as refusal:
        return _refused(run, refusal, request=request)
    except QueryFailedError as failure:
        # Too little memory or a killed child says nothing about the data for ever:
        # it is counted, and asking again computes again.
        once = Digest.of(b"failed " + run.encode())
        return _refused(run, failure, request=once)


def _released(stages: StageRunner, run: str, *, request: Digest, history: History) -> Outcome:
    past = tuple(table for release in history.releases for table in release.tables)
    released = stages.run(past)
    result = stages.finish(released)
    require_rows(result, most=stages.approved.query.resources.rows)
    checks = _merged_checks(released)
    release = PastRelease(
        run=run,
        request=request,
        result=encode_result(result),
        checks=checks_to_json(checks),
        tables=tuple(table for item in released for table in item.tables),
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


def require_rows(result: ResultTable, *, most: int) -> None:
    """Refuse a result of more rows than the query's resources allow.

    Raises:
        DisclosureRefusedError: It has more.
    """
    # Counted after the gate: a limit on all groups would tell whether one more exists.
    if len(result.rows) > most:
        raise DisclosureRefusedError(
            "result: more rows than the query's resources allow",
            code="disclosure.rows",
            hint="group by fewer columns, or submit the query with more rows",
        )


def _merged_checks(released: Sequence[Released]) -> tuple[CheckRecord, ...]:
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


def _refused(run: str, refusal: CleanroomError, *, request: Digest) -> Outcome:
    release = PastRelease(
        run=run,
        request=request,
        result=encode_refusal(refusal),
        checks=checks_to_json(NOTHING_RELEASED),
        tables=(),
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
        "query": list(query_identity(admitted)),
        "parameters": dict(approved.parameters),
        "datasets": {name: str(agreement.datasets[name].digest) for name in lineages},
        "policies": {name: str(agreement.policies[name].digest) for name in lineages},
    }
    return Digest.of(canonical_json(identity))
