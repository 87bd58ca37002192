# SPDX-License-Identifier: Apache-2.0
"""T-03: whoever hosts the room exchanges party documents for his own.

The attacker writes any file in the room, and signs with keys of his own; he does
not hold a party's keys, and he is not in the telephone call in which two people
compare fingerprints.
"""

import pytest

from cleanroom.envelope.signed_file import verify_file
from cleanroom.errors import CleanroomError, IntegrityError, MalformedError, RefusedError
from cleanroom.identity.party import parse_party, render_party
from cleanroom.identity.pins import load_pins, pin
from cleanroom.identity.ssh_key import ed25519_key
from tests.support.keys import sign_by, throwaway_party

THREATS = frozenset({"T-03", "T-18"})

HOSPITAL = throwaway_party("hospital")
FALSE_HOSPITAL = throwaway_party("hospital", edition=666)
MALLORY = throwaway_party("mallory")


def fields(document):
    names = (
        "name", "title", "signing_keys", "receiving_key", "broker_address", "broker_key",
    )  # fmt: skip
    return {name: getattr(document, name) for name in names}


@pytest.fixture
def pins(tmp_path):
    pin(tmp_path / "pins", HOSPITAL.document, confirmed=HOSPITAL.document.digest)
    return tmp_path / "pins"


def test_a_false_document_that_signs_for_itself_is_not_pinned_under_the_true_fingerprint(tmp_path):
    # Its self-signature is genuine, which proves only that Mallory has Mallory's keys.
    verify_file(
        FALSE_HOSPITAL.signed_document, kind="party", signer=FALSE_HOSPITAL.document, what="party"
    )
    with pytest.raises(IntegrityError, match="^party hospital: fingerprint"):
        pin(tmp_path / "pins", FALSE_HOSPITAL.document, confirmed=HOSPITAL.document.digest)
    assert not (tmp_path / "pins").exists()


def test_a_false_document_does_not_displace_a_pin_even_when_somebody_confirms_it(pins):
    with pytest.raises(RefusedError, match="^party hospital: another document is pinned"):
        pin(pins, FALSE_HOSPITAL.document, confirmed=FALSE_HOSPITAL.document.digest)
    assert load_pins(pins).documents == {"hospital": HOSPITAL.document}


@pytest.mark.parametrize("field", ["signing_keys", "receiving_key", "broker_address", "broker_key"])
def test_exchanging_one_field_changes_the_fingerprint(field):
    swapped = fields(HOSPITAL.document) | {field: getattr(MALLORY.document, field)}
    assert parse_party(render_party(**swapped)).digest != HOSPITAL.document.digest


def test_exchanging_one_field_after_signing_breaks_the_partys_own_signature():
    swapped = fields(HOSPITAL.document) | {"receiving_key": MALLORY.document.receiving_key}
    document = parse_party(render_party(**swapped))
    file = sign_by(document.raw, kind="party", parties=(HOSPITAL,))
    verify_file(file, kind="party", signer=document, what="party")
    kept = type(file)(data=document.raw, signatures={"hospital": HOSPITAL.document_signature})
    with pytest.raises(IntegrityError):
        verify_file(kept, kind="party", signer=document, what="party")


def test_adding_a_second_signing_key_breaks_the_partys_own_signature():
    keys = (*HOSPITAL.document.signing_keys, *MALLORY.document.signing_keys)
    document = parse_party(render_party(**fields(HOSPITAL.document) | {"signing_keys": keys}))
    kept = HOSPITAL.signed_document
    with pytest.raises(IntegrityError):
        verify_file(
            type(kept)(data=document.raw, signatures=kept.signatures),
            kind="party",
            signer=document,
            what="party",
        )


def test_mallory_cannot_join_twice_by_borrowing_a_partys_key(pins):
    borrowed = fields(MALLORY.document) | {"signing_keys": HOSPITAL.document.signing_keys}
    document = parse_party(render_party(**borrowed))
    with pytest.raises(RefusedError, match="^party mallory: uses a key of party hospital$"):
        pin(pins, document, confirmed=document.digest)


def test_a_broker_key_that_anybody_can_sign_for_is_refused():
    text = HOSPITAL.document.raw.decode()
    start = text.index("ed25519:") + len("ed25519:")
    weak = text[:start] + "A" * 43 + "=" + text[start + 44 :]
    with pytest.raises(MalformedError, match="broker key: a point of small order$"):
        parse_party(weak.encode())


def test_a_signing_key_that_anybody_can_sign_for_cannot_even_be_named():
    with pytest.raises(MalformedError, match="small order"):
        ed25519_key((1).to_bytes(32, "little"))


@pytest.mark.parametrize(
    "name", ["hospit\u0430l", "hospital ", "HOSPITAL", "hospital\u200b", "hospital/../insurer"]
)
def test_a_name_that_only_looks_like_the_partys_is_refused(name):
    with pytest.raises(MalformedError, match="not a short lower-case name"):
        render_party(**fields(MALLORY.document) | {"name": name})


@pytest.mark.parametrize(
    "title", ["St. Anna\u202e", "St. Anna\x1b[8m", "St.\u2028Anna", "St. Anna\x00"]
)
def test_a_title_that_would_disturb_the_screen_is_refused(title):
    with pytest.raises(
        MalformedError, match="not a printable line|the character U\\+20"
    ) as refused:
        render_party(**fields(MALLORY.document) | {"title": title})
    assert title not in str(refused.value)


def test_no_byte_of_a_pinned_document_can_change_unnoticed(pins):
    path, good = pins / "hospital.toml", HOSPITAL.document
    for at in range(0, len(good.raw), 41):
        bad = bytearray(good.raw)
        bad[at] ^= 1
        path.write_bytes(bytes(bad))
        try:
            found = load_pins(pins).documents["hospital"]
        except CleanroomError:
            continue
        assert found.digest != good.digest
