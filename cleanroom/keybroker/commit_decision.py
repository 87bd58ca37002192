# SPDX-License-Identifier: Apache-2.0
"""May this receipt be countersigned? One list of numbered checks, and no effect.

A countersignature says: my keys went to the runner that signed this receipt, my
part of the disclosure history moves from here to there, and I keep the entry.
No result leaves a runner before every owner's broker has said so.
"""

from __future__ import annotations

import datetime as dt

from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.contract.broker_requests import CommitRequest
from cleanroom.contract.state_chain import next_head, owners_of
from cleanroom.contract.statements import StateStep
from cleanroom.contract.types import split_lineage
from cleanroom.envelope.dsse import verify_envelope
from cleanroom.errors import IntegrityError, KeyRefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.allowance import require_allowed
from cleanroom.keybroker.controls import require_not_stopped
from cleanroom.keybroker.receipt_claims import ReceiptClaims, read_claims
from cleanroom.keybroker.recorder import NewEntry
from cleanroom.keybroker.standing import RecordedCommit, RecordedRelease, Standing
from cleanroom.keybroker.succession import line_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitGrant:
    """Proof that a receipt may be countersigned; only ``decide_commit`` makes one.

    Attributes:
        run: Run identifier.
        runtime_data: Digest of the runtime data that the keys went to.
        receipt: Digest of the receipt statement's exact bytes.
        result: Digest of the sealed result.
        lineages: The step of every lineage that the run touched, sorted.
        entry: The new sealed entry; absent when a stored answer is repeated.
    """

    run: str
    runtime_data: Digest
    receipt: Digest
    result: Digest
    lineages: tuple[StateStep, ...]
    entry: NewEntry | None


def decide_commit(
    request: CommitRequest, *, party: str, standing: Standing, at: dt.datetime
) -> CommitGrant | RecordedCommit:
    """Return a grant, or the commit that this very receipt was given before.

    Raises:
        MalformedError: Something is not of its format.
        IntegrityError: A signature, digest or head does not match.
        KeyRefusedError: A rule of this broker says no.
    """
    claims = read_claims(request.receipt)
    runtime = parse_runtime_data(claims.runtime_data)
    # 1. Keys went to exactly this runtime data, for this run (T-07, T-14).
    release = standing.release(request.run, runtime.digest)
    if release is None:
        raise KeyRefusedError(
            f"run {request.run}: this broker released no keys to its runtime data",
            code="broker.no-release",
            hint="only the runner that was given the keys can commit",
        )
    # 2. Signed by the run key that the evidence vouched for (T-15).
    verify_envelope(request.receipt, runtime.sign_key, what="receipt")
    require_allowed(standing)
    # What the owner has stopped leaves no runner, whatever was released before.
    line = line_of(runtime.contract, standing=standing)
    require_not_stopped(line, lineages=release.touched, standing=standing)
    # 3. One receipt a run, whatever is retried; the same one is answered the same (T-19).
    committed = standing.commit(request.run)
    if committed is not None:
        return _repeated(committed, runtime_data=runtime.digest, receipt=claims.digest)
    # 4. In time: keys that outlived their release must not move a head.
    if at >= release.expires:
        raise KeyRefusedError(
            f"run {request.run}: its release has expired",
            code="broker.release-expired",
            hint="sign a new run request",
        )
    # 5. About the release that was given, and no other (T-05).
    _require_own_release(claims, request=request, release=release, party=party)
    # 6. Every lineage that the run touched moves over the same entry, or none moves (T-02).
    entry = _new_entry(request)
    _require_steps(request, claims=claims, release=release, entry=entry)
    # 7. Compare and set: a run that gated on an older history gates again (T-02, T-19).
    for step in request.lineages:
        if split_lineage(step.lineage)[0] == party:
            _require_head(step, standing.head(step.lineage))
    return CommitGrant(
        run=request.run,
        runtime_data=runtime.digest,
        receipt=claims.digest,
        result=claims.result,
        lineages=tuple(sorted(request.lineages, key=lambda step: step.lineage)),
        entry=entry,
    )


def _repeated(
    committed: RecordedCommit, *, runtime_data: Digest, receipt: Digest
) -> RecordedCommit:
    if (committed.runtime_data, committed.receipt) != (runtime_data, receipt):
        raise KeyRefusedError(
            "commit: the run is committed under another receipt",
            code="broker.other-receipt",
            hint="a run has one result; sign a new run request for another",
        )
    return committed


def _require_own_release(
    claims: ReceiptClaims, *, request: CommitRequest, release: RecordedRelease, party: str
) -> None:
    shown = claims.releases.get(party)
    if claims.run != request.run or shown is None:
        raise IntegrityError(
            f"receipt: does not hold the release of {party} for run {request.run}",
            code="broker.receipt-release",
        )
    # The statement names contract, query, run request, versions and heads; one
    # comparison covers them all.
    own = Digest.of(release.statement.envelope.payload)
    own.require(Digest.of(shown.statement.payload), what=f"receipt: release of {party}")
    runtime = parse_runtime_data(claims.runtime_data)
    runtime.contract.require(claims.contract, what="receipt contract")
    runtime.query.require(claims.query, what="receipt query")
    runtime.run_request.require(claims.run_request, what="receipt run request")


def _new_entry(request: CommitRequest) -> NewEntry | None:
    if request.entry is None:
        return None
    return NewEntry(
        digest=Digest.of(request.entry), data=request.entry, owners=tuple(request.owners)
    )


def _require_steps(
    request: CommitRequest,
    *,
    claims: ReceiptClaims,
    release: RecordedRelease,
    entry: NewEntry | None,
) -> None:
    lineages = [step.lineage for step in request.lineages]
    if sorted(lineages) != sorted(release.touched):
        raise KeyRefusedError(
            "commit: does not list exactly the lineages that the run touched",
            code="broker.lineages",
            hint="every owner's broker countersigns the step of every lineage",
        )
    if request.owners != owners_of(lineages):
        raise KeyRefusedError(
            "commit: the entry is not sealed for exactly the owners of those lineages",
            code="broker.entry-owners",
        )
    if {*request.lineages} != {*claims.state} or len(claims.state) != len(lineages):
        raise IntegrityError(
            "commit: its steps are not those of the receipt", code="broker.receipt-state"
        )
    for step in request.lineages:
        expected = step.previous if entry is None else next_head(step.previous, entry.digest)
        expected.require(step.next, what=f"{step.lineage}: next head")


def _require_head(step: StateStep, head: Digest) -> None:
    if step.previous != head:
        raise KeyRefusedError(
            f"{step.lineage}: its disclosure history has moved since this run read it",
            code="broker.head-moved",
            hint="another run was faster and this one released nothing; run it again, a new use",
        )
