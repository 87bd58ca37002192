# SPDX-License-Identifier: Apache-2.0

import pytest

from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.identity.openssh_file import encrypt_key_file
from cleanroom.identity.signers import FileSigner
from tests.support.keys import PASSPHRASE, plain_key_file, signer, signing_key


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "signing"
    path.touch(mode=0o600)
    path.write_bytes(encrypt_key_file(signing_key("a"), PASSPHRASE))
    return path


def test_a_key_file_opens_with_its_passphrase(key_file):
    loaded = FileSigner.load(key_file, PASSPHRASE)
    assert loaded.public_key == signer("a").public_key
    loaded.public_key.verify(loaded.sign(b"message"), b"message", what="document")


def test_a_wrong_passphrase_refuses(key_file):
    with pytest.raises(IntegrityError, match="^signing: wrong passphrase"):
        FileSigner.load(key_file, b"another passphrase")


def test_an_absent_file_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError, match="^signing: cannot be read"):
        FileSigner.load(tmp_path / "signing", PASSPHRASE)


def test_an_unencrypted_file_opens_whatever_the_passphrase(tmp_path):
    path = tmp_path / "signing"
    path.touch(mode=0o600)
    path.write_bytes(plain_key_file(signing_key("a")))
    assert FileSigner.load(path, b"").public_key == signer("a").public_key
    assert FileSigner.load(path, PASSPHRASE).public_key == signer("a").public_key


def test_showing_a_signer_does_not_show_its_key():
    assert "key=<" not in repr(signer("a"))
    assert "Ed25519PrivateKey" not in repr(signer("a"))
