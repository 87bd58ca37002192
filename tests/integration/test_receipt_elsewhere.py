# SPDX-License-Identifier: Apache-2.0
"""Other people's tools check a receipt's signatures; ours is not needed for that."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from cleanroom.envelope.dsse import key_identifier
from tests.support.keys import throwaway_party
from tests.support.receipt_forge import RUN_KEY, Forge
from tests.support.receipt_room import OWNERS

RECEIPT = Forge().receipt()
RUN_PUBLIC = RUN_KEY.public_key().public_bytes_raw()


def foreign_key(raw):
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw), keyid=key_identifier(raw))


def read():
    return json.loads(RECEIPT)


def test_a_plain_dsse_verifier_verifies_the_receipt_file_as_it_lies_there():
    envelope = Envelope.from_dict(read())
    assert envelope.verify([foreign_key(RUN_PUBLIC)], threshold=1)
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"][0]["name"] == "result.sealed"


@pytest.mark.parametrize("owner", OWNERS)
def test_it_verifies_what_each_broker_said_too(owner):
    key = foreign_key(throwaway_party(owner).document.broker_key)
    predicate = json.loads(Envelope.from_dict(read()).payload)["predicate"]
    for logged in (predicate["releases"][owner], read()["countersignatures"][owner]):
        assert Envelope.from_dict(logged["statement"]).verify([key], threshold=1)


def test_it_refuses_a_receipt_with_one_byte_changed():
    envelope = Envelope.from_dict(read())
    envelope.payload = envelope.payload.replace(b'"computed"', b'"Computed"', 1)
    with pytest.raises(VerificationError):
        envelope.verify([foreign_key(RUN_PUBLIC)], threshold=1)
