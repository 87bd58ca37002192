# SPDX-License-Identifier: Apache-2.0
import stat

import pytest

from cleanroom.errors import IntegrityError, RefusedError, UnavailableError
from cleanroom.identity.signers import FileSigner, generate_ssh_key
from tests.support.keys import PASSPHRASE, plain_key_file, signer, signing_key


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "signing"
    return path, generate_ssh_key(path, PASSPHRASE)


def test_a_generated_key_opens_with_its_passphrase(generated):
    path, public_key = generated
    loaded = FileSigner.load(path, PASSPHRASE)
    assert loaded.public_key == public_key
    public_key.verify(loaded.sign(b"message"), b"message", what="document")


def test_a_generated_key_is_for_its_owner_only(generated):
    path, public_key = generated
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.with_name("signing.pub").read_text() == f"{public_key.line()}\n"


def test_an_existing_key_is_never_overwritten(generated):
    path, _ = generated
    before = path.read_bytes()
    with pytest.raises(RefusedError, match="^signing: exists already$"):
        generate_ssh_key(path, PASSPHRASE)
    assert path.read_bytes() == before


def test_a_wrong_passphrase_refuses(generated):
    with pytest.raises(IntegrityError, match="^signing: wrong passphrase"):
        FileSigner.load(generated[0], b"another passphrase")


@pytest.mark.parametrize("passphrase", [b"", b"1234567"])
def test_a_short_passphrase_makes_no_key(tmp_path, passphrase):
    with pytest.raises(RefusedError, match="fewer than 8") as refusal:
        generate_ssh_key(tmp_path / "signing", passphrase)
    assert refusal.value.code == "identity.passphrase-short"
    assert not list(tmp_path.iterdir())


def test_an_unwritable_directory_is_reported(tmp_path):
    with pytest.raises(UnavailableError, match="^signing: cannot be written"):
        generate_ssh_key(tmp_path / "absent" / "signing", PASSPHRASE)


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
