# SPDX-License-Identifier: Apache-2.0
"""Did every owner's broker countersign, and do their histories fit together?

The same checks serve the runner, before the result leaves its memory, and
anybody who reads the receipt later.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.contract.agreement import Agreement
from cleanroom.contract.statements import (
    Commit,
    LoggedStatement,
    StateStep,
    log_leaf,
    verify_commit,
)
from cleanroom.envelope.dsse import verify_envelope
from cleanroom.errors import IntegrityError
from cleanroom.kernel.digest import Digest
from cleanroom.ledger.checkpoint import log_origin
from cleanroom.ledger.inclusion import verify_entry
from cleanroom.receipt.model import ReceiptBody, UnverifiedReceipt
from cleanroom.receipt.releases import require_every_owner
from cleanroom.receipt.steps import Found, require_same


def verify_commits(receipt: UnverifiedReceipt, agreement: Agreement) -> Found[Mapping[str, Commit]]:
    """Verify one countersignature of every owner under one receipt.

    Raises:
        MalformedError: A countersignature that is none.
        IntegrityError: One is missing, forged, or speaks of another receipt,
            result, run or history.
    """
    owners = agreement.contract.owners
    require_every_owner(receipt.countersignatures, owners, what="countersignatures")
    commits = {
        owner: verify_commit(
            receipt.countersignatures[owner].statement,
            party=owner,
            broker_key=agreement.parties[owner].broker_key,
            what=f"countersignature of {owner}",
        )
        for owner in owners
    }
    for commit in commits.values():
        _require_this_receipt(commit, body=receipt.body, digest=receipt.digest)
    entries = {commit.entry for commit in commits.values()}
    if len(entries) != 1:
        raise IntegrityError(
            "countersignatures: the brokers keep different state entries", code="receipt.entry"
        )
    return Found(text=f"by the brokers of {', '.join(owners)}", value=commits)


def _require_this_receipt(commit: Commit, *, body: ReceiptBody, digest: Digest) -> None:
    what = f"countersignature of {commit.party}"
    digest.require(commit.receipt, what=f"{what}: receipt")
    body.result.digest.require(commit.result, what=f"{what}: result")
    Digest.of(body.runtime_data).require(commit.runtime_data, what=f"{what}: runtime data")
    source = f"the {what}"
    require_same(body.run, commit.run, what="run", source=source)
    require_same(
        _ordered(body.state), _ordered(commit.lineages), what="disclosure history", source=source
    )


def _ordered(steps: tuple[StateStep, ...]) -> list[StateStep]:
    return sorted(steps, key=lambda step: step.lineage)


def verify_logs(receipt: UnverifiedReceipt, agreement: Agreement) -> Found[None]:
    """Prove that each broker's log holds its release and its countersignature, in that order.

    Raises:
        MalformedError: A checkpoint or proof that is none.
        IntegrityError: A checkpoint that the broker did not sign, a proof that
            leads elsewhere, or a commit that stands before its release.
    """
    owners = agreement.contract.owners
    for owner in owners:
        key = agreement.parties[owner].broker_key
        release, commit = receipt.body.releases[owner], receipt.countersignatures[owner]
        for logged in (release, commit):
            _require_logged(logged, party=owner, broker_key=key)
        if not release.index < commit.index:
            raise IntegrityError(
                f"log of {owner}: the countersignature does not stand after the release",
                code="receipt.log-order",
            )
    return Found(text=f"both statements in the logs of {', '.join(owners)}", value=None)


def _require_logged(item: LoggedStatement, *, party: str, broker_key: bytes) -> None:
    payload = verify_envelope(item.statement, broker_key, what=f"statement of {party}")
    verify_entry(
        log_leaf(payload),
        index=item.index,
        proof=item.proof,
        checkpoint=item.checkpoint.encode("utf-8"),
        origin=log_origin(party),
        public_key=broker_key,
    )
