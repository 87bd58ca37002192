# SPDX-License-Identifier: Apache-2.0
"""Answer a run: from a stored release if the request is identical, else compute and gate.

A refusal of the gate is an answer like any other: it is stored, committed, counted
and repeated word for word, because the second time it must not tell more than the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.disclosure.past import PastTable
from cleanroom.disclosure.result import ResultTable, encode_result
from cleanroom.errors import CleanroomError, DisclosureRefusedError, QueryFailedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_STATE_ENTRY_BYTES, MIB
from cleanroom.kernel.record import dataclass
from cleanroom.receipt.model import NOTHING_RELEASED, Answered, CheckRecord
from cleanroom.runner.history import History
from cleanroom.runner.outcome import checks_from_json, checks_to_json, encode_refusal
from cleanroom.runner.past_release import PastRelease, encode_release

MORE_ROWS, LARGER = "disclosure.rows", "disclosure.result-size"
OF_RESOURCES = frozenset({MORE_ROWS, LARGER})
# Padding at most doubles an entry, with room for its seal.
MAX_STATE_BYTES = MAX_STATE_ENTRY_BYTES // 2 - 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """What some task computed and the gate let through.

    Attributes:
        result: What receivers see.
        checks: Every rule as it was applied.
        tables: What the disclosure state must remember.
    """

    result: ResultTable
    checks: tuple[CheckRecord, ...]
    tables: tuple[PastTable, ...]


class Task(Protocol):
    """Something that computes under the gate: stages of SQL, or a Python analysis."""

    @property
    def identity(self) -> tuple[str, ...]:
        """Texts that two tasks share exactly if they ask for the same result."""

    @property
    def lineages(self) -> tuple[str, ...]:
        """Datasets that it reads."""

    def compute(self, past: Sequence[PastTable]) -> Computed:
        """Compute against everything released before.

        Raises:
            IntegrityError: A sealed part is not the one that its owner signed.
            DisclosureRefusedError: A result as a whole may not leave.
            QueryFailedError: Something did not complete.
        """


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


def answer(task: Task, *, approved: ApprovedRun, history: History) -> Outcome:
    """Answer an admitted and approved run.

    Raises:
        IntegrityError: A sealed part is not the one that its owner signed.
    """
    request = request_identity(task, approved)
    stored = history.answered(request)
    if stored is not None:
        checks = checks_from_json(stored.checks)
        return Outcome(release=stored, checks=checks, answered=Answered.STORED)
    run = approved.request.run
    # Too little memory, too few rows or a killed child says nothing about the data for ever:
    # it is counted, and asking again, perhaps for more, computes again.
    once = Digest.of(b"failed " + run.encode())
    try:
        return _released(task, approved, request=request, history=history)
    except DisclosureRefusedError as refusal:
        return _refused(run, refusal, request=once if refusal.code in OF_RESOURCES else request)
    except QueryFailedError as failure:
        return _refused(run, failure, request=once)


def _released(task: Task, approved: ApprovedRun, *, request: Digest, history: History) -> Outcome:
    past = tuple(table for release in history.releases for table in release.tables)
    computed = task.compute(past)
    require_rows(computed.result, most=approved.resources.rows)
    result = encode_result(computed.result)
    if len(result) > approved.resources.result_mib * MIB:
        raise DisclosureRefusedError(
            "result: larger than the query's or the contract's resources allow",
            code=LARGER,
            hint="ask for fewer groups or numbers at a time, or for more result_mib",
        )
    release = PastRelease(
        run=approved.request.run,
        request=request,
        result=result,
        checks=checks_to_json(computed.checks),
        tables=computed.tables,
    )
    # What cannot be remembered must not be released: a later answer could not be
    # compared with it. The size depends on data, so this is a refusal like any other.
    if len(encode_release(release)) > MAX_STATE_BYTES:
        raise DisclosureRefusedError(
            "disclosure state: more to remember about this result than a broker keeps",
            code="disclosure.state-size",
            hint="ask for fewer numbers or groups at a time",
        )
    return Outcome(release=release, checks=computed.checks, answered=Answered.COMPUTED)


def require_rows(result: ResultTable, *, most: int) -> None:
    """Refuse a result of more rows than the query's resources allow.

    Raises:
        DisclosureRefusedError: It has more.
    """
    # Counted after the gate: a limit on all groups would tell whether one more exists.
    if len(result.rows) > most:
        raise DisclosureRefusedError(
            "result: more rows than the query's resources allow",
            code=MORE_ROWS,
            hint="group by fewer columns, or submit the query with more rows",
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


def request_identity(task: Task, approved: ApprovedRun) -> Digest:
    """Digest everything that an answer depends on; equal requests get equal answers.

    Names, layout and receivers do not count: renaming a query or asking again for
    somebody else must not bring out new noise or new rounding.
    """
    agreement, lineages = approved.agreement, task.lineages
    identity: dict[str, JSONValue] = {
        "query": list(task.identity),
        "parameters": dict(approved.parameters),
        "datasets": {name: str(agreement.datasets[name].digest) for name in lineages},
        "policies": {name: str(agreement.policies[name].digest) for name in lineages},
    }
    return Digest.of(canonical_json(identity))
