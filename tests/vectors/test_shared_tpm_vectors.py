# SPDX-License-Identifier: Apache-2.0
"""Quotes of real machines verify, and each of them breaks in every byte."""

import base64
import json
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from cleanroom.attestation.platforms.tpm.algorithms import Hash, Scheme
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
from cleanroom.errors import CleanroomError, EvidenceRefusedError
from tests.support.shared_vectors import shared_vector

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
