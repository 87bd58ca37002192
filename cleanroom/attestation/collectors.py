# SPDX-License-Identifier: Apache-2.0
"""The collectors of this machine: one a kind, each asked by name and never tried in turn.

Which device a runner asks follows from the contract. Trying one after another
would let whoever runs the machine choose the weakest by unplugging the others.
"""

from __future__ import annotations

from collections.abc import Iterable

from cleanroom.attestation.platform import Collector
from cleanroom.errors import UnavailableError


def collector_for(kind: str, *, collectors: Iterable[Collector]) -> Collector:
    """Return the collector of one kind, if its machine is complete.

    Raises:
        UnavailableError: No collector makes this kind, or the machine lacks what it needs.
    """
    known = {collector.platform: collector for collector in collectors}
    if kind not in known:
        raise UnavailableError(
            f"{kind}: no collector makes it, agreed one of {', '.join(sorted(known)) or 'none'}",
            code="attestation.no-collector",
        )
    missing = known[kind].missing()
    if missing:
        raise UnavailableError(
            f"{kind}: this machine lacks {'; '.join(missing)}",
            code="attestation.no-platform",
            hint="start the runner on a machine with one of the agreed platforms",
        )
    return known[kind]
