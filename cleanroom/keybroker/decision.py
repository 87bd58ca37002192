# SPDX-License-Identifier: Apache-2.0
"""May keys go to this runner? One list of numbered checks, and no effect.

The order is that of the design: who agreed, who asked, who will hold the keys,
whether the question is fresh, what it covers, and what is left of the budget.
Each step names the attack that it stops. What comes out is a grant that says
everything the statement will say; recording it is the caller's transaction.
"""

from __future__ import annotations

import datetime as dt

from cleanroom.attestation.appraisal import AttestationResult, appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import parse_evidence
from cleanroom.attestation.runtime_data import RuntimeData, parse_runtime_data
from cleanroom.attestation.trust import DEFAULT_TRUST, TrustStore, trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.approved_run import ApprovedRun, approve_run
from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.contract.state_chain import owners_of
from cleanroom.contract.statements import ReceiverReleases, Uses
from cleanroom.errors import KeyRefusedError
from cleanroom.identity.party import PartyDocument
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.allowance import count_releases, count_uses, require_allowed
from cleanroom.keybroker.controls import require_not_stopped, require_quota
from cleanroom.keybroker.coverage import GrantedDataset, cover_datasets
from cleanroom.keybroker.freshness import require_fresh_nonce
from cleanroom.keybroker.known_agreements import KnownAgreements
from cleanroom.keybroker.standing import DataKeys, RecordedRelease, Standing
from cleanroom.keybroker.succession import contract_line, require_consent, require_current
from cleanroom.keybroker.withdrawals import known_withdrawals

COMMIT_MARGIN = dt.timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """For whom a decision is made.

    Attributes:
        party: The owner's own party document.
        pins: Party documents whose fingerprints the owner compared.
        keys: Which versions of its datasets have a key.
        agreements: Contracts that were verified before under such pins.
        trust: Verifiers of attestation platforms, simulated ones excepted.
    """

    party: PartyDocument
    pins: Pins
    keys: DataKeys
    agreements: KnownAgreements
    trust: TrustStore = DEFAULT_TRUST


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseGrant:
    """Proof that every condition for a release holds; only ``decide`` makes one.

    Attributes:
        run: The approved run.
        runtime: The runner that the keys go to.
        evidence: Digest of the evidence's canonical JSON.
        attestation: Why the runner is believed.
        nonce: The broker's nonce that this release uses up.
        datasets: The owner's own datasets that the query uses; may be empty.
        touched: Every lineage that the query uses, all owners', sorted.
        owner_sets: Sets of owners whose state share the runner needs.
        uses: Runs of the contract, this one included.
        releases: Releases of the owner's lineages, this one included.
        released_at: The broker's clock.
        expires: First moment at which keys and result no longer count.
    """

    run: ApprovedRun
    runtime: RuntimeData
    evidence: Digest
    attestation: AttestationResult
    nonce: bytes
    datasets: tuple[GrantedDataset, ...]
    touched: tuple[str, ...]
    owner_sets: tuple[tuple[str, ...], ...]
    uses: Uses
    releases: tuple[ReceiverReleases, ...]
    released_at: dt.datetime
    expires: dt.datetime


def decide(
    request: ReleaseRequest, *, owner: RelyingParty, standing: Standing, at: dt.datetime
) -> ReleaseGrant | RecordedRelease:
    """Return a grant, or the release that this very runner was given before.

    Raises:
        MalformedError: Something is not of its format.
        IntegrityError: A signature or digest does not match.
        IdentityUnprovenError: A party is not pinned.
        EvidenceRefusedError: The evidence is not what the contract accepts.
        KeyRefusedError: A rule of this broker says no.
        RefusedError: The contract or an approval says no.
    """
    name = owner.party.name
    # 1. Contract genuine, all parties pinned, mine, not superseded (T-03, T-20): every
    # later step reads the contract, so nothing of it may be believed before.
    agreement = owner.agreements.agree(request.bundle.agreement, pins=owner.pins)
    _require_mine(agreement, owner.party)
    contract = agreement.contract
    require_current(contract, standing=standing)
    signed = request.bundle.agreement.contract
    require_consent(contract, signed, pins=owner.pins, standing=standing)
    # 2. Run request genuine, values within the approved domains (T-07, T-12). The same
    # proof covers 6, query approved by all who must, and 8, not expired or revoked by
    # my clock: what this broker knows is added to what the room shows (T-06).
    run = approve_run(
        agreement,
        request.bundle,
        at=at,
        withdrawn=known_withdrawals(
            standing,
            contract=contract.digest,
            query=Digest.of(request.bundle.query.data),
        ),
    )
    require_allowed(standing)
    # What the owner has stopped is stopped for retries of what was released as well.
    line = contract_line(contract, standing=standing)
    require_not_stopped(line, lineages=run.query.datasets, standing=standing)
    # 3. Evidence genuine, for exactly this run (T-04, T-05).
    runtime = parse_runtime_data(request.runtime_data)
    _require_this_run(runtime, run)
    profile = contract.attestation
    evidence = parse_evidence(request.evidence)
    claims = verify_evidence(
        evidence,
        binding=bind64(runtime.raw),
        at=at,
        trust=trust_for(profile, store=owner.trust),
    )
    # 4. Profile satisfied: genuine evidence of another runner is refused here (T-04, T-21).
    attestation = appraise(claims, profile=profile, runtime=runtime, at=at)
    # A retry by the same runner gets what it got: same keys, same key to open them.
    recorded = standing.release(run.request.run, runtime.digest)
    if recorded is not None:
        return _repeated(recorded, at=at)
    # 5. Nonce mine, fresh, unused (T-05); and no second result for one run id.
    _require_open_run(run.request.run, standing)
    nonce = require_fresh_nonce(runtime, owner=name, run=run, standing=standing, at=at)
    # 7. Datasets covered: current versions whose keys and whose history can be opened (T-02).
    touched = tuple(sorted(run.query.datasets))
    datasets = cover_datasets(run, owner=name, keys=owner.keys, standing=standing)
    # 9. Uses, releases and budget left (T-19), and what the owner gives in a day.
    require_quota(line, standing=standing, at=at)
    uses = count_uses(contract, line=line, standing=standing)
    releases = count_releases(run, datasets=datasets, standing=standing)
    return ReleaseGrant(
        run=run,
        runtime=runtime,
        evidence=Digest.of(request.evidence),
        attestation=attestation,
        nonce=nonce,
        datasets=datasets,
        touched=touched,
        owner_sets=_owner_sets(run, owner=name, standing=standing),
        uses=uses,
        releases=releases,
        released_at=at,
        expires=_expiry(run, at=at),
    )


def _require_mine(agreement: Agreement, party: PartyDocument) -> None:
    if party.name not in agreement.contract.owners:
        raise KeyRefusedError(
            f"contract: {party.name} is not one of its owners",
            code="broker.not-mine",
            hint="ask the brokers of the owners that the contract names",
        )
    party.digest.require(agreement.parties[party.name].digest, what=f"party document {party.name}")


def _require_this_run(runtime: RuntimeData, run: ApprovedRun) -> None:
    # Keys for another query could otherwise be asked for under a run that was approved.
    contract = run.agreement.contract
    contract.digest.require(runtime.contract, what="runtime data contract")
    run.query.digest.require(runtime.query, what="runtime data query")
    run.request.digest.require(runtime.run_request, what="runtime data run request")
    if runtime.run != run.request.run:
        raise KeyRefusedError(
            f"runtime data: made for run {runtime.run}, the request is for {run.request.run}",
            code="broker.other-run",
        )
    if set(runtime.nonces) != set(contract.owners):
        raise KeyRefusedError(
            "runtime data: its nonces are not those of exactly the contract's owners",
            code="broker.nonce-owners",
            hint="ask every owner's broker for a challenge; each takes part in every run",
        )


def _repeated(recorded: RecordedRelease, *, at: dt.datetime) -> RecordedRelease:
    if at >= recorded.expires:
        raise KeyRefusedError(
            "release: expired", code="broker.release-expired", hint="sign a new run request"
        )
    return recorded


def _require_open_run(run: str, standing: Standing) -> None:
    if standing.commit(run) is not None:
        raise KeyRefusedError(
            f"run {run}: already committed; a run has one result",
            code="broker.run-committed",
            hint="sign a new run request",
        )


def _owner_sets(run: ApprovedRun, *, owner: str, standing: Standing) -> tuple[tuple[str, ...], ...]:
    """List the sets of owners whose state share this run needs from this broker.

    A lineage of another owner may have been released together with mine, so its
    history opens with my share only, even where this query leaves my data alone. A run
    may have been committed by another owner's broker and not by mine, so every set
    counts that a release of mine was for, not only those in my own history. The set of
    the owner alone also salts the fingerprints of the owner's own units.
    """
    owners = frozenset(run.agreement.contract.owners)
    known = {owners_of(lineages) for lineages in standing.touched_together()}
    known |= {owners_of(run.query.datasets), (owner,)}
    return tuple(sorted(group for group in known if owner in group and owners.issuperset(group)))


def _expiry(run: ApprovedRun, *, at: dt.datetime) -> dt.datetime:
    """Give a run the time that its approvers allowed it, and a margin to commit."""
    allowed = at + dt.timedelta(seconds=run.resources.seconds) + COMMIT_MARGIN
    return min(allowed, run.agreement.contract.expires)
