# SPDX-License-Identifier: Apache-2.0
"""Quotes of real machines verify, and each of them breaks in every byte."""

import base64
import json
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from cleanroom.attestation.certificates import load_certificate, verify_chain
from cleanroom.attestation.platforms.tpm.algorithms import Hash, Scheme
from cleanroom.attestation.platforms.tpm.endorsement import require_certified
from cleanroom.attestation.platforms.tpm.event_log import parse_event_log, replay
from cleanroom.attestation.platforms.tpm.intake import intake
from cleanroom.attestation.platforms.tpm.kind import KINDS
from cleanroom.attestation.platforms.tpm.parse import (
    PcrSelection,
    Signature,
    parse_signature,
    rsassa_sha256,
)
from cleanroom.attestation.platforms.tpm.public import (
    QuoteKey,
    parse_public,
    require_quote_key,
    rsa_key,
)
from cleanroom.attestation.platforms.tpm.quote import verify_quote
from cleanroom.attestation.platforms.tpm.root import GOOGLE_CLOUD, ROOT_PINS
from cleanroom.errors import CleanroomError, EvidenceRefusedError, IntegrityError
from cleanroom.kernel.digest import Digest
from tests.support.shared_vectors import shared_vector
from tests.support.test_pki import AT

ALL = PcrSelection(bank=Hash.SHA256, pcrs=frozenset(range(24)))
GENOA_NONCE = bytes.fromhex(
    "0218488bae25d2509232bf676f1a66a30d7372add909109b36016ef136f2938ca05475f8b46094de6b64270ea35d950f"
)
TRUSTEE_NONCE_STARTS = "a04182b5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    message: bytes
    signature: Signature
    key: QuoteKey
    values: dict[int, bytes]
    nonce: bytes

    def verify(self, *, message=None, **changes):
        arguments = {
            "signature": self.signature,
            "key": self.key,
            "qualifying_data": self.nonce,
            "selection": ALL,
            "values": self.values,
        }
        return verify_quote(message or self.message, **(arguments | changes))


def vm():
    document = json.loads(shared_vector("tpm-vm", "measured_boot_vm_evidence.json"))
    return Quoted(
        message=bytes.fromhex(document["quote"]),
        signature=parse_signature(bytes.fromhex(document["sig"])),
        key=require_quote_key(parse_public(bytes.fromhex(document["akpub"]))),
        values={int(index): bytes.fromhex(value) for index, value in document["pcrs"].items()},
        nonce=bytes.fromhex(document["nonce"]),
    )


def trustee():
    document = json.loads(shared_vector("tpm", "trustee_tpm_evidence.json"))
    quote = document["tpm_quote"]
    message = base64.b64decode(quote["message"])
    key = load_der_public_key(base64.b64decode(document["ak_public"]))
    nonce = message[44:108]
    assert nonce.hex().startswith(TRUSTEE_NONCE_STARTS)
    return Quoted(
        message=message,
        signature=parse_signature(base64.b64decode(quote["signature"])),
        key=QuoteKey(key=key, scheme=Scheme.RSASSA, hash=Hash.SHA256),
        values=dict(enumerate(map(bytes.fromhex, quote["pcrs"]))),
        nonce=nonce,
    )


def azure(name, nonce):
    document = json.loads(shared_vector("azure-cvm", name))
    quote = document.get("tpm_quote") or document["quote"]
    report = document.get("report") or document["hcl_report"]
    report = bytes(report) if isinstance(report, list) else _base64url(report)
    claims = json.loads(report[1236 : 1236 + int.from_bytes(report[1232:1236], "little")])
    (ak,) = (key for key in claims["keys"] if key["kid"] == "HCLAkPub")
    modulus, exponent = (int.from_bytes(_base64url(ak[name]), "big") for name in ("n", "e"))
    return Quoted(
        message=_bytes(quote["message"]),
        signature=rsassa_sha256(_bytes(quote["signature"])),
        key=QuoteKey(
            key=rsa_key(modulus, exponent=exponent, bits=2048),
            scheme=Scheme.RSASSA,
            hash=Hash.SHA256,
        ),
        values=dict(enumerate(map(_bytes, quote["pcrs"]))),
        nonce=nonce,
    )


def _bytes(value):
    return bytes(value) if isinstance(value, list) else bytes.fromhex(value)


def _base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


QUOTES = {
    "vm": vm,
    "trustee": trustee,
    "azure-snp-genoa": lambda: azure("snp_evidence_genoa.json", GENOA_NONCE),
    "azure-snp-v0": lambda: azure("snp_evidence_v0.json", b"challenge"),
    "azure-snp-v1": lambda: azure("snp_evidence_v1.json", b"challenge"),
    "azure-tdx-v0": lambda: azure("tdx_evidence_v0.json", b"challenge"),
}


@pytest.mark.parametrize("name", QUOTES)
def test_the_quote_of_a_real_machine_verifies(name):
    quoted = QUOTES[name]()
    assert quoted.verify().values == quoted.values


@pytest.mark.parametrize("name", QUOTES)
def test_a_real_quote_is_refused_with_any_of_some_bits_flipped(name):
    _require_refused(QUOTES[name](), range(0, 4096, 37))


@pytest.mark.slow
@pytest.mark.parametrize("name", QUOTES)
def test_a_real_quote_is_refused_with_any_single_bit_flipped(name):
    quoted = QUOTES[name]()
    _require_refused(quoted, range(len(quoted.message) * 8))


def _require_refused(quoted, bits):
    for bit in bits:
        if bit >= len(quoted.message) * 8:
            break
        changed = bytearray(quoted.message)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CleanroomError):
            quoted.verify(message=bytes(changed))


@pytest.mark.parametrize("name", QUOTES)
def test_a_real_quote_is_refused_for_fewer_registers_and_for_another_nonce(name):
    quoted = QUOTES[name]()
    fewer = PcrSelection(bank=Hash.SHA256, pcrs=frozenset(range(23)))
    with pytest.raises(EvidenceRefusedError, match="^TPM registers:"):
        quoted.verify(selection=fewer, values={index: quoted.values[index] for index in range(23)})
    with pytest.raises(EvidenceRefusedError, match="^TPM quote: made for"):
        quoted.verify(qualifying_data=quoted.nonce[:-1])


def test_the_quote_of_one_machine_is_not_accepted_for_another():
    with pytest.raises(CleanroomError, match="^TPM quote: the signature does not match"):
        azure("snp_evidence_v0.json", b"challenge").verify(
            message=azure("snp_evidence_v1.json", b"challenge").message
        )


def test_the_machine_that_measured_its_start_verifies_with_its_logs():
    document = json.loads(shared_vector("tpm-vm", "measured_boot_vm_evidence.json"))
    logs = [base64.b64decode(document[name]) for name in ("bios_log", "ima_log")]
    parts = [bytes.fromhex(document[name]) for name in ("sig", "akpub")]
    values = b"".join(vm().values[index] for index in range(24))
    item = intake(vm().message, [*parts, values, *logs])
    claims = KINDS[0].verifier.verify(item, at=AT)
    assert [check.found for check in claims.checks[-2:]] == [
        "24 entries replay to 0, 1, 2, 3, 4, 5, 6, 7, 9",
        "1 files replay to register 10",
    ]


def test_the_maker_of_that_machines_tpm_certified_its_endorsement_key():
    document = json.loads(shared_vector("tpm-vm", "measured_boot_vm_evidence.json"))
    leaf = x509.load_der_x509_certificate(base64.b64decode(document["ekcert"]))
    issuer, root = (
        shared_vector("tpm-vm", name)
        for name in ("issuercert.pem", "swtpm-localca-rootca-cert.pem")
    )
    chain = leaf.public_bytes(Encoding.PEM) + issuer + root
    pin = Digest.of(x509.load_pem_x509_certificate(root).public_bytes(Encoding.DER))
    arguments = {"at": AT, "what": "TPM endorsement certificate"}
    require_certified(chain, leaf.public_key(), roots=(pin,), **arguments)
    with pytest.raises(IntegrityError, match="certificate root"):
        require_certified(chain, leaf.public_key(), roots=ROOT_PINS, **arguments)


def endorsed():
    document = json.loads(shared_vector("tpm-vm", "measured_boot_vm_evidence.json"))
    pem = (
        shared_vector("tpm-vm", "issuercert.pem"),
        shared_vector("tpm-vm", "swtpm-localca-rootca-cert.pem"),
    )
    above = [x509.load_pem_x509_certificate(item).public_bytes(Encoding.DER) for item in pem]
    return [base64.b64decode(document["ekcert"]), *above]


def _require_chain_refused(bits):
    chain = endorsed()
    pin, key = Digest.of(chain[-1]), x509.load_der_x509_certificate(chain[0]).public_key()
    for at, certificate in enumerate(chain):
        for bit in bits:
            if bit >= len(certificate) * 8:
                break
            changed = bytearray(certificate)
            changed[bit // 8] ^= 1 << bit % 8
            pem = b"".join(
                b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
                % base64.encodebytes(item)
                for item in (*chain[:at], bytes(changed), *chain[at + 1 :])
            )
            with pytest.raises(CleanroomError):
                require_certified(pem, key, roots=(pin,), at=AT, what="TPM endorsement certificate")


def test_a_makers_chain_is_refused_with_any_of_some_bits_flipped():
    _require_chain_refused(range(0, 16384, 101))


@pytest.mark.slow
def test_a_makers_chain_is_refused_with_any_single_bit_flipped():
    _require_chain_refused(range(16384))


def test_evidence_of_trustee_is_taken_as_its_file():
    item = intake(shared_vector("tpm", "trustee_tpm_evidence.json"), ())
    (facts,) = KINDS[0].verifier.verify(item, at=AT).facts
    assert facts.key_trust == "attributes-unknown"


def test_the_pinned_root_is_googles():
    root = shared_vector("tpm", "gcp_ek_ak_ca_root.crt")
    assert Digest.of(root) == GOOGLE_CLOUD
    below = load_certificate(shared_vector("tpm", "gcp_ek_ak_ca_intermediate_v3.crt"), what="CA")
    chain = (below, load_certificate(root, what="CA"))
    verify_chain(chain, pin=GOOGLE_CLOUD, at=AT, what="CA")


@pytest.mark.parametrize(
    ("name", "registers"),
    [
        ("eventlog_cos_101_amd_sev.bin", {*range(10), 14}),
        ("eventlog_rhel8_uefi.bin", {*range(10), 14}),
        ("eventlog_ubuntu_2104_no_secure_boot.bin", {*range(10), 14}),
        ("ccel_cos_113_tdx.bin", {1, 2, 3}),
        ("ccel_aael_alibabacloud.bin", {1, 2, 3, 4}),
    ],
)
def test_the_logs_of_real_machines_replay_in_every_bank(name, registers):
    log = parse_event_log(shared_vector("tpm", name))
    assert log.banks
    for bank in log.banks:
        assert replay(log, bank=bank).keys() == registers
