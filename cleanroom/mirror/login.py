# SPDX-License-Identifier: Apache-2.0
"""A request key that is kept between commands, so that a party signs for it once a day.

Whoever steals it can ask hubs and brokers in the party's name until it expires; it
signs no contract, no approval and no run.
"""

from __future__ import annotations

import datetime as dt

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.contract.introduction import (
    Introduction,
    introduce,
    introduction_from_json,
    introduction_to_json,
)
from cleanroom.contract.request_key import parse_request_key
from cleanroom.contract.signing import SigningParty
from cleanroom.errors import RefusedError
from cleanroom.identity.private_files import read_private_file
from cleanroom.identity.profile import Profile
from cleanroom.identity.ssh_key import Signer
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.files import PRIVATE_FILE, write_atomic
from cleanroom.kernel.limits import KIB
from cleanroom.kernel.strict_json import parse_json

REQUEST_KEY_FILE = "request-key.json"
_MAX_BYTES = 32 * KIB
_WHAT = "request key"


def log_in(profile: Profile, signer: Signer, *, at: dt.datetime) -> dt.datetime:
    """Make a request key, let the party sign for it, and keep it in the profile.

    Returns:
        When it expires.

    Raises:
        CleanroomError: Whatever stops the signer.
        UnavailableError: The disk refuses.
    """
    party = SigningParty(document=profile.party, signer=signer)
    introduction = introduce(party, key=Ed25519PrivateKey.generate(), at=at)
    data = canonical_json(introduction_to_json(introduction))
    write_atomic(profile.directory / REQUEST_KEY_FILE, data, mode=PRIVATE_FILE)
    return parse_request_key(introduction.document).expires


def kept_introduction(profile: Profile, *, at: dt.datetime) -> Introduction:
    """Return the request key that the party signed for last.

    Raises:
        RefusedError: There is none, it has expired, or others can read it.
        MalformedError: The file was changed.
    """
    path = profile.directory / REQUEST_KEY_FILE
    if not path.exists():
        raise _log_in("none yet")
    data = read_private_file(path, limit=_MAX_BYTES)
    value = parse_json(data, what=_WHAT, limit=_MAX_BYTES)
    introduction = introduction_from_json(value, what=_WHAT)
    if at >= parse_request_key(introduction.document).expires:
        raise _log_in("the last one has expired")
    return introduction


def _log_in(found: str) -> RefusedError:
    return RefusedError(
        f"{_WHAT}: {found}, agreed one that this party signed for",
        code="request.key-absent",
        hint="cleanroom room login, once in twelve hours",
    )
