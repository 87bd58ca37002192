# SPDX-License-Identifier: Apache-2.0
"""Our own vectors under tools that others wrote: OpenSSL and tpm2-tools find what we find.

A forge and a verifier of one hand could agree on a wrong format. Chains, signatures and quotes of
every kind of vector are therefore given to programs that know nothing of us.
"""

import base64
import json
import subprocess
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from cleanroom.attestation.pem import pem_of, split_pem
from cleanroom.attestation.platforms.azure_cvm.parse import parse_report as parse_azure
from cleanroom.attestation.platforms.nitro.parse import parse_document
from cleanroom.attestation.platforms.nvidia_gpu.parse import parse_report as parse_gpu
from cleanroom.attestation.platforms.sev_snp.parse import parse_report as parse_snp
from cleanroom.attestation.platforms.tdx.parse import parse_quote
from cleanroom.attestation.platforms.tpm.parse import parse_quote as parse_tpm_quote
from cleanroom.attestation.platforms.tpm.public import is_public_area, parse_public
from cleanroom.attestation.platforms.tpm.report import parse_report as parse_tpm
from tests.support.swtpm import require_program
from tests.support.test_pki import AT
from tests.support.vector_files import parse_vector, read_vectors
from tests.vectors.attestation.nitro.generate import DIRECTORY as NITRO
from tests.vectors.attestation.nvidia.generate import DIRECTORY as NVIDIA
from tests.vectors.attestation.processors.generate import DIRECTORY as PROCESSORS
from tests.vectors.attestation.tokens.generate import DIRECTORY as TOKENS
from tests.vectors.attestation_tpm.generate import DIRECTORY as TPM

P256_HALF, P384_HALF = 32, 48


@pytest.fixture(autouse=True)
def _tools():
    require_program("openssl")


def body(directory, name):
    return parse_vector(read_vectors(directory)[name]).body


def octets(text):
    return base64.b64decode(text)


def openssl(*arguments):
    """Run OpenSSL at the time that the vectors are judged by; tell whether it is content."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done.returncode == 0


def chain_holds(tmp_path, leaf, *above):
    """Tell whether ``openssl verify`` builds the chain; the root comes last."""
    for name, certificates in (("leaf", [leaf]), ("middle", above[:-1]), ("root", above[-1:])):
        (tmp_path / name).write_bytes(b"".join(map(pem_of, certificates)))
    middle = ["-untrusted", tmp_path / "middle"] if above[:-1] else []
    root, leaf_file = tmp_path / "root", tmp_path / "leaf"
    at = ["-attime", int(AT.timestamp())]
    return openssl("verify", *at, "-ignore_critical", "-CAfile", root, *middle, leaf_file)


def signature_holds(tmp_path, key, signature, signed, *, digest):
    """Tell whether ``openssl pkeyutl`` accepts a signature over a digest of exact bytes."""
    hashed = subprocess.run(
        ["openssl", "dgst", f"-{digest}", "-binary"], input=signed, capture_output=True, check=True
    ).stdout
    files = {"key": spki(key), "signature": signature, "hashed": hashed}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return openssl(
        *("pkeyutl", "-verify", "-pubin", "-inkey", tmp_path / "key"),
        *("-sigfile", tmp_path / "signature", "-in", tmp_path / "hashed"),
        *("-pkeyopt", f"digest:{digest}"),
    )


def spki(key):
    if isinstance(key, bytes):
        key = load_der_public_key(key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def rsa_of(entry):
    """Read an RSA key as key sets write it."""
    number = int.from_bytes(base64.urlsafe_b64decode(entry["n"] + "=="), "big")
    return RSAPublicNumbers(65537, number).public_key()


def der(raw, half):
    """Write r and s of fixed length as OpenSSL reads them."""
    return encode_dss_signature(
        int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
    )


def key_of(encoded):
    return x509.load_der_x509_certificate(encoded).public_key()


def flipped(data):
    return bytes([data[0] ^ 1]) + data[1:]


def agrees(tmp_path, key, signature, signed, *, digest):
    """The tool accepts what we accept, and refuses one flipped bit."""
    assert signature_holds(tmp_path, key, signature, signed, digest=digest)
    assert not signature_holds(tmp_path, key, signature, flipped(signed), digest=digest)


@pytest.mark.filterwarnings("ignore:Parsed a serial number:Warning")
@pytest.mark.parametrize(
    "name", ["snp-genoa", "snp-turin", "snp-genoa-version-5", "snp-bergamo", "snp-turin-dense"]
)
def test_openssl_accepts_processors_of_amd(tmp_path, name):
    found = body(PROCESSORS, name)
    vek = octets(found["collateral"]["vek"])
    chain = split_pem(octets(found["collateral"]["chain"]), what="chain")
    assert chain_holds(tmp_path, vek, *chain)
    assert not chain_holds(tmp_path, flipped_tail(vek), *chain)
    report = parse_snp(octets(found["report"]))
    signature = encode_dss_signature(report.signature_r, report.signature_s)
    agrees(tmp_path, key_of(vek), signature, report.signed, digest="sha384")


def flipped_tail(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("name", ["tdx-4", "tdx-5", "tdx-5-body-1-0", "tdx-processor-ca"])
def test_openssl_accepts_quotes_of_intel(tmp_path, name):
    quote = parse_quote(octets(body(PROCESSORS, name)["report"]))
    pck, *above = split_pem(quote.chain, what="chain")
    assert chain_holds(tmp_path, pck, *above)
    enclave = der(quote.enclave_signature, P256_HALF)
    agrees(tmp_path, key_of(pck), enclave, quote.enclave_signed, digest="sha256")
    point = b"\4" + quote.attestation_key
    attestation = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    agrees(tmp_path, attestation, der(quote.signature, P256_HALF), quote.signed, digest="sha256")
    digest = sha256(quote.attestation_key + quote.authentication).digest()
    assert quote.enclave.report_data == digest.ljust(64, b"\0")


@pytest.mark.parametrize("name", ["good", "good-blackwell", "good-switch"])
def test_openssl_accepts_devices_of_nvidia(tmp_path, name):
    found = body(NVIDIA, name)
    chain = split_pem(octets(found["collateral"]["chain"]), what="chain")
    assert chain_holds(tmp_path, *chain)
    report = parse_gpu(octets(found["report"]))
    signature = der(report.signature, P384_HALF)
    agrees(tmp_path, key_of(chain[0]), signature, report.signed, digest="sha384")


def test_openssl_accepts_a_document_of_nitro(tmp_path):
    document = parse_document(octets(body(NITRO, "good")["report"]))
    assert chain_holds(tmp_path, *document.chain)
    signature = der(document.signature, P384_HALF)
    agrees(tmp_path, key_of(document.chain[0]), signature, document.signed, digest="sha384")


def test_openssl_accepts_a_token_and_the_keys_of_its_service(tmp_path):
    found = body(TOKENS, "maa-good")
    signed, _, signature = octets(found["report"]).rpartition(b".")
    (entry,) = json.loads(octets(found["collateral"]["key-set"]))["keys"]
    key = rsa_of(entry)
    raw = base64.urlsafe_b64decode(signature + b"==")
    agrees(tmp_path, key, raw, signed, digest="sha256")


def test_openssl_accepts_a_token_that_brings_its_certificates(tmp_path):
    signed, _, signature = octets(body(TOKENS, "gcp-good-pki")["report"]).rpartition(b".")
    header = json.loads(base64.urlsafe_b64decode(signed.partition(b".")[0] + b"=="))
    chain = [base64.b64decode(item) for item in header["x5c"]]
    assert chain_holds(tmp_path, *chain)
    raw = base64.urlsafe_b64decode(signature + b"==")
    agrees(tmp_path, key_of(chain[0]), raw, signed, digest="sha256")


def checkquote(tmp_path, *, key, message, signature, values, nonce):
    require_program("tpm2_checkquote")
    for name, data in {"ak": key, "quote": message, "sig": signature, "pcrs": values}.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [
            *("tpm2_checkquote", "-u", "ak", "-m", "quote", "-s", "sig", "-g", "sha256"),
            *("-q", nonce.hex(), "-f", "pcrs"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0


def saved(values):
    """Write register values as tpm2-tools saves them: selection, then lists of eight."""
    chosen = bytearray(4)
    for index in values:
        chosen[index // 8] |= 1 << index % 8
    head = (1).to_bytes(4, "little") + b"\x0b\x00" + b"\x03" + bytes(chosen[:3])
    head = head.ljust(132, b"\0") + len(range(0, len(values), 8)).to_bytes(4, "little")
    ordered = [values[index] for index in sorted(values)]
    blocks = b""
    for start in range(0, len(ordered), 8):
        part = ordered[start : start + 8]
        buffers = b"".join(b"\x20\x00" + item.ljust(64, b"\0") for item in part)
        blocks += (len(part).to_bytes(4, "little") + buffers).ljust(532, b"\0")
    return head + blocks


@pytest.mark.parametrize("name", ["good", "good-rsa", "good-unproven"])
def test_tpm2_tools_accept_a_quote(tmp_path, name):
    report = parse_tpm(octets(body(TPM, name)["evidence"]["report"]))
    assert is_public_area(report.key)
    given = {
        "key": spki(parse_public(report.key).key),
        "message": report.quote,
        "signature": report.signature,
        "values": saved(report.values),
        "nonce": parse_tpm_quote(report.quote).extra_data,
    }
    assert checkquote(tmp_path, **given)
    assert not checkquote(tmp_path, **given | {"nonce": flipped(given["nonce"])})
    changed = {index: flipped(value) for index, value in report.values.items()}
    assert not checkquote(tmp_path, **given | {"values": saved(changed)})


@pytest.mark.parametrize("name", ["azure-snp", "azure-tdx"])
def test_openssl_accepts_a_quote_of_a_paravisor(tmp_path, name):
    report = parse_azure(octets(body(PROCESSORS, name)["report"]))
    keys = json.loads(report.parsed_hcl().claims)["keys"]
    (entry,) = [key for key in keys if key["kid"] == "HCLAkPub"]
    agrees(tmp_path, rsa_of(entry), report.signature, report.message, digest="sha256")
