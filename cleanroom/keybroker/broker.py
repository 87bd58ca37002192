# SPDX-License-Identifier: Apache-2.0
"""One owner's key broker: it decides, records, logs, and only then answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cleanroom.contract.broker_requests import (
    BrokerStatus,
    Challenge,
    ChallengeRequest,
    CommitRequest,
    Notice,
    ReleaseRequest,
)
from cleanroom.contract.statements import LoggedStatement
from cleanroom.envelope.dsse import Envelope
from cleanroom.errors import CleanroomError
from cleanroom.identity.party import PartyDocument
from cleanroom.identity.pins import Pins
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOwner:
    """Whose broker it is, whom it trusts, and the secrets it alone holds.

    Attributes:
        party: The owner's own party document.
        pins: Party documents whose fingerprints the owner compared.
        receiving: Opens the owner's data keys.
        broker_seed: Ed25519 seed of the broker's signing key.
        state_seed: Secret behind the broker's state shares.
    """

    party: PartyDocument
    pins: Pins
    receiving: ReceivingKey
    broker_seed: bytes = field(repr=False)
    state_seed: bytes = field(repr=False)


class KeyBroker:
    """A broker over one home directory; one process at a time holds it."""

    @classmethod
    def open(
        cls,
        home: Path,
        *,
        owner: BrokerOwner,
        clock: Clock,
        entropy: Callable[[int], bytes],
    ) -> KeyBroker:
        """Lock the home and open its state and log."""
        raise NotImplementedError(home, owner, clock, entropy)

    def challenge(self, request: ChallengeRequest) -> Challenge:
        """Give a nonce that serves one release."""
        raise NotImplementedError(request)

    def release(self, request: ReleaseRequest) -> LoggedStatement:
        """Decide, reserve, record, log, and answer with sealed keys."""
        raise NotImplementedError(request)

    def commit(self, request: CommitRequest) -> LoggedStatement:
        """Store the new state, move the heads and countersign."""
        raise NotImplementedError(request)

    def notice(self, notice: Notice) -> LoggedStatement:
        """Keep a rejection, revocation or contract, and acknowledge it."""
        raise NotImplementedError(notice)

    def refusal(self, error: CleanroomError, *, run: str) -> Envelope:
        """Sign why a request was refused."""
        raise NotImplementedError(error, run)

    def status(self) -> BrokerStatus:
        """Tell what anybody may know."""
        raise NotImplementedError

    def entry(self, digest: Digest) -> bytes:
        """Return a sealed state entry."""
        raise NotImplementedError(digest)

    def log_file(self, path: str) -> bytes:
        """Return a file of the log."""
        raise NotImplementedError(path)

    def close(self) -> None:
        """Give the home back."""
        raise NotImplementedError
