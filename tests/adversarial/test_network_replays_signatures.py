# SPDX-License-Identifier: Apache-2.0
"""T-17: somebody takes a genuine signature to where it was not meant.

The attacker has everything that parties ever signed, in any room and in any
program, and can put it under any file name. He cannot make new signatures.
"""

import hashlib

import pytest

from cleanroom.envelope import sshsig
from cleanroom.envelope.dsse import (
    Envelope,
    Signature,
    key_identifier,
    pre_authentication_encoding,
    sign_statement,
    verify_envelope,
)
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.envelope.statement import make_statement, parse_statement
from cleanroom.errors import CleanroomError, IntegrityError, MalformedError
from cleanroom.identity.wire import wire_string
from cleanroom.kernel.digest import Digest
from tests.support.keys import plain_key_file, sign_by, throwaway_party
from tests.support.openssh import needs_ssh_keygen
from tests.support.openssh import sign as ssh_keygen_sign

THREATS = frozenset({"T-17"})

HOSPITAL = throwaway_party("hospital")
INSURER = throwaway_party("insurer")
KINDS = (
    "party", "contract", "dataset", "policy", "query", "approval", "run", "revocation",
)  # fmt: skip
CONTRACT = b'format = "cleanroom.contract.v0"\nname = "room-one"\n'


def refused_as_contract(signature, data=CONTRACT):
    file = SignedFile(data=data, signatures={"hospital": signature})
    with pytest.raises((IntegrityError, MalformedError), match=r"^contract: signature of hospital"):
        verify_file(file, kind="contract", signer=HOSPITAL.document, what="contract")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "contract"])
def test_a_signature_made_for_another_kind_of_document_is_no_consent(kind):
    # The very same bytes: only the purpose differs.
    refused_as_contract(HOSPITAL.sign(CONTRACT, kind=kind))


def test_a_signature_over_another_rooms_contract_is_no_consent_here():
    elsewhere = CONTRACT.replace(b"room-one", b"room-two")
    refused_as_contract(HOSPITAL.sign(elsewhere, kind="contract"))


def test_a_signature_over_an_earlier_version_is_no_consent_to_this_one():
    refused_as_contract(HOSPITAL.sign(CONTRACT, kind="contract"), data=CONTRACT + b"# more\n")


@pytest.mark.parametrize("namespace", ["git", "file", "email", "cleanroom.contract.v1"])
def test_a_signature_made_by_another_program_is_no_consent(namespace):
    signature = sshsig.sign(CONTRACT, namespace=namespace, signer=HOSPITAL.unlocked.signer)
    refused_as_contract(signature)


@needs_ssh_keygen
def test_a_git_commit_signed_by_ssh_keygen_is_no_consent(tmp_path):
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(plain_key_file(HOSPITAL.signing_key))
    refused_as_contract(ssh_keygen_sign(path, CONTRACT, namespace="git"))


def test_another_partys_consent_does_not_count_for_this_one():
    refused_as_contract(INSURER.sign(CONTRACT, kind="contract"))


def test_one_consent_does_not_count_twice():
    file = sign_by(CONTRACT, kind="contract", parties=(INSURER,))
    both = SignedFile(
        data=CONTRACT,
        signatures=dict.fromkeys(("insurer", "hospital"), next(iter(file.signatures.values()))),
    )
    verify_file(both, kind="contract", signer=INSURER.document, what="contract")
    refused_as_contract(both.signatures["hospital"])


def test_a_login_signature_by_the_same_key_is_no_consent():
    # An SSH server chooses part of what a client signs to log in (RFC 4252 section 7),
    # so a hostile one picks a user name that looks like our signed bytes.
    key = HOSPITAL.unlocked.signer
    digest = hashlib.sha512(CONTRACT).digest()
    wanted = b"SSHSIG" + b"".join(
        wire_string(part) for part in (b"cleanroom.contract.v0", b"", b"sha512", digest)
    )
    login = wire_string(bytes(32)) + b"\x32" + wire_string(wanted)
    blob = b"SSHSIG\0\0\0\1" + b"".join(
        wire_string(part)
        for part in (
            key.public_key.blob, b"cleanroom.contract.v0", b"", b"sha512", key.sign(login),
        )
    )  # fmt: skip
    refused_as_contract(sshsig._armor(blob))  # noqa: SLF001 - builds a hostile signature


def test_a_machines_statement_does_not_pass_for_a_persons_signature():
    # Same key on purpose: even then the two protocols sign different bytes.
    envelope = sign_statement(CONTRACT, HOSPITAL.signing_key)
    inner = wire_string(b"ssh-ed25519") + wire_string(envelope.signatures[0].value)
    blob = b"SSHSIG\0\0\0\1" + b"".join(
        wire_string(part)
        for part in (
            HOSPITAL.unlocked.signer.public_key.blob, b"cleanroom.contract.v0", b"", b"sha512",
            inner,
        )
    )  # fmt: skip
    refused_as_contract(sshsig._armor(blob))  # noqa: SLF001 - builds a hostile signature


def test_a_persons_signature_does_not_pass_for_a_machines_statement():
    raw = HOSPITAL.document.signing_keys[0].raw
    signature = HOSPITAL.unlocked.signer.sign(CONTRACT)[-64:]
    envelope = Envelope(
        payload_type="application/vnd.in-toto+json",
        payload=CONTRACT,
        signatures=(Signature(keyid=key_identifier(raw), value=signature),),
    )
    with pytest.raises(IntegrityError):
        verify_envelope(envelope, raw, what="receipt")


SUBJECTS = {"runtime-data": Digest.of(b"runtime data of run one")}


def test_a_signed_refusal_does_not_pass_for_a_release():
    payload = make_statement(
        subjects=SUBJECTS,
        predicate_type="urn:cleanroom:refusal:v0",
        predicate={"party": "hospital"},
    )
    envelope = sign_statement(payload, HOSPITAL.broker_key)
    verified = verify_envelope(envelope, HOSPITAL.document.broker_key, what="release")
    with pytest.raises(MalformedError, match="^release: not a urn:cleanroom:key-release:v0"):
        parse_statement(verified, predicate_type="urn:cleanroom:key-release:v0", what="release")


def test_another_brokers_statement_does_not_pass_for_this_ones():
    envelope = sign_statement(b"{}", INSURER.broker_key)
    with pytest.raises(IntegrityError, match="^release: signed with another key"):
        verify_envelope(envelope, HOSPITAL.document.broker_key, what="release")


def test_moving_the_border_between_type_and_payload_refuses():
    # Without lengths, these two would be the same signed bytes.
    envelope = sign_statement(b"one two", HOSPITAL.broker_key)
    assert pre_authentication_encoding("a b", b"c") != pre_authentication_encoding("a", b"b c")
    for payload_type, payload in (
        ("application/vnd.in-toto+json one", b"two"),
        ("application/vnd.in-toto+json", b"one two "),
        ("", b"application/vnd.in-toto+json 7 one two"),
    ):
        moved = Envelope(payload_type=payload_type, payload=payload, signatures=envelope.signatures)
        with pytest.raises(CleanroomError):
            verify_envelope(moved, HOSPITAL.document.broker_key, what="release")
