# SPDX-License-Identifier: Apache-2.0
"""Our TPM client and verifier against swtpm, and other people's tools against both."""

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.client import Credential, Tpm
from cleanroom.attestation.platforms.tpm.credential import make_credential
from cleanroom.attestation.platforms.tpm.endorsement import spki_digest
from cleanroom.attestation.platforms.tpm.parse import PcrSelection, parse_signature
from cleanroom.attestation.platforms.tpm.public import parse_public, require_quote_key
from cleanroom.attestation.platforms.tpm.quote import verify_quote
from cleanroom.attestation.platforms.tpm.transport import open_socket
from cleanroom.cli.main import run as typed
from cleanroom.errors import EvidenceRefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from tests.support.swtpm import require_program, running_swtpm, set_up, swtpm_transport

ALL = PcrSelection(bank=Hash.SHA256, pcrs=frozenset(range(24)))
RUN = b"what this run is bound to......."


@pytest.fixture(scope="module")
def chip(tmp_path_factory):
    """One software TPM; a test that extends a register takes one that no other uses."""
    with swtpm_transport(tmp_path_factory.mktemp("tpm")) as transport:
        yield transport


@pytest.fixture(scope="module")
def quoted(chip):
    tpm = Tpm(chip)
    tpm.extend(14, b"contract digest, 32 bytes long..")
    values = tpm.read_registers(ALL)
    with tpm.attestation_key() as key:
        message, signature = tpm.quote(key, qualifying_data=RUN, selection=ALL)
    return key.public, message, signature, values


def check(quoted, **changes):
    public, message, signature, values = quoted
    arguments = {
        "signature": parse_signature(signature),
        "key": require_quote_key(parse_public(public)),
        "qualifying_data": RUN,
        "selection": ALL,
        "values": values,
    }
    return verify_quote(message, **(arguments | changes))


def test_a_quote_of_swtpm_verifies(quoted):
    registers = check(quoted)
    assert registers.values[14] == Hash.SHA256.extend(
        bytes(32), b"contract digest, 32 bytes long.."
    )
    # Registers of a dynamic launch that did not happen are all ones (PC Client profile).
    assert registers.values[17] == b"\xff" * 32


def test_the_attestation_key_is_the_same_every_time(chip, quoted):
    with Tpm(chip).attestation_key() as key:
        assert key.public == quoted[0]


@pytest.fixture
def files(quoted, tmp_path):
    public, message, signature, values = quoted
    (tmp_path / "ak.pem").write_bytes(
        parse_public(public).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "quote").write_bytes(message)
    (tmp_path / "signature").write_bytes(signature)
    (tmp_path / "registers").write_bytes(serialised(values))
    r, s = (int.from_bytes(part, "big") for part in parse_signature(signature).parts)
    (tmp_path / "signature.der").write_bytes(encode_dss_signature(r, s))
    return tmp_path


def serialised(values):
    """Write all registers as tpm2-tools saves them: C structures of its own, little-endian."""
    selection = b"\x0b\x00\x03\xff\xff\xff\x00\x00".ljust(8 * 16, b"\0")
    lists = [[values[index] for index in range(at, at + 8)] for at in (0, 8, 16)]
    return (
        (1).to_bytes(4, "little")
        + selection
        + len(lists).to_bytes(4, "little")
        + b"".join(
            len(digests).to_bytes(4, "little")
            + b"".join(b"\x20\x00" + digest.ljust(64, b"\0") for digest in digests)
            for digests in lists
        )
    )


def flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def run(directory, *command):
    return subprocess.run(
        command, cwd=directory, capture_output=True, check=False, stdin=subprocess.DEVNULL
    ).returncode


def checkquote(directory, nonce=RUN):
    return run(
        directory,
        *("tpm2_checkquote", "-u", "ak.pem", "-m", "quote", "-s", "signature", "-g", "sha256"),
        *("-f", "registers", "-q", nonce.hex()),
    )


@pytest.mark.parametrize("changed", [None, "quote", "signature", "registers", "nonce"])
def test_tpm2_checkquote_agrees_with_us(files, changed):
    require_program("tpm2_checkquote")
    if changed is None:
        assert checkquote(files) == 0
    elif changed == "nonce":
        assert checkquote(files, nonce=RUN[:-1] + b"!") != 0
    else:
        # The last register's digest ends before the padding of its buffer.
        flip(files / changed, at=-33 if changed == "registers" else -1)
        assert checkquote(files) != 0


@pytest.mark.parametrize(("changed", "status"), [(None, 0), ("quote", 1), ("signature.der", 1)])
def test_openssl_agrees_with_us(files, changed, status):
    require_program("openssl")
    if changed:
        flip(files / changed)
    command = ("openssl", "dgst", "-sha256", "-verify", "ak.pem", "-signature", "signature.der")
    assert run(files, *command, "quote") == status


def test_a_register_that_anybody_resets_cannot_stand_for_another(chip):
    tpm = Tpm(chip)
    tpm.extend(16, b"what the guest really ran.......")
    reset = bytes.fromhex("8002 0000001b 0000013d 00000010 00000009 40000009 0000 01 0000")
    assert chip(reset)[6:10] == bytes(4)
    tpm.extend(16, b"what was agreed upon............")
    shown = PcrSelection(bank=Hash.SHA256, pcrs=frozenset({4, 16}))
    values = tpm.read_registers(shown)
    with tpm.attestation_key() as key:
        message, signature = tpm.quote(key, qualifying_data=RUN, selection=shown)
    agreed = PcrSelection(bank=Hash.SHA256, pcrs=frozenset({4, 14}))
    with pytest.raises(EvidenceRefusedError, match=r"^TPM registers: found sha256:4,16, agreed"):
        check(
            (key.public, message, signature, None),
            selection=agreed,
            values={4: values[4], 14: values[16]},
        )


def test_swtpm_opens_our_credential_and_no_other(chip):
    tpm = Tpm(chip)
    with tpm.attestation_key() as key, tpm.endorsement_key() as endorsement:
        name = parse_public(key.public).name
        for wanted, secret in ((name, b"s" * 32), (b"\x00\x0b" + bytes(32), None)):
            credential = make_credential(
                b"s" * 32,
                endorsement=parse_public(endorsement.public),
                name=wanted,
                seed=b"e" * 32,
            )
            if secret:
                opened = tpm.activate(key=key, endorsement=endorsement, credential=credential)
                assert opened == secret
            else:
                with pytest.raises(UnavailableError, match="^TPM: ACTIVATE_CREDENTIAL"):
                    tpm.activate(key=key, endorsement=endorsement, credential=credential)


def test_swtpm_opens_a_credential_of_other_peoples_tools(chip, tmp_path):
    require_program("tpm2_checkquote")
    tpm = Tpm(chip)
    with tpm.attestation_key() as key, tpm.endorsement_key() as endorsement:
        ek = parse_public(endorsement.public).key
        pem = ek.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / "ek.pem").write_bytes(pem)
        (tmp_path / "secret").write_bytes(b"s" * 32)
        name = parse_public(key.public).name.hex()
        made = run(
            tmp_path,
            *("tpm2_makecredential", "-T", "none", "-G", "rsa", "-u", "ek.pem"),
            *("-s", "secret", "-n", name, "-o", "credential"),
        )
        assert made == 0
        # Magic and version, then two sized structures.
        data = (tmp_path / "credential").read_bytes()[8:]
        size = int.from_bytes(data[:2], "big")
        credential = Credential(blob=data[2 : 2 + size], secret=data[4 + size :])
        assert tpm.activate(key=key, endorsement=endorsement, credential=credential) == b"s" * 32


def test_the_storage_of_swtpm_is_defined_written_and_read(chip):
    tpm = Tpm(chip)
    tpm.define_index(0x01400002, size=64)
    with pytest.raises(UnavailableError, match="the index is empty"):
        tpm.read_index(0x01400002)
    tpm.write_index(0x01400002, b"u" * 64)
    assert tpm.read_index(0x01400002) == b"u" * 64
    with pytest.raises(UnavailableError, match="NV_READ_PUBLIC answered 0x018b, no such handle"):
        tpm.endorsement_certificate()


def test_the_makers_certificate_names_the_endorsement_key(tmp_path):
    chain = set_up(tmp_path)
    with swtpm_transport(tmp_path) as transport:
        tpm = Tpm(transport)
        certificate = x509.load_der_x509_certificate(tpm.endorsement_certificate())
        with tpm.endorsement_key() as endorsement:
            assert certificate.public_key() == parse_public(endorsement.public).key
    issuer, root = x509.load_pem_x509_certificates(chain)
    certificate.verify_directly_issued_by(issuer)
    issuer.verify_directly_issued_by(root)


def test_a_machine_is_enrolled_from_the_command_line(tmp_path, capsys):
    chain = tmp_path / "makers.pem"
    chain.write_bytes(set_up(tmp_path))
    root = x509.load_pem_x509_certificates(chain.read_bytes())[-1]
    pin = str(Digest.of(root.public_bytes(Encoding.DER)))
    with running_swtpm(tmp_path) as path:
        command = ["attest", "enrol", "--chain", str(chain), "--tpm", str(path), "--root"]
        assert typed([*command, pin]) == 0
        found = capsys.readouterr().out.strip()
        with open_socket(path) as transport, Tpm(transport).attestation_key() as key:
            assert found == str(spki_digest(parse_public(key.public).key))
        assert typed([*command, str(Digest.of(b"another maker"))]) == 5
        done = capsys.readouterr()
    assert "TPM endorsement certificate root: found" in done.err
    assert done.out == ""
