# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.identity.ssh_key import ED25519, SSHPublicKey, ed25519_key
from cleanroom.identity.wire import wire_string
from cleanroom.kernel.strict_base64 import encode_base64
from tests.support.hardware_token import SoftwareToken
from tests.support.keys import signer, signing_key
from tests.support.openssh import needs_ssh_keygen, new_key

HOSPITAL = signer("hospital")
LINE = HOSPITAL.public_key.line()
TOKEN = SoftwareToken(key=signing_key("token"))
MESSAGE = b"message"


def test_a_line_reads_back():
    assert SSHPublicKey.parse(LINE) == HOSPITAL.public_key


def test_a_comment_is_not_part_of_the_key():
    assert SSHPublicKey.parse(f"{LINE} alice@hospital.example, desk 4").line() == LINE


@needs_ssh_keygen
def test_a_line_by_ssh_keygen_is_read_and_written_alike(tmp_path):
    line = new_key(tmp_path / "key").with_suffix(".pub").read_text().strip()
    assert SSHPublicKey.parse(line).line() == line.rpartition(" ")[0]


@pytest.mark.parametrize(
    "line",
    [
        "",
        ED25519,
        f"{LINE}\n",
        f" {LINE}",
        f"{LINE} a\x1b[2Jb",
        LINE.replace(" ", "  "),
        LINE + "A" * 2000,
        LINE[:-1],
        f'command="x" {LINE}',
        LINE.replace("ssh-ed25519", "sk-ssh-ed25519@openssh.com"),
        LINE.replace("ssh-ed25519", "ssh-rsa"),
    ],
    ids=[
        "empty", "no-key", "newline", "indented", "escape", "two-spaces", "huge",
        "cut", "options", "named-token", "named-rsa",
    ],
)  # fmt: skip
def test_another_form_is_refused(line):
    with pytest.raises(MalformedError, match="^signing key:"):
        SSHPublicKey.parse(line, what="signing key")


@pytest.mark.parametrize(
    "algorithm",
    [b"ssh-rsa", b"ssh-dss", b"ecdsa-sha2-nistp256", b"ssh-ed25519-cert-v01@openssh.com"],
)
def test_another_algorithm_is_refused_with_the_way_out(algorithm):
    blob = wire_string(algorithm) + wire_string(bytes(32))
    with pytest.raises(MalformedError, match="not Ed25519") as refusal:
        SSHPublicKey.parse(f"{algorithm.decode()} {encode_base64(blob)}")
    assert "ssh-keygen -t ed25519" in refusal.value.hint


def test_bytes_after_the_key_are_refused():
    with pytest.raises(MalformedError, match="bytes after the end"):
        SSHPublicKey.from_blob(HOSPITAL.public_key.blob + b"\0")


def test_a_key_of_small_order_is_refused():
    with pytest.raises(MalformedError, match="small order"):
        ed25519_key(bytes(32))


@pytest.mark.parametrize("algorithm", ["ssh-rsa", "sk-ssh-ed25519@openssh.com", ""])
def test_a_key_cannot_be_made_under_another_name(algorithm):
    with pytest.raises(MalformedError):
        SSHPublicKey(algorithm=algorithm, blob=HOSPITAL.public_key.blob)


@pytest.mark.parametrize(("algorithm", "inside"), [("ssh-rsa", b"ssh-rsa"), (ED25519, b"ssh-rsa")])
def test_a_key_of_an_unknown_algorithm_cannot_be_made_directly(algorithm, inside):
    blob = wire_string(inside) + wire_string(HOSPITAL.public_key.raw)
    with pytest.raises(MalformedError, match="named unlike the key it holds"):
        SSHPublicKey(algorithm=algorithm, blob=blob)


def test_a_token_key_is_not_a_plain_one():
    with pytest.raises(MalformedError):
        SSHPublicKey(algorithm=ED25519, blob=TOKEN.blob)


@pytest.mark.parametrize("application", [b"", b"https://bank.example", b"ssh", b"ssh:\n"])
def test_a_token_key_made_for_something_else_is_refused(application):
    token = replace(TOKEN, application=application)
    with pytest.raises(MalformedError, match="not a token key made for SSH"):
        SSHPublicKey.from_blob(token.blob)


def test_a_signature_verifies():
    HOSPITAL.public_key.verify(HOSPITAL.sign(MESSAGE), MESSAGE, what="document")


def test_a_token_signature_verifies_and_its_key_reads_back():
    assert SSHPublicKey.parse(TOKEN.public_key.line()) == TOKEN.public_key
    TOKEN.public_key.verify(TOKEN.sign(MESSAGE), MESSAGE, what="document")


@pytest.mark.parametrize("who", [HOSPITAL, TOKEN], ids=["file", "token"])
def test_any_flipped_bit_of_the_signature_refuses(who):
    good = who.sign(MESSAGE)
    for at in range(len(good) * 8):
        bad = bytearray(good)
        bad[at // 8] ^= 1 << at % 8
        with pytest.raises((IntegrityError, MalformedError), match="^document:"):
            who.public_key.verify(bytes(bad), MESSAGE, what="document")


@pytest.mark.parametrize("who", [HOSPITAL, TOKEN], ids=["file", "token"])
def test_a_cut_or_prolonged_signature_refuses(who):
    good = who.sign(MESSAGE)
    for bad in (*(good[:length] for length in range(len(good))), good + b"\0"):
        with pytest.raises((IntegrityError, MalformedError)):
            who.public_key.verify(bad, MESSAGE, what="document")


def test_another_message_refuses():
    with pytest.raises(IntegrityError, match="does not match the bytes") as refusal:
        HOSPITAL.public_key.verify(HOSPITAL.sign(MESSAGE), b"other", what="document")
    assert refusal.value.code == "signature.mismatch"


def test_a_token_signature_does_not_pass_for_a_plain_one():
    plain = ed25519_key(TOKEN.public_key.raw)
    with pytest.raises(IntegrityError, match="of another algorithm") as refusal:
        plain.verify(TOKEN.sign(MESSAGE), MESSAGE, what="document")
    assert refusal.value.code == "signature.algorithm"


def test_a_plain_signature_by_the_tokens_key_does_not_pass_for_the_tokens():
    # Whoever extracted the key still could not name a plain signature the token's.
    blob = wire_string(b"sk-ssh-ed25519@openssh.com") + wire_string(TOKEN.key.sign(MESSAGE))
    with pytest.raises(IntegrityError):
        TOKEN.public_key.verify(blob + b"\x01\0\0\0\7", MESSAGE, what="document")


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_is_refused(length):
    blob = wire_string(ED25519.encode()) + wire_string(bytes(length))
    with pytest.raises(MalformedError, match="not a 64-byte signature"):
        HOSPITAL.public_key.verify(blob, MESSAGE, what="document")


def test_a_token_that_nobody_touched_is_refused():
    token = replace(TOKEN, flags=0x04)
    with pytest.raises(RefusedError, match="without being touched") as refusal:
        token.public_key.verify(token.sign(MESSAGE), MESSAGE, what="document")
    assert refusal.value.code == "signature.presence"


def test_claiming_a_touch_afterwards_breaks_the_signature():
    untouched = replace(TOKEN, flags=0x00).sign(MESSAGE)
    claimed = untouched[:-5] + b"\x01" + untouched[-4:]
    with pytest.raises(IntegrityError):
        TOKEN.public_key.verify(claimed, MESSAGE, what="document")
