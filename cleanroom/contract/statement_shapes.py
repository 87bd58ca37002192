# SPDX-License-Identifier: Apache-2.0
"""What key brokers say, as plain values: release, refusal, commit, acknowledgement.

These values lie below the brokers on purpose: the runner and anybody who reads a
receipt must understand a broker without holding a line of its code.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from cleanroom.envelope.dsse import Envelope
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

ALL_RECEIVERS = "*"  # no party can have this name


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedStatement:
    """A broker's statement and the proof that its log holds it; unverified.

    Attributes:
        statement: The DSSE envelope.
        index: Position of the statement's leaf in the broker's log.
        checkpoint: Signed note over the log's size and root.
        proof: Inclusion proof, leaf to root.
    """

    statement: Envelope
    index: int
    checkpoint: str
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEntry:
    """One sealed entry of a lineage's disclosure history.

    Attributes:
        digest: Digest of the sealed entry.
        owners: The owners, sorted, whose shares together open it.
    """

    digest: Digest
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateStep:
    """One lineage's disclosure history before and after a run."""

    lineage: str
    previous: Digest
    next: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRelease:
    """One dataset version whose key a broker releases.

    Attributes:
        lineage: ``<owner>.<table>``.
        version: Digest of the ``dataset.toml`` that the key opens.
        number: Its version number, which only ever grows.
        key_id: 32 hexadecimal digits, as in ``dataset.toml``.
        head: Head of the lineage's disclosure history at release.
        entries: That history, oldest first; it derives ``head``.
    """

    lineage: str
    version: Digest
    number: int
    key_id: str
    head: Digest
    entries: tuple[StateEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Runs of a contract that were granted keys, this one included."""

    used: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverReleases:
    """Releases of a lineage to one receiver (or to ``*``: all), this one included."""

    lineage: str
    receiver: str
    used: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRelease:
    """One broker's grant of keys to one ``runtime_data``, with all that it decided on.

    Attributes:
        party: Whose broker speaks.
        epoch: Life of the broker's state; another one means that it was restored.
        contract: Digest of the contract.
        query: Digest of the query document.
        run_request: Digest of the signed run request.
        run: Run identifier.
        runtime_data: Digest of the exact bytes that the evidence binds.
        evidence: Digest of the evidence's canonical JSON.
        nonce: The broker's own nonce, found in ``runtime_data``.
        appraisal: EAR-shaped result of appraising the evidence.
        datasets: The party's own datasets that the query uses; may be empty.
        owners: All owners of the contract, sorted; each takes part in every run.
        uses: Runs of the contract and its predecessors.
        releases: Releases of the party's own lineages.
        released_at: The broker's clock.
        expires: After this the keys must not be used, nor a result committed.
        sealed: Data keys and state shares, sealed to the key in ``runtime_data``.
    """

    party: str
    epoch: str
    contract: Digest
    query: Digest
    run_request: Digest
    run: str
    runtime_data: Digest
    evidence: Digest
    nonce: bytes
    appraisal: Mapping[str, Any]
    datasets: tuple[DatasetRelease, ...]
    owners: tuple[str, ...]
    uses: Uses
    releases: tuple[ReceiverReleases, ...]
    released_at: dt.datetime
    expires: dt.datetime
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One broker's no, with the rule that said it; grants nothing and is not logged."""

    party: str
    run: str
    code: str
    message: str
    refused_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One broker's countersignature under a receipt.

    Attributes:
        party: Whose broker speaks.
        epoch: Life of the broker's state.
        run: Run identifier.
        runtime_data: Digest of the runtime data that the keys went to.
        receipt: Digest of the receipt statement's exact bytes.
        result: Digest of the sealed result.
        lineages: Disclosure history of every lineage the run touched.
        entry: Digest of the new sealed entry; absent when a stored answer was repeated.
        committed_at: The broker's clock.
    """

    party: str
    epoch: str
    run: str
    runtime_data: Digest
    receipt: Digest
    result: Digest
    lineages: tuple[StateStep, ...]
    entry: Digest | None
    committed_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """One broker's word that it keeps a rejection, revocation or contract for ever.

    Attributes:
        party: Whose broker speaks.
        epoch: Life of the broker's state.
        kind: ``rejection``, ``revocation`` or ``contract``.
        document: Digest of the document's exact bytes.
        acknowledged_at: The broker's clock.
    """

    party: str
    epoch: str
    kind: str
    document: Digest
    acknowledged_at: dt.datetime
