# SPDX-License-Identifier: Apache-2.0
"""Sign a run request and publish it, once it is one that everybody would accept.

A signed request in a room is a standing order: whoever can read the room can start a
runner on it until it expires. One that is refused today could be good tomorrow, when
the missing approval arrives, and nobody would still expect it.
"""

from __future__ import annotations

import datetime as dt

from cleanroom.contract import places
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.approved_run import approve_run
from cleanroom.contract.document_render import render_run_request
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.run_request import RunRequest, RunTerms, parse_run_request
from cleanroom.contract.signing import SigningParty, sign_document


def publish_run(
    room: RoomDirectory,
    terms: RunTerms,
    *,
    agreement: Agreement,
    party: SigningParty,
    at: dt.datetime,
) -> RunRequest:
    """Sign a run request, judge it as every broker will, and only then publish it.

    Args:
        room: The room that holds the query, its approvals and revocations.
        terms: What the request says.
        agreement: What the parties agreed.
        party: The submitter.
        at: The submitter's time.

    Raises:
        MalformedError: A value, receiver or name is of another form.
        IntegrityError: Something in the room is not what was signed.
        RefusedError: Submitter, receivers, values, approvals or times are not those agreed.
    """
    place = places.run_file(terms.run)
    signed = sign_document(render_run_request(terms), kind="run", party=party)
    request = parse_run_request(signed.data, what=place)
    # An unwanted request must not outlive its refusal, not even for an hour (T-06, T-07, T-12).
    approve_run(agreement, room.run_bundle(signed, request), at=at)
    room.publish(place, signed.data, signed.signatures)
    return request
