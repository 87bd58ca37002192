# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.client import EK_CERTIFICATE_INDEX, Credential, Tpm
from cleanroom.attestation.platforms.tpm.commands import Code
from cleanroom.attestation.platforms.tpm.credential import make_credential
from cleanroom.attestation.platforms.tpm.parse import PcrSelection, parse_signature
from cleanroom.attestation.platforms.tpm.public import parse_public, require_quote_key
from cleanroom.attestation.platforms.tpm.quote import verify_quote
from cleanroom.errors import MalformedError, UnavailableError
from tests.support.tpm_fake import FakeTpm, ek_public, response
from tests.support.tpm_forge import AK, RSA_AK

ALL = PcrSelection(bank=Hash.SHA256, pcrs=frozenset(range(24)))


def test_a_quote_of_all_registers_verifies():
    fake = FakeTpm()
    tpm = Tpm(fake)
    tpm.extend(14, b"d" * 32)
    values = tpm.read_registers(ALL)
    with tpm.attestation_key() as key:
        message, signature = tpm.quote(key, qualifying_data=b"this run", selection=ALL)
    registers = verify_quote(
        message,
        signature=parse_signature(signature),
        key=require_quote_key(parse_public(key.public)),
        qualifying_data=b"this run",
        selection=ALL,
        values=values,
    )
    assert registers.values[14] == Hash.SHA256.extend(bytes(32), b"d" * 32)
    assert fake.sent.count(Code.PCR_READ) == 3


def test_keys_and_sessions_are_freed_whatever_happens():
    fake = FakeTpm()
    tpm = Tpm(fake)
    with tpm.attestation_key() as key, tpm.endorsement_key() as endorsement:
        assert fake.loaded == {key.handle, endorsement.handle}
        nonsense = Credential(blob=bytes(64), secret=bytes(256))
        with pytest.raises(ValueError, match="Decryption"):
            tpm.activate(key=key, endorsement=endorsement, credential=nonsense)
    assert fake.loaded == set()


def test_a_tpm_opens_the_credential_of_its_own_two_keys():
    fake = FakeTpm()
    tpm = Tpm(fake)
    credential = make_credential(
        b"s" * 32,
        endorsement=parse_public(ek_public()),
        name=parse_public(AK.public).name,
        seed=b"e" * 32,
    )
    with tpm.attestation_key() as key, tpm.endorsement_key() as endorsement:
        assert endorsement.public == ek_public()
        assert tpm.activate(key=key, endorsement=endorsement, credential=credential) == b"s" * 32
    assert fake.loaded == set()


def test_a_tpm_does_not_open_the_credential_of_another_key():
    tpm = Tpm(FakeTpm(ak=RSA_AK))
    credential = make_credential(
        b"s" * 32,
        endorsement=parse_public(ek_public()),
        name=parse_public(AK.public).name,
        seed=b"e" * 32,
    )
    with (
        tpm.attestation_key() as key,
        tpm.endorsement_key() as endorsement,
        pytest.raises(UnavailableError, match="^TPM: ACTIVATE_CREDENTIAL answered 0x01df"),
    ):
        tpm.activate(key=key, endorsement=endorsement, credential=credential)


def test_the_storage_is_read_in_pieces_and_written_by_its_owner():
    fake = FakeTpm()
    tpm = Tpm(fake)
    certificate = bytes(range(256)) * 5
    fake.store(EK_CERTIFICATE_INDEX, certificate)
    assert tpm.endorsement_certificate() == certificate
    assert fake.sent.count(Code.NV_READ) == 3
    tpm.define_index(0x01400002, size=64)
    tpm.write_index(0x01400002, b"u" * 64)
    assert tpm.read_index(0x01400002) == b"u" * 64


def test_a_persistent_key_is_read_by_its_handle():
    fake = FakeTpm(persistent={0x81000003: RSA_AK.public})
    assert Tpm(fake).read_public(0x81000003) == RSA_AK.public


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda tpm: tpm.endorsement_certificate(), "NV_READ_PUBLIC answered 0x018b, no such"),
        (lambda tpm: tpm.read_public(0x81000003), "READ_PUBLIC answered 0x018b, no such handle"),
        (
            lambda tpm: [tpm.define_index(1, size=1), tpm.define_index(1, size=1)],
            "NV_DEFINE_SPACE answered 0x014c, the index is defined already",
        ),
        (
            lambda tpm: [tpm.define_index(1, size=1), tpm.read_index(1)],
            "NV_READ answered 0x014a, the index is empty",
        ),
        (
            lambda tpm: tpm.read_registers(PcrSelection(bank=Hash.SHA384, pcrs=frozenset({0}))),
            "does not keep sha384:0",
        ),
    ],
)
def test_a_refusal_names_the_command_and_the_reason(ask, message):
    with pytest.raises(UnavailableError, match=f"^TPM: {message}"):
        ask(Tpm(FakeTpm()))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (0x9A2, "a password is set"),  # format one: session 1, TPM_RC_BAD_AUTH
        (0x921, "locked out"),
        (0x100, "see TPM 2.0 part 2"),
        (0x2C4, "see TPM 2.0 part 2"),
    ],
)
def test_a_response_code_is_put_into_words(status, reason):
    def transport(command):
        del command
        return response(b"", status=status)

    with pytest.raises(UnavailableError, match=f"{status:#06x}, {reason}") as caught:
        Tpm(transport).extend(14, bytes(32))
    assert caught.value.code == "tpm.refused"


def test_a_busy_tpm_is_asked_again():
    fake = FakeTpm(again=900)
    Tpm(fake).extend(14, bytes(32))
    assert fake.sent == [Code.PCR_EXTEND]


def test_a_tpm_that_is_always_busy_is_given_up():
    with pytest.raises(UnavailableError, match="answered 0x0922"):
        Tpm(FakeTpm(again=10**6)).extend(14, bytes(32))


@pytest.mark.parametrize(
    ("code", "twist"),
    [
        (Code.PCR_READ, lambda data: data[:-1]),
        (Code.PCR_READ, lambda data: data + b"\0"),
        (Code.PCR_READ, lambda data: data[:5]),
        (Code.PCR_READ, lambda data: response(data[10:-1])),
        (Code.PCR_READ, lambda data: response(data[10:11])),
        (Code.NV_READ, lambda _: response(b"\0\1\0\0\0\1\0\0", authorised=True)),
        (Code.NV_READ, lambda _: response(b"\0\0", authorised=True)),
        (
            Code.NV_READ_PUBLIC,
            lambda _: response(b"\0\x0e" + bytes(10) + b"\0\0" + b"\xff\xff"),
        ),
        (Code.NV_READ_PUBLIC, lambda _: response(b"\0\x04" + bytes(4))),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(code, twist):
    fake = FakeTpm(twist=lambda sent, data: twist(data) if sent is code else data)
    fake.store(1, b"content")
    tpm = Tpm(fake)
    with pytest.raises(MalformedError):
        tpm.read_registers(ALL) if code is Code.PCR_READ else tpm.read_index(1)


@pytest.mark.parametrize("changed", [8, 10, 11, 14, 17])
def test_registers_that_were_not_asked_for_are_refused(changed):
    def twist(code, data):
        assert code is Code.PCR_READ
        return data[: 10 + changed] + b"\x7f" + data[11 + changed :]

    with pytest.raises((UnavailableError, MalformedError)):
        Tpm(FakeTpm(twist=twist)).read_registers(ALL)
