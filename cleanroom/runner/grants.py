# SPDX-License-Identifier: Apache-2.0
"""Obtain keys from every owner's broker, and believe a release only as a whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import field

from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.contract.bundle import RunBundle
from cleanroom.contract.released_keys import open_keys
from cleanroom.contract.statement_shapes import DatasetRelease, KeyRelease, LoggedStatement
from cleanroom.contract.statements import verify_key_release
from cleanroom.errors import IntegrityError, KeyRefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.runner.attest import Attested
from cleanroom.runner.brokers import Broker
from cleanroom.runner.keys import RunKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGrant:
    """Proof that one owner's broker released keys to this very run.

    Attributes:
        release: The verified release.
        logged: The signed statement, for the receipt.
        keys: Lineage to data key.
        shares: Owner set to this broker's share of its state key.
    """

    release: KeyRelease
    logged: LoggedStatement
    keys: Mapping[str, bytes] = field(repr=False)
    shares: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """What is shown to every broker.

    Attributes:
        bundle: The documents, as found in the room.
        approved: The same, verified here; each broker verifies for itself.
        attested: Runtime data and evidence.
    """

    bundle: RunBundle
    approved: ApprovedRun
    attested: Attested


def obtain_keys(
    request: KeyRequest, *, keys: RunKeys, brokers: Mapping[str, Broker], at: dt.datetime
) -> dict[str, KeyGrant]:
    """Ask every owner's broker, in the order of their names.

    Raises:
        KeyRefusedError: A broker says no.
        IntegrityError: A broker's answer is not signed by its key or is for another run.
    """
    ask = ReleaseRequest(
        bundle=request.bundle,
        runtime_data=request.attested.runtime.raw,
        evidence=request.attested.evidence_bytes,
    )
    return {
        party: accept_release(broker.release(ask), party=party, request=request, keys=keys, at=at)
        for party, broker in brokers.items()
    }


def accept_release(
    logged: LoggedStatement,
    *,
    party: str,
    request: KeyRequest,
    keys: RunKeys,
    at: dt.datetime,
) -> KeyGrant:
    """Verify one release field by field, then open the keys; the only minter of KeyGrant.

    Raises:
        IntegrityError: The statement is not that party's, or not about this run.
        KeyRefusedError: The release has expired.
    """
    # 1. Signature first: nothing below means anything without it. The statement's own
    # history must derive its head, so an entry left out is found here (T-02).
    document = request.approved.agreement.parties[party]
    release = verify_key_release(
        logged.statement, party=party, broker_key=document.broker_key, what=_what(party)
    )
    # 2. A colluding network could hand us another run's release.
    _require_this_run(release, request)
    # 3. The datasets and versions that everybody agreed on, all of them and no other.
    _require_datasets(release, request.approved)
    # 4. A release that outlived its time must not move a result.
    if at >= release.expires:
        raise KeyRefusedError(
            f"{_what(party)}: expired",
            code="runner.release-expired",
            hint="compare the clocks of runner and broker, then run again",
        )
    # 5. Only now open what is sealed; it is bound to all of the fields above.
    opened = open_keys(release, receiving=keys.receiving)
    return KeyGrant(release=release, logged=logged, keys=opened.keys, shares=opened.shares)


def _require_this_run(release: KeyRelease, request: KeyRequest) -> None:
    runtime, what = request.attested.runtime, _what(release.party)
    agreed: tuple[tuple[str, Digest, Digest], ...] = (
        ("contract", runtime.contract, release.contract),
        ("query", runtime.query, release.query),
        ("run request", runtime.run_request, release.run_request),
        ("runtime data", runtime.digest, release.runtime_data),
        ("evidence", Digest.of(request.attested.evidence_bytes), release.evidence),
    )
    for name, expected, found in agreed:
        expected.require(found, what=f"{what}: {name}")
    same = (
        release.run == runtime.run
        and release.nonce == runtime.nonces[release.party]
        and release.owners == request.approved.agreement.contract.owners
    )
    if not same:
        raise IntegrityError(
            f"{what}: run, nonce or owners are not this run's", code="runner.foreign-release"
        )


def _require_datasets(release: KeyRelease, approved: ApprovedRun) -> None:
    what = _what(release.party)
    mine = {
        lineage for lineage in approved.query.datasets if lineage.startswith(f"{release.party}.")
    }
    if {dataset.lineage for dataset in release.datasets} != mine:
        raise IntegrityError(f"{what}: not the datasets of the query", code="runner.datasets")
    for dataset in release.datasets:
        _require_version(dataset, approved, what)


def _require_version(found: DatasetRelease, approved: ApprovedRun, what: str) -> None:
    agreed = approved.agreement.datasets[found.lineage]
    agreed.digest.require(found.version, what=f"{what}: version of {found.lineage}")
    if (found.number, found.key_id) != (agreed.version, agreed.key_id):
        raise IntegrityError(
            f"{what}: number or key of {found.lineage} differ from its document",
            code="runner.dataset-version",
        )


def _what(party: str) -> str:
    return f"key release of {party}"
