# SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest

from cleanroom.errors import MalformedError
from cleanroom.identity.party import parse_party, render_party
from cleanroom.identity.ssh_key import ed25519_key
from cleanroom.kernel.strict_base64 import encode_base64
from tests.support.hardware_token import SoftwareToken
from tests.support.keys import signer, signing_key, throwaway_party

HOSPITAL = throwaway_party("hospital").document
TEXT = HOSPITAL.raw.decode()
FIELDS = {
    "name": HOSPITAL.name,
    "title": HOSPITAL.title,
    "signing_keys": HOSPITAL.signing_keys,
    "receiving_key": HOSPITAL.receiving_key,
    "broker_address": HOSPITAL.broker_address,
    "broker_key": HOSPITAL.broker_key,
}


def test_a_rendered_document_reads_back():
    document = parse_party(render_party(**FIELDS))
    assert {name: getattr(document, name) for name in FIELDS} == FIELDS


def test_the_fingerprint_is_the_sha_256_of_the_exact_bytes():
    assert HOSPITAL.digest.hex == hashlib.sha256(HOSPITAL.raw).hexdigest()
    assert parse_party(HOSPITAL.raw + b"\n").digest != HOSPITAL.digest


def test_a_title_may_hold_quotes_and_any_script():
    title = 'St. "Anna" \\ Klinik für Kinder 子供'
    assert parse_party(render_party(**FIELDS | {"title": title})).title == title


def test_a_party_may_have_several_keys_and_a_token():
    keys = (signer("a").public_key, SoftwareToken(key=signing_key("t")).public_key)
    assert parse_party(render_party(**FIELDS | {"signing_keys": keys})).signing_keys == keys


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Hospital"}, "not a short lower-case name"),
        ({"name": ""}, "not a short lower-case name"),
        ({"name": "../etc"}, "not a short lower-case name"),
        ({"name": "a" * 33}, "not a short lower-case name"),
        ({"name": "hospital\n"}, "not a short lower-case name"),
        ({"title": ""}, "its title is not a printable line"),
        ({"title": " x"}, "its title is not a printable line"),
        ({"title": "x" * 129}, "its title is not a printable line"),
        ({"title": "a\x1b[2Jb"}, "its title is not a printable line"),
        ({"title": "a\u202eb"}, "the character U+202E in line"),
        ({"title": "a\nb"}, "its title is not a printable line"),
        ({"signing_keys": ()}, "not between 1 and 16 signing keys"),
        ({"signing_keys": HOSPITAL.signing_keys * 17}, "not between 1 and 16 signing keys"),
        ({"signing_keys": HOSPITAL.signing_keys * 2}, "found one key twice"),
        ({"signing_keys": (ed25519_key(HOSPITAL.broker_key),)}, "found one key twice"),
        ({"receiving_key": bytes(1215)}, "receiving key: not 1216 bytes"),
        ({"receiving_key": HOSPITAL.receiving_key[:1184] + bytes(32)}, "receiving key: an X25519"),
        ({"broker_address": "http://broker.example:80"}, "its broker address"),
        ({"broker_key": bytes(32)}, "broker key: a point of small order"),
        ({"broker_key": b""}, "broker key: not 32 bytes"),
    ],
)
def test_one_wrong_field_is_refused_by_name(change, message):
    with pytest.raises(MalformedError) as refusal:
        render_party(**FIELDS | change)
    assert str(refusal.value).startswith("party document: ")
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "field",
    ["format", "name", "title", "signing_keys", "receiving_key", "broker_address", "broker_key"],
)
def test_a_missing_field_is_refused_by_name(field):
    kept = TEXT.replace(f"{field} =", f"x_{field} =")
    with pytest.raises(MalformedError, match=r"^party document: \w+ is (missing|not a known key)$"):
        parse_party(kept.encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cleanroom.party.v0", "cleanroom.party.v1"),
        ("x-wing:", "x25519:"),
        ('"ed25519:', '"'),
        ('"ed25519:', '"ed25519: '),
        ('name = "hospital"', "name = 5"),
        ('name = "hospital"', 'name = "hospital"\nname = "hospital"'),
        ('name = "hospital"', 'name = "hospital"\nweight = 0.5'),
        ('name = "hospital"', 'name = "hospital"\nrole = "owner"'),
        ('  "ssh-ed25519', '  "ssh-rsa'),
        ("[\n", "\n"),
    ],
)
def test_one_change_of_the_text_is_refused(old, new):
    assert old in TEXT
    with pytest.raises(MalformedError, match="^party document"):
        parse_party(TEXT.replace(old, new, 1).encode())


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xef\xbb\xbf" + HOSPITAL.raw, b"#" * 20000])
def test_another_form_is_refused(data):
    with pytest.raises(MalformedError, match="^document of hospital: "):
        parse_party(data, what="document of hospital")


def test_a_second_spelling_of_a_key_is_refused():
    encoded = encode_base64(HOSPITAL.broker_key)
    twin = encoded[:-2] + chr(ord(encoded[-2]) + 1) + "="
    with pytest.raises(MalformedError, match="broker key: not standard base64"):
        parse_party(TEXT.replace(encoded, twin).encode())
