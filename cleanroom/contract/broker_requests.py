# SPDX-License-Identifier: Apache-2.0
"""What is asked of a key broker, and its unsigned answers, as plain values.

The runner writes these and a broker reads them; both stand on this module, so
that neither needs the other's code. The bytes are in ``broker_wire``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TypeAlias

from cleanroom.contract.bundle import ContractBundle, RunBundle
from cleanroom.contract.statement_shapes import StateStep
from cleanroom.envelope.dsse import Envelope
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeRequest:
    """Ask for a nonce for one run under one contract."""

    contract: Digest
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A nonce that serves one key release, until it expires.

    Attributes:
        party: Whose broker answers.
        nonce: 32 random bytes; the runner puts them into ``runtime_data``.
        expires: The nonce is refused from then on.
    """

    party: str
    nonce: bytes
    expires: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequest:
    """Ask for keys.

    Attributes:
        bundle: Every document that the decision needs; the broker trusts none of it.
        runtime_data: Exact canonical bytes that the evidence binds.
        evidence: Exact canonical JSON of the evidence.
    """

    bundle: RunBundle
    runtime_data: bytes
    evidence: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRequest:
    """Ask for a countersignature before the result leaves the runner.

    Attributes:
        run: Run identifier.
        receipt: The receipt's envelope, signed by the run key.
        lineages: The step of every lineage that the run touched, all owners'.
        entry: The new sealed state entry; absent when a stored answer is repeated,
            and then no head moves.
        owners: The owners, sorted, whose shares seal the entry.
    """

    run: str
    receipt: Envelope
    lineages: tuple[StateStep, ...]
    entry: bytes | None
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionNotice:
    """Tell a broker of an ``approval.toml`` that rejects."""

    document: SignedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationNotice:
    """Tell a broker of a ``revocation.toml``."""

    document: SignedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractNotice:
    """Tell a broker of a fully signed contract, which may supersede another."""

    bundle: ContractBundle


Notice: TypeAlias = RejectionNotice | RevocationNotice | ContractNotice


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerStatus:
    """What a broker tells anybody who reaches it; nothing that a policy protects.

    Attributes:
        party: Whose broker answers.
        document: Fingerprint of the party document that it serves.
        epoch: Life of its state.
        time: Its clock.
        log_size: Statements in its log.
        heads: Lineage to head of its disclosure history.
    """

    party: str
    document: Digest
    epoch: str
    time: dt.datetime
    log_size: int
    heads: Mapping[str, Digest]
