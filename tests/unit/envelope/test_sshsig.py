# SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.envelope import sshsig
from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.identity.signers import AgentSigner, FileSigner
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.identity.wire import wire_string
from tests.support.hardware_token import SoftwareToken
from tests.support.keys import signer, signing_key
from tests.support.openssh import (
    accepts,
    needs_ssh_agent,
    needs_ssh_keygen,
    new_key,
    running_agent,
)
from tests.support.openssh import sign as ssh_keygen_sign

NAMESPACE = "cleanroom.contract.v0"
MESSAGE = b'format = "cleanroom.contract.v0"\n'
HOSPITAL = signer("hospital")
TOKEN = SoftwareToken(key=signing_key("token"))
GOOD = sshsig.sign(MESSAGE, namespace=NAMESPACE, signer=HOSPITAL)


def verify(armored, message=MESSAGE, namespace=NAMESPACE):
    return sshsig.verify(armored, message, namespace=namespace, what="contract")


def armored(blob):
    return sshsig._armor(blob)  # noqa: SLF001 - builds hostile signatures


def blob_of(*, version=1, reserved=b"", algorithm=b"sha512", key=None, more=b""):
    """A signature that is genuine except for one part."""
    digest = hashlib.new(algorithm.decode(), MESSAGE).digest()
    parts = (NAMESPACE.encode(), reserved, algorithm)
    signed = b"SSHSIG" + b"".join(wire_string(part) for part in (*parts, digest))
    key = HOSPITAL.public_key.blob if key is None else key
    body = b"".join(wire_string(part) for part in (key, *parts, HOSPITAL.sign(signed)))
    return b"SSHSIG" + version.to_bytes(4, "big") + body + more


@needs_ssh_keygen
@pytest.mark.parametrize(
    "message", [b"", MESSAGE, bytes(range(256)) * 50], ids=["empty", "text", "bytes"]
)
def test_our_signature_is_byte_for_byte_that_of_ssh_keygen(tmp_path, message):
    path = new_key(tmp_path / "key")
    theirs = ssh_keygen_sign(path, message, namespace=NAMESPACE)
    ours = sshsig.sign(message, namespace=NAMESPACE, signer=FileSigner.load(path, b""))
    assert ours == theirs


@needs_ssh_keygen
def test_we_accept_what_ssh_keygen_signs(tmp_path):
    path = new_key(tmp_path / "key")
    theirs = ssh_keygen_sign(path, MESSAGE, namespace=NAMESPACE)
    assert verify(theirs) == FileSigner.load(path, b"").public_key


@needs_ssh_keygen
@pytest.mark.parametrize("who", [HOSPITAL, TOKEN], ids=["file", "token"])
def test_ssh_keygen_accepts_what_we_sign_and_refuses_what_we_did_not(tmp_path, who):
    ours = sshsig.sign(MESSAGE, namespace=NAMESPACE, signer=who)
    claim = {
        "key": who.public_key.line(),
        "signature": ours,
        "message": MESSAGE,
        "namespace": NAMESPACE,
    }
    assert accepts(tmp_path, **claim)
    assert not accepts(tmp_path, **claim | {"message": MESSAGE + b" "})
    assert not accepts(tmp_path, **claim | {"namespace": "cleanroom.approval.v0"})
    assert not accepts(tmp_path, **claim | {"key": signer("other").public_key.line()})


@needs_ssh_keygen
@needs_ssh_agent
def test_a_signature_through_an_agent_is_that_of_the_key_file(tmp_path):
    path = new_key(tmp_path / "key")
    by_file = FileSigner.load(path, b"")
    with running_agent(tmp_path, path) as agent:
        path.unlink()
        by_agent = AgentSigner(public_key=by_file.public_key, socket=agent)
        ours = sshsig.sign(MESSAGE, namespace=NAMESPACE, signer=by_agent)
    assert ours == sshsig.sign(MESSAGE, namespace=NAMESPACE, signer=by_file)


@settings(max_examples=30)
@given(st.binary(max_size=500), st.text("abc.-0", min_size=1, max_size=64))
def test_what_was_signed_verifies_and_names_the_key(message, namespace):
    signed = sshsig.sign(message, namespace=namespace, signer=HOSPITAL)
    assert verify(signed, message, namespace) == HOSPITAL.public_key


def test_a_tokens_signature_verifies():
    assert verify(sshsig.sign(MESSAGE, namespace=NAMESPACE, signer=TOKEN)) == TOKEN.public_key


def test_an_untouched_tokens_signature_is_refused():
    token = SoftwareToken(key=TOKEN.key, flags=0)
    with pytest.raises(RefusedError, match="^contract: .* without being touched"):
        verify(sshsig.sign(MESSAGE, namespace=NAMESPACE, signer=token))


def test_a_blob_built_here_is_genuine_when_nothing_is_changed():
    assert armored(blob_of()) == GOOD


@pytest.mark.parametrize(
    "message", [b"", MESSAGE[:-1], MESSAGE + b"\n", MESSAGE.replace(b"\n", b"\r\n")]
)
def test_other_bytes_refuse(message):
    with pytest.raises(IntegrityError, match="^contract: the signature does not match") as no:
        verify(GOOD, message)
    assert no.value.code == "signature.mismatch"


@pytest.mark.parametrize(
    "namespace", ["cleanroom.approval.v0", "cleanroom.contract.v1", "file", "git"]
)
def test_another_namespace_refuses_with_the_one_to_use(namespace):
    with pytest.raises(IntegrityError, match="^contract: .* another purpose") as refusal:
        verify(GOOD, namespace=namespace)
    assert refusal.value.code == "signature.namespace"
    assert namespace in refusal.value.hint


@pytest.mark.parametrize("namespace", ["", "Upper", "a b", "a\n", "ü", "x" * 65])
def test_a_namespace_that_is_none_of_ours_cannot_be_used(namespace):
    with pytest.raises(MalformedError, match="^namespace:"):
        sshsig.sign(MESSAGE, namespace=namespace, signer=HOSPITAL)
    with pytest.raises(MalformedError, match="^namespace:"):
        verify(GOOD, namespace=namespace)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 2}, "sshsig.version"),
        ({"version": 0}, "sshsig.version"),
        ({"reserved": b"x"}, "sshsig.reserved"),
        ({"algorithm": b"sha256"}, "sshsig.hash"),
        ({"key": b""}, "ssh.wire"),
        ({"key": wire_string(b"ssh-rsa")}, "key.algorithm"),
        ({"more": b"\0"}, "ssh.wire"),
    ],
    ids=lambda change: next(iter(change)) if isinstance(change, dict) else "",
)
def test_a_genuine_signature_in_another_form_is_refused(change, code):
    with pytest.raises(MalformedError, match="^contract: ") as refusal:
        verify(armored(blob_of(**change)))
    assert refusal.value.code == code


def test_another_magic_is_refused():
    with pytest.raises(MalformedError, match="not an SSH signature of version 1"):
        verify(armored(b"SSHSIX" + blob_of()[6:]))


@pytest.mark.parametrize(
    "spelled",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\n",
        b"\n" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"-----BEGIN", b"----BEGIN"),
        GOOD.replace(b"-----END SSH", b"-----END PGP"),
        GOOD.replace(b"\n", b"", 2),
        GOOD.replace(b"U1NIU0lH", b"U1NI U0lH"),
        GOOD + GOOD,
        GOOD.replace(b"\n", b"\n\n", 2),
        GOOD[:60] + b"\n" + GOOD[60:],
        GOOD.replace(b"U1NIU0lH", b"\xff1NIU0lH"),
        b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
    ],
)
def test_another_spelling_of_the_armor_is_refused(spelled):
    with pytest.raises(MalformedError, match="^contract: "):
        verify(spelled)


def test_a_huge_signature_is_refused_before_it_is_read():
    with pytest.raises(MalformedError, match="^contract: larger than 8192 bytes$"):
        verify(b"A" * 8193)


def test_any_flipped_bit_of_the_blob_refuses():
    blob = blob_of()
    for at in range(len(blob) * 8):
        bad = bytearray(blob)
        bad[at // 8] ^= 1 << at % 8
        with pytest.raises((IntegrityError, MalformedError), match="^contract: "):
            verify(armored(bytes(bad)))


def test_any_cut_of_the_blob_refuses():
    blob = blob_of()
    for length in range(len(blob)):
        with pytest.raises(MalformedError, match="^contract: "):
            verify(armored(blob[:length]))


def test_only_the_signers_own_keys_count():
    keys = (signer("other").public_key, HOSPITAL.public_key)
    claim = {"namespace": NAMESPACE, "what": "contract"}
    assert sshsig.verify_signed_by(GOOD, MESSAGE, keys=keys, **claim) == HOSPITAL.public_key
    for foreign in ((), keys[:1]):
        with pytest.raises(IntegrityError, match="^contract: signed with a key") as refusal:
            sshsig.verify_signed_by(GOOD, MESSAGE, keys=foreign, **claim)
        assert refusal.value.code == "signature.foreign-key"


def test_naming_an_accepted_key_does_not_make_it_its_signature():
    stranger = signer("stranger")
    theirs = sshsig.sign(MESSAGE, namespace=NAMESPACE, signer=stranger)
    blob = sshsig._unarmor(theirs, what="x")  # noqa: SLF001 - builds a hostile signature
    claimed = blob.replace(stranger.public_key.blob, HOSPITAL.public_key.blob)
    with pytest.raises(IntegrityError, match="does not match the bytes"):
        sshsig.verify_signed_by(
            armored(claimed),
            MESSAGE,
            namespace=NAMESPACE,
            keys=[HOSPITAL.public_key],
            what="contract",
        )


def test_the_key_is_returned_as_a_value_that_documents_can_name():
    assert verify(GOOD) == SSHPublicKey.parse(HOSPITAL.public_key.line())
