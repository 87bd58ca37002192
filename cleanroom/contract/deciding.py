# SPDX-License-Identifier: Apache-2.0
"""Number a party's next decision about a query, so that its last word outranks all before."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

from cleanroom.contract import places
from cleanroom.contract.approval import parse_approval
from cleanroom.contract.layout import RoomDirectory
from cleanroom.envelope.signed_file import verify_file
from cleanroom.errors import CleanroomError
from cleanroom.identity.party import PartyDocument


def next_sequence(room: RoomDirectory, query: str, *, party: PartyDocument, at: dt.datetime) -> int:
    """Return the sequence number of a party's next decision.

    Its own clock counts: a number taken from whatever lies in the room could be made so
    high that no later rejection ever outranks it. Its own last decision counts as well,
    for it may have been signed while that clock ran ahead (T-06).

    Args:
        room: Where the last decision may lie.
        query: Name of the query.
        party: Who decides.
        at: The party's time.
    """
    last = 0
    # Whatever else lies there is no decision of this party.
    with suppress(CleanroomError):
        place = places.approval_file(query, party.name)
        file = room.load(place)
        verify_file(file, kind="approval", signer=party, what=place)
        last = parse_approval(file.data).sequence
    return max(int(at.timestamp()), last + 1)
