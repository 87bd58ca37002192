# SPDX-License-Identifier: Apache-2.0
"""Did every owner's broker release its keys to exactly this run?

A release names everything its broker decided on. Each name is compared with the
document itself, so a release for another query, run, runner or data version is
worth nothing here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cleanroom.attestation.evidence import Evidence, encode_evidence, parse_evidence
from cleanroom.attestation.runtime_data import RuntimeData
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.statements import (
    ALL_RECEIVERS,
    KeyRelease,
    ReceiverReleases,
    verify_key_release,
)
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.receipt.model import ReceiptBody
from cleanroom.receipt.steps import Found, require_same


def require_every_owner(found: Collection[str], owners: Sequence[str], *, what: str) -> None:
    """Refuse unless every owner has a statement and nobody else has.

    Raises:
        IntegrityError: An owner's statement is missing, or there is one of a stranger.
        RefusedError: A contract without an owner, in which nobody could say no.
    """
    missing = sorted(set(owners) - set(found))
    strange = sorted(set(found) - set(owners))
    if not owners:
        raise RefusedError("contract: found no owner, agreed at least one", code="receipt.owners")
    if missing or strange:
        problem = f"none of {', '.join(missing)}" if missing else f"one of {', '.join(strange)}"
        raise IntegrityError(
            f"{what}: found {problem}, agreed one of each of {', '.join(owners)}",
            code="receipt.owners",
        )


def verify_releases(
    body: ReceiptBody, *, agreement: Agreement, runtime: RuntimeData
) -> Found[Mapping[str, KeyRelease]]:
    """Verify one key release of every owner.

    Raises:
        MalformedError: A release that is none.
        IntegrityError: A release is missing, forged, or speaks of something else.
        RefusedError: A release granted more than the contract or a policy allows.
    """
    owners = agreement.contract.owners
    require_every_owner(body.releases, owners, what="key releases")
    evidence = parse_evidence(body.evidence)
    releases = {
        owner: verify_key_release(
            body.releases[owner].statement,
            party=owner,
            broker_key=agreement.parties[owner].broker_key,
            what=f"key release of {owner}",
        )
        for owner in owners
    }
    for release in releases.values():
        _require_this_run(release, agreement=agreement, runtime=runtime, evidence=evidence)
        _require_own_datasets(release, agreement=agreement, body=body)
        _require_allowance(release, agreement=agreement, body=body)
    return Found(text=f"by the brokers of {', '.join(owners)}", value=releases)


def _require_this_run(
    release: KeyRelease, *, agreement: Agreement, runtime: RuntimeData, evidence: Evidence
) -> None:
    what = f"key release of {release.party}"
    agreement.contract.digest.require(release.contract, what=f"{what}: contract")
    runtime.query.require(release.query, what=f"{what}: query")
    runtime.run_request.require(release.run_request, what=f"{what}: run request")
    runtime.digest.require(release.runtime_data, what=f"{what}: runtime data")
    Digest.of(encode_evidence(evidence)).require(release.evidence, what=f"{what}: evidence")
    source = f"the key release of {release.party}"
    require_same(runtime.run, release.run, what="run", source=source)
    # Another broker's nonce would make the evidence fresh for somebody else only.
    require_same(runtime.nonces[release.party], release.nonce, what="nonce", source=source)
    require_same(agreement.contract.owners, release.owners, what="owners", source=source)


def _require_own_datasets(release: KeyRelease, *, agreement: Agreement, body: ReceiptBody) -> None:
    agreed = {
        (dataset.lineage, dataset.digest, dataset.version, dataset.key_id)
        for dataset in (agreement.datasets[use.lineage] for use in body.datasets)
        if dataset.owner == release.party
    }
    released = [(item.lineage, item.version, item.number, item.key_id) for item in release.datasets]
    if len(released) != len(agreed) or set(released) != agreed:
        raise IntegrityError(
            f"key release of {release.party}: the datasets differ from those of the receipt",
            code="receipt.datasets",
            hint="each owner's broker names every one of its datasets that the query uses",
        )


def _require_allowance(release: KeyRelease, *, agreement: Agreement, body: ReceiptBody) -> None:
    uses = release.uses
    if not 1 <= uses.used <= uses.limit <= agreement.contract.max_runs:
        raise _beyond(release.party, "runs of the contract")
    agreed = {
        (use.lineage, receiver)
        for use in body.datasets
        if use.owner == release.party
        for receiver in (*body.receivers, ALL_RECEIVERS)
    }
    counted = [(item.lineage, item.receiver) for item in release.releases]
    if len(counted) != len(agreed) or set(counted) != agreed:
        raise _beyond(release.party, "releases: not one count for each lineage and receiver")
    for item in release.releases:
        if not 1 <= item.used <= item.limit <= _agreed_limit(item, agreement):
            raise _beyond(release.party, f"releases of {item.lineage}")


def _agreed_limit(item: ReceiverReleases, agreement: Agreement) -> int:
    policy = agreement.policies[item.lineage]
    if item.receiver == ALL_RECEIVERS:
        return policy.most_releases
    return policy.releases_per_receiver


def _beyond(party: str, subject: str) -> RefusedError:
    return RefusedError(
        f"key release of {party}: {subject}: found more than agreed",
        code="receipt.allowance",
        hint="a broker that grants more than its owner signed is broken or was tampered with",
    )
