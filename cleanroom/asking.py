# SPDX-License-Identifier: Apache-2.0
"""Ask for a run that happens elsewhere: sign its request here, verify its receipt here.

Between the two lies somebody's queue, which is believed nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cleanroom import room as line
from cleanroom.contract import places
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.proposed_query import read_query
from cleanroom.contract.query import ParameterValue, typed_values
from cleanroom.contract.run_request import RunRequest, RunTerms
from cleanroom.contract.signed_run import publish_run
from cleanroom.contract.signing import SigningParty
from cleanroom.identity.pins import load_pins
from cleanroom.identity.profile import Profile
from cleanroom.identity.ssh_key import Signer
from cleanroom.kernel.clock import Clock, system_clock

if TYPE_CHECKING:
    from cleanroom.receipt.verify import VerifiedReceipt


def request_run(
    profile: Profile,
    signer: Signer,
    *,
    room: Path,
    query: str,
    parameters: Mapping[str, ParameterValue],
    receivers: Sequence[str],
    clock: Clock = system_clock,
) -> RunRequest:
    """Sign a request that brokers would accept and put it into the room; nothing runs yet.

    Args:
        profile: The submitter's profile.
        signer: Signs the request.
        room: The room's directory, or a mirror.
        query: Name of an approved query.
        parameters: A value for each of its parameters.
        receivers: Fewer receivers than the query names; empty for all of them.
        clock: Says when the request is signed.

    Raises:
        RefusedError: Brokers would say no.
        IntegrityError: Something in the room is not what was signed.
    """
    directory, now = RoomDirectory(path=room), clock()
    agreement = line.verify_contract(room, load_pins(profile.pins_directory))
    proposed = read_query(directory, query, agreement=agreement)
    terms = RunTerms(
        run=f"{now:%Y%m%dt%H%M%S}-{secrets.token_hex(4)}",
        contract=agreement.contract.digest,
        query=proposed.digest,
        submitter=profile.name,
        receivers=frozenset(receivers) or proposed.receivers,
        parameters=typed_values(proposed, parameters),
        expires=now + line.RUN_REQUEST_LIFE,
    )
    party = SigningParty(document=profile.party, signer=signer)
    return publish_run(directory, terms, agreement=agreement, party=party, at=now)


def verify_run(profile: Profile, request: RunRequest, *, room: Path) -> VerifiedReceipt:
    """Verify the receipt of a run that this party asked for, wherever it ran.

    Raises:
        CleanroomError: As :func:`cleanroom.room.verify`.
        IntegrityError: It is the receipt of another request.
    """
    trust = load_pins(profile.pins_directory)
    verified = line.verify(room / places.receipt_file(request.run), trust=trust)
    # The receipt of another request is as genuine; only this one answers (T-15).
    request.digest.require(verified.body.run_request, what="receipt.json: run request")
    return verified
