# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.limits import MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES
from cleanroom.ledger.note import NoteKey, parse_note, sign_note, verify_note
from tests.support.logs import KEY, ORIGIN, PUBLIC_KEY

NOTE_KEY = NoteKey(name=ORIGIN, public=PUBLIC_KEY)
TEXT = "first line\n\nlast line\n"
NOTE = sign_note(TEXT, name=ORIGIN, key=KEY)
OTHER = Ed25519PrivateKey.from_private_bytes(b"O" * 32)


def signature_line(*, name=ORIGIN, key=KEY, text=TEXT):
    return sign_note(text, name=name, key=key).decode().rpartition("\n\n")[2]


def test_a_signed_note_gives_its_text_back():
    assert verify_note(NOTE, key=NOTE_KEY) == TEXT


def test_the_key_identifier_is_the_published_construction():
    digest = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + PUBLIC_KEY).digest()
    assert NOTE_KEY.identifier == digest[:4]
    encoded = base64.b64encode(b"\x01" + PUBLIC_KEY).decode()
    assert NOTE_KEY.verifier_key == f"{ORIGIN}+{digest[:4].hex()}+{encoded}"


def test_signatures_of_unknown_keys_are_ignored():
    cosigned = NOTE + signature_line(name="witness", key=OTHER).encode()
    assert verify_note(cosigned, key=NOTE_KEY) == TEXT
    same_name = NOTE + signature_line(key=OTHER).encode()
    assert verify_note(same_name, key=NOTE_KEY) == TEXT


def test_a_signature_that_shares_only_the_identifier_with_our_key_is_ignored():
    # Four bytes are cheap to hit; a witness that does so must not make the note unreadable.
    collision = base64.b64encode(NOTE_KEY.identifier + bytes(64)).decode()
    assert verify_note(NOTE + f"— witness {collision}\n".encode(), key=NOTE_KEY) == TEXT


@pytest.mark.parametrize(
    "note",
    [
        sign_note(TEXT, name=ORIGIN, key=OTHER),
        sign_note(TEXT, name="another/log", key=KEY),
    ],
)
def test_a_note_that_the_key_did_not_sign_is_refused(note):
    with pytest.raises(IntegrityError, match="^checkpoint: not signed") as refused:
        verify_note(note, key=NOTE_KEY)
    assert refused.value.code == "ledger.unsigned"


@given(st.integers(0, len(TEXT.encode()) - 2), st.integers(0, 6))
def test_every_flipped_bit_of_the_text_is_refused(at, bit):
    changed = bytearray(NOTE)
    changed[at] ^= 1 << bit
    with pytest.raises((IntegrityError, MalformedError)):
        verify_note(bytes(changed), key=NOTE_KEY)


@pytest.mark.parametrize("at", range(4, 68))
def test_every_changed_byte_of_the_signature_is_refused(at):
    head, _, line = NOTE.decode().rpartition(" ")
    value = bytearray(base64.b64decode(line))
    value[at] ^= 1
    changed = f"{head} {base64.b64encode(bytes(value)).decode()}\n".encode()
    with pytest.raises(IntegrityError, match="^checkpoint: the signature") as refused:
        verify_note(changed, key=NOTE_KEY)
    assert refused.value.code == "ledger.signature"


def test_two_signatures_by_one_key_are_refused():
    with pytest.raises(MalformedError) as refused:
        verify_note(NOTE + signature_line().encode(), key=NOTE_KEY)
    assert refused.value.code == "ledger.signature-twice"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "ledger.note"),
        (b"text\n", "ledger.note"),
        (signature_line(text="\n").encode(), "ledger.note"),
        (TEXT.encode() + b"\n", "ledger.note"),
        (NOTE[:-1], "ledger.note"),
        (NOTE + b"\n", "ledger.note"),
        (NOTE + b"more\n", "ledger.note"),
        (NOTE.replace("— ".encode(), b"- "), "ledger.note"),
        (NOTE.replace("— ".encode(), "—  ".encode()), "ledger.note"),
        (NOTE.replace(b"first", b"first\r"), "ledger.control"),
        (NOTE.replace(b"first", b"fi\x00rst"), "ledger.control"),
        (NOTE.replace(b"first", b"fir\xffst"), "format.encoding"),
        (f"{TEXT}\n— name AAAA\n".encode(), "ledger.note"),
        (f"{TEXT}\n— name AAAAA\n".encode(), "format.base64"),
        (f"{TEXT}\n— name AAAAAB==\n".encode(), "format.base64"),
        (b"x" * (MAX_NOTE_BYTES + 1), "format.oversize"),
        (
            NOTE + signature_line(name="w", key=OTHER).encode() * MAX_NOTE_SIGNATURES,
            "format.oversize",
        ),
    ],
)
def test_a_note_of_another_form_is_refused_by_cause(data, code):
    with pytest.raises(MalformedError) as refused:
        parse_note(data)
    assert refused.value.code == code


def test_sixteen_signatures_are_accepted_as_the_format_demands():
    lines = "".join(signature_line(name=f"w{n}", key=OTHER) for n in range(15))
    assert verify_note(NOTE + lines.encode(), key=NOTE_KEY) == TEXT


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\u200eb", "x" * 256])
def test_a_key_name_that_the_format_cannot_carry_is_refused(name):
    with pytest.raises(MalformedError) as refused:
        NoteKey(name=name, public=PUBLIC_KEY)
    assert refused.value.code == "ledger.key-name"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length):
    with pytest.raises(MalformedError) as refused:
        NoteKey(name=ORIGIN, public=bytes(length))
    assert refused.value.code == "ledger.key-length"


@pytest.mark.parametrize("text", ["no newline", "control\x01\n"])
def test_a_text_that_nobody_could_read_back_is_not_signed(text):
    with pytest.raises(MalformedError):
        sign_note(text, name=ORIGIN, key=KEY)
