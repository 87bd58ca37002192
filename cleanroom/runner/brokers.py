# SPDX-License-Identifier: Apache-2.0
"""What the runner needs of a key broker, whatever carries the bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from cleanroom.contract.broker_requests import (
    Challenge,
    ChallengeRequest,
    CommitRequest,
    ReleaseRequest,
)
from cleanroom.contract.contract import Contract
from cleanroom.contract.statement_shapes import LoggedStatement
from cleanroom.identity.party import PartyDocument
from cleanroom.kernel.digest import Digest
from cleanroom.runner.broker_client import BrokerClient
from cleanroom.runner.reach import Reach


class Broker(Protocol):
    """One owner's broker; everything it says is unverified until its key says so."""

    def challenge(self, request: ChallengeRequest) -> Challenge:
        """Give a nonce."""

    def release(self, request: ReleaseRequest) -> LoggedStatement:
        """Give keys, or refuse."""

    def commit(self, request: CommitRequest) -> LoggedStatement:
        """Countersign, or refuse."""

    def entries(self, digests: Sequence[Digest]) -> tuple[bytes, ...]:
        """Give sealed state entries, in this order."""


def connect(
    contract: Contract, parties: Mapping[str, PartyDocument], *, reach: Reach, stack: ExitStack
) -> dict[str, Broker]:
    """Open a connection to every owner's broker; each takes part in every run."""
    return {
        owner: stack.enter_context(
            BrokerClient(
                parties[owner].broker_address, caller=reach.caller, authorities=reach.authorities
            )
        )
        for owner in contract.owners
    }
