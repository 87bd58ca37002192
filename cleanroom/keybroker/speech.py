# SPDX-License-Identifier: Apache-2.0
"""Turn decisions into the statements that a broker signs."""

from __future__ import annotations

import datetime as dt

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.contract.released_keys import ReleasedKeys, seal_keys
from cleanroom.contract.state_chain import owner_set_id
from cleanroom.contract.statements import (
    Acknowledgement,
    Commit,
    DatasetRelease,
    KeyRelease,
    Refusal,
    make_acknowledgement,
    make_commit,
    make_key_release,
    make_refusal,
)
from cleanroom.envelope.dsse import Envelope, sign_statement
from cleanroom.errors import CleanroomError
from cleanroom.keybroker.commit_decision import CommitGrant
from cleanroom.keybroker.coverage import GrantedDataset
from cleanroom.keybroker.decision import ReleaseGrant
from cleanroom.keybroker.key_source import KeySource
from cleanroom.keybroker.owner import BrokerOwner


def seal_release(
    grant: ReleaseGrant, *, owner: BrokerOwner, keys: KeySource, epoch: str
) -> KeyRelease:
    """Say what was granted, with the keys sealed to the runner under all of it.

    Raises:
        UnavailableError: A data key cannot be read now.
        IntegrityError: A data key was changed on disk.
    """
    run = grant.run
    contract = run.agreement.contract
    release = KeyRelease(
        party=owner.name,
        epoch=epoch,
        contract=contract.digest,
        query=run.query.digest,
        run_request=run.request.digest,
        run=run.request.run,
        runtime_data=grant.runtime.digest,
        evidence=grant.evidence,
        nonce=grant.nonce,
        appraisal=grant.attestation.to_ear(),
        datasets=tuple(_dataset(granted) for granted in grant.datasets),
        owners=contract.owners,
        uses=grant.uses,
        releases=grant.releases,
        released_at=grant.released_at,
        expires=grant.expires,
        sealed=b"",
    )
    released = _released_keys(grant, owner=owner, keys=keys)
    return seal_keys(released, release=release, hpke_key=grant.runtime.hpke_key)


def _dataset(granted: GrantedDataset) -> DatasetRelease:
    dataset = granted.dataset
    return DatasetRelease(
        lineage=dataset.lineage,
        version=dataset.digest,
        number=dataset.version,
        key_id=dataset.key_id,
        head=granted.head,
        entries=granted.entries,
    )


def _released_keys(grant: ReleaseGrant, *, owner: BrokerOwner, keys: KeySource) -> ReleasedKeys:
    datasets = [granted.dataset for granted in grant.datasets]
    return ReleasedKeys(
        keys={
            dataset.lineage: keys.secret(dataset.lineage, dataset.version) for dataset in datasets
        },
        shares={owner_set_id(owners): owner.state_share(owners) for owners in grant.owner_sets},
    )


def sign_release(release: KeyRelease, key: Ed25519PrivateKey) -> Envelope:
    """Sign a sealed release."""
    return sign_statement(make_key_release(release), key)


def word_commit(grant: CommitGrant, *, party: str, epoch: str, at: dt.datetime) -> Commit:
    """Say what is countersigned."""
    return Commit(
        party=party,
        epoch=epoch,
        run=grant.run,
        runtime_data=grant.runtime_data,
        receipt=grant.receipt,
        result=grant.result,
        lineages=grant.lineages,
        entry=None if grant.entry is None else grant.entry.digest,
        committed_at=at,
    )


def sign_commit(commit: Commit, key: Ed25519PrivateKey) -> Envelope:
    """Sign a countersignature."""
    return sign_statement(make_commit(commit), key)


def sign_acknowledgement(acknowledgement: Acknowledgement, key: Ed25519PrivateKey) -> Envelope:
    """Sign an acknowledgement."""
    return sign_statement(make_acknowledgement(acknowledgement), key)


def sign_refusal(
    error: CleanroomError, key: Ed25519PrivateKey, *, party: str, run: str, at: dt.datetime
) -> Envelope:
    """Sign why a request was refused.

    Messages of the error tree hold no data value, so the refusal may go to anybody.
    """
    refusal = Refusal(party=party, run=run, code=error.code, message=error.message, refused_at=at)
    return sign_statement(make_refusal(refusal), key)
