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

    A broker that was not reached has not been told: the same command delivers
    again, and the document in the room counts as soon as that broker reads it.
    """
