# SPDX-License-Identifier: Apache-2.0
"""Which brokers have taken note of a decision, and which must still be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cleanroom.cli.session import Session

if TYPE_CHECKING:
    from cleanroom.runner.notices import Delivery


def report(
    session: Session, value: Mapping[str, Any], deliveries: Sequence[Delivery], *, text: str
) -> None:
    """Print what was decided and whose brokers acknowledged it.

    A broker that could not be reached has not been told, and a room that hides the
    document would keep it that way; so each one is named with what to do.
    """
    told = [delivery.party for delivery in deliveries if delivery.acknowledged]
    missed = [delivery.party for delivery in deliveries if not delivery.acknowledged]
    session.emit({**value, "acknowledged_by": told, "not_reached": missed}, text)
    if told:
        session.note(f"acknowledged by the brokers of {', '.join(told)}")
    for party in missed:
        session.note(
            f"warning: the broker of {party} was not reached and does not know; "
            "run this again when it serves"
        )
