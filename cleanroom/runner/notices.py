# SPDX-License-Identifier: Apache-2.0
"""Deliver a rejection, a revocation or a contract to brokers directly, past the room.

A room or hub that hides such a document changes nothing, because every owner's
broker keeps it for ever and says so, signed.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.contract.broker_requests import Notice
from cleanroom.contract.statements import Acknowledgement, verify_acknowledgement
from cleanroom.errors import UnavailableError
from cleanroom.identity.party import PartyDocument
from cleanroom.kernel.record import dataclass
from cleanroom.runner.broker_client import BrokerClient
from cleanroom.runner.reach import Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one owner's broker answered.

    Attributes:
        party: The owner.
        outcome: The signed acknowledgement, or why the broker could not be reached;
            the same command delivers again.
    """

    party: str
    outcome: Acknowledgement | UnavailableError

    @property
    def acknowledged(self) -> bool:
        """Whether the broker keeps the document."""
        return isinstance(self.outcome, Acknowledgement)


def deliver(
    notice: Notice, owners: Mapping[str, PartyDocument], *, reach: Reach
) -> tuple[Delivery, ...]:
    """Deliver a notice to every owner's broker; one that is down does not stop the others.

    Raises:
        IntegrityError: An acknowledgement is not that broker's.
        RefusedError: A broker does not accept the document.
    """
    return tuple(
        Delivery(party=party, outcome=_delivered(notice, document, reach))
        for party, document in owners.items()
    )


def _delivered(
    notice: Notice, owner: PartyDocument, reach: Reach
) -> Acknowledgement | UnavailableError:
    address, authorities = owner.broker_address, reach.authorities
    try:
        with BrokerClient(address, caller=reach.caller, authorities=authorities) as broker:
            logged = broker.notice(notice)
    except UnavailableError as unavailable:
        return unavailable
    return verify_acknowledgement(logged.statement, party=owner.name, broker_key=owner.broker_key)
