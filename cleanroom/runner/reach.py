# SPDX-License-Identifier: Apache-2.0
"""What reaching brokers on other machines needs: in whose name, and whose certificates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from cleanroom.contract.introduction import (
    Introduction,
    introduction_from_json,
    introduction_to_json,
)
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.record import dataclass

NONE = dt.timedelta(0)
MAX_PATIENCE_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How a process reaches brokers.

    Attributes:
        caller: For whom requests are signed; nobody where every broker is on this machine.
        authorities: PEM certificates of whoever may vouch for the brokers' hosts; empty
            for the system's.
        patience: How long a broker that does not answer is asked again.
    """

    caller: Introduction | None
    authorities: str
    patience: dt.timedelta = NONE

    def to_json(self) -> dict[str, JSONValue]:
        """Write it for a runner; a caller's secret key is in it."""
        return {
            "authorities": self.authorities,
            "caller": None if self.caller is None else introduction_to_json(self.caller),
            "patience": int(self.patience.total_seconds()),
        }


ON_THIS_MACHINE = Reach(caller=None, authorities="")


def reach_from_json(value: Mapping[str, object], *, what: str) -> Reach:
    """Read it in a runner.

    Raises:
        MalformedError: Not of this shape.
    """
    caller = value["caller"]
    return Reach(
        caller=None if caller is None else introduction_from_json(caller, what=what),
        authorities=str(value["authorities"]),
        patience=dt.timedelta(seconds=min(int(str(value["patience"])), MAX_PATIENCE_SECONDS)),
    )
