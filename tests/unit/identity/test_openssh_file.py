# SPDX-License-Identifier: Apache-2.0
import base64
import re
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.identity.openssh_file import (
    encrypt_key_file,
    open_key_file,
    public_key_of,
    read_key_header,
)
from cleanroom.identity.wire import wire_string
from tests.support.hardware_token import SoftwareToken
from tests.support.keys import PASSPHRASE, signing_key
from tests.support.openssh import needs_ssh_keygen, new_key

KEY = signing_key("file")
ENCRYPTED = KEY.private_bytes(
    Encoding.PEM,
    PrivateFormat.OpenSSH,
    PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(PASSPHRASE),
)
PLAIN = KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def body(file):
    return base64.b64decode(b"".join(file.split(b"\n")[1:-2]))


def armored(blob):
    text = base64.b64encode(blob)
    return (
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + text + b"\n-----END OPENSSH PRIVATE KEY-----\n"
    )


def header_only(*, cipher=b"aes256-ctr", kdf=b"bcrypt", rounds=16, keys=1, public=None):
    options = wire_string(bytes(16)) + rounds.to_bytes(4, "big")
    public = public if public is not None else public_key_of(KEY).blob
    return armored(
        b"openssh-key-v1\0"
        + wire_string(cipher)
        + wire_string(kdf)
        + wire_string(options)
        + keys.to_bytes(4, "big")
        + wire_string(public)
        + wire_string(bytes(64))
    )


@pytest.mark.parametrize(("file", "encrypted"), [(ENCRYPTED, True), (PLAIN, False)])
def test_the_header_is_read_without_a_passphrase(file, encrypted):
    header = read_key_header(file, what="signing")
    assert header.public_key == public_key_of(KEY)
    assert header.encrypted is encrypted


@pytest.mark.parametrize("file", [ENCRYPTED, PLAIN])
def test_the_key_opens(file):
    assert public_key_of(open_key_file(file, PASSPHRASE, what="signing")) == public_key_of(KEY)


@pytest.mark.parametrize("passphrase", [b"", b"wrong", PASSPHRASE + b"\0"])
def test_a_wrong_or_missing_passphrase_refuses(passphrase):
    with pytest.raises(IntegrityError, match="^signing: wrong passphrase") as refusal:
        open_key_file(ENCRYPTED, passphrase, what="signing")
    assert refusal.value.code == "identity.passphrase"


@needs_ssh_keygen
@pytest.mark.parametrize(
    "passphrase", ["", "a passphrase that is longer than the 72 bytes where bcrypt stops " * 2]
)
def test_a_file_by_ssh_keygen_opens(tmp_path, passphrase):
    path = new_key(tmp_path / "key", passphrase=passphrase)
    key = open_key_file(path.read_bytes(), passphrase.encode(), what="key")
    assert public_key_of(key).line() in path.with_suffix(".pub").read_text()


@pytest.fixture(scope="module")
def written():
    return encrypt_key_file(KEY, PASSPHRASE)


@needs_ssh_keygen
def test_ssh_keygen_opens_what_we_write(written, tmp_path):
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(written)
    command = ["ssh-keygen", "-y", "-P", PASSPHRASE.decode(), "-f", str(path)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert public_key_of(KEY).line() == " ".join(shown.split()[:2])


def test_a_written_file_has_the_documented_cost(written):
    options = re.search(rb"bcrypt\0\0\0\x18\0\0\0\x10.{16}(.{4})", body(written), re.DOTALL)
    assert int.from_bytes(options[1], "big") == 64


def test_a_derivation_beyond_the_limit_is_refused_before_it_runs():
    for rounds in (1025, 2**32 - 1):
        with pytest.raises(RefusedError, match="more than 1024 rounds") as refusal:
            open_key_file(header_only(rounds=rounds), PASSPHRASE, what="signing")
        assert refusal.value.code == "key.cost"


def test_the_private_half_of_another_key_type_is_refused():
    other = generate_private_key(SECP256R1())
    file = other.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    with pytest.raises(MalformedError, match="^signing: found a key that is not Ed25519"):
        open_key_file(file, b"", what="signing")


def test_a_tokens_key_handle_is_refused_with_the_way_out():
    token = SoftwareToken(key=KEY)
    with pytest.raises(RefusedError, match="stays in a hardware token") as refusal:
        read_key_header(header_only(public=token.blob), what="signing")
    assert "ssh-agent" in refusal.value.hint


def test_an_exchanged_public_half_is_refused():
    mine, other = public_key_of(KEY).raw, public_key_of(signing_key("other")).raw
    blob = body(PLAIN)
    first = blob.index(mine)
    exchanged = blob[:first] + other + blob[first + 32 :]
    with pytest.raises((IntegrityError, MalformedError), match="^signing:"):
        open_key_file(armored(exchanged), b"", what="signing")


def test_two_halves_that_agree_with_each_other_but_not_with_the_secret_are_refused():
    # Signing under somebody else's public half would leak the secret one.
    mine, other = public_key_of(KEY).raw, public_key_of(signing_key("other")).raw
    with pytest.raises(IntegrityError):
        open_key_file(armored(body(PLAIN).replace(mine, other)), b"", what="signing")


def test_an_unknown_cipher_is_refused():
    with pytest.raises(RefusedError, match="encrypted in a way that is not supported"):
        open_key_file(header_only(cipher=b"3des-cbc"), PASSPHRASE, what="signing")


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"x" * 20000,
        ENCRYPTED[: len(ENCRYPTED) // 2],
        b"\n" + ENCRYPTED,
        ENCRYPTED + b"x",
        armored(b""),
        armored(b"openssh-key-v2\0"),
        armored(b"openssh-key-v1\0" + b"\xff" * 4),
        header_only(keys=2),
        header_only(keys=0),
        header_only(public=b""),
        ENCRYPTED.replace(b"b3BlbnNza", b"b3BlbnNz?"),
    ],
)
def test_another_form_is_refused(file):
    with pytest.raises(MalformedError, match="^signing:"):
        open_key_file(file, PASSPHRASE, what="signing")


@pytest.mark.parametrize("file", [ENCRYPTED, PLAIN])
def test_any_cut_refuses(file):
    blob = body(file)
    for length in range(0, len(blob), 7):
        with pytest.raises((IntegrityError, MalformedError), match="^signing:"):
            open_key_file(armored(blob[:length]), PASSPHRASE, what="signing")
