# SPDX-License-Identifier: Apache-2.0
"""Tokens and key sets of the project's own making, for every service whose tokens we read."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from cleanroom.attestation.tokens.keys import trust_key_set
from cleanroom.contract.attestation_terms import TrustedKeySet
from tests.support.nvidia_forge import SIGNING
from tests.support.test_pki import AT, Authority, ec_key, issue, make_root, rsa_key, sign_ecdsa

NOW = int(AT.timestamp())
NONCE = bytes(range(32))
NONCE_TEXT = base64.urlsafe_b64encode(NONCE).rstrip(b"=").decode()
MAA_ISSUER = "https://sharedtest.weu.attest.azure.net"
CS_ISSUER = "https://confidentialcomputing.googleapis.com"
NRAS_ISSUER = "https://nras.attestation.nvidia.com"
TIMES = {"iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 3540}


def b64url(data: bytes) -> str:
    """Encode as JSON Web Signatures do."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signing_rsa() -> rsa.RSAPrivateKey:
    """Return the key of services that sign with RSA."""
    return rsa_key("token")


def signing_ec(curve: type[ec.EllipticCurve] = ec.SECP384R1) -> ec.EllipticCurvePrivateKey:
    """Return the key of services that sign with ECDSA."""
    return ec_key("token", curve)


def sign_token(
    claims: Mapping[str, Any] | bytes,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    *,
    algorithm: str | None = None,
    **header: Any,
) -> bytes:
    """Sign a token in compact form; ``None`` leaves a header member out."""
    known = {"alg": algorithm or _algorithm(key), "kid": "one", "typ": "JWT"} | header
    text = json.dumps({name: value for name, value in known.items() if value is not None})
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{b64url(text.encode())}.{b64url(payload)}".encode()
    return signed + b"." + b64url(raw_signature(signed, key)).encode()


def raw_signature(data: bytes, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Sign as the key's one algorithm does."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, PKCS1v15(), hashes.SHA256())
    size = key.curve.key_size // 8
    kind = hashes.SHA384() if size == 48 else hashes.SHA256()
    r, s = sign_ecdsa(key, data, kind)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str = "one") -> dict[str, Any]:
    """Write a public key."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {
            "kty": "RSA",
            "kid": kid,
            "e": b64url(numbers.e.to_bytes(3, "big")),
            "n": b64url(numbers.n.to_bytes(key.key_size // 8, "big")),
        }
    size = key.curve.key_size // 8
    point = key.public_key().public_numbers()
    return {
        "kty": "EC",
        "kid": kid,
        "crv": f"P-{key.curve.key_size}",
        "x": b64url(point.x.to_bytes(size, "big")),
        "y": b64url(point.y.to_bytes(size, "big")),
    }


def key_set(*entries: Mapping[str, Any]) -> bytes:
    """Write a key set."""
    return json.dumps({"keys": entries}).encode()


def rsa_set() -> bytes:
    """Write the key set of services that sign with RSA."""
    return key_set(jwk(signing_rsa()))


def ec_set() -> bytes:
    """Write the key set of services that sign with ECDSA."""
    return key_set(jwk(signing_ec()))


def vouch(document: bytes, issuer: str) -> TrustedKeySet:
    """Vouch for a key set at the time that the tests judge by."""
    return trust_key_set(document, issuer=issuer, fetched_at=AT)


@lru_cache
def token_chain(root: str = "token root") -> tuple[Authority, ...]:
    """Issue the chain of a service that signs below a root, leaf first."""
    top = make_root(root)
    middle = issue(f"{root} intermediate", issuer=top, ca=True)
    leaf = issue(f"{root} leaf", issuer=middle, key=signing_rsa(), extensions=[(SIGNING, True)])
    return leaf, middle, top


def x5c(chain: Sequence[Authority]) -> list[str]:
    """Write a chain as a token's header has it."""
    return [base64.b64encode(item.der).decode() for item in chain]


def maa_claims(**changes: Any) -> dict[str, Any]:
    """Claims of a confidential VM's guest attestation; ``None`` leaves one out."""
    tee = {
        "x-ms-attestation-type": "sevsnpvm",
        "x-ms-compliance-status": "azure-compliant-cvm",
        "x-ms-sevsnpvm-launchmeasurement": "ab" * 48,
        "x-ms-sevsnpvm-idkeydigest": "cd" * 48,
        "x-ms-sevsnpvm-hostdata": "00" * 32,
        "x-ms-sevsnpvm-guestsvn": 9,
        "x-ms-sevsnpvm-vmpl": 0,
        "x-ms-sevsnpvm-bootloader-svn": 3,
        "x-ms-sevsnpvm-tee-svn": 0,
        "x-ms-sevsnpvm-snpfw-svn": 8,
        "x-ms-sevsnpvm-microcode-svn": 115,
        "x-ms-sevsnpvm-is-debuggable": False,
    }
    outer = {
        **TIMES,
        "iss": MAA_ISSUER,
        "secureboot": True,
        "x-ms-attestation-type": "azurevm",
        "x-ms-azurevm-vmid": "2DEDC52A-6832-46CE-9910-E8C9980BF5A7",
        "x-ms-policy-hash": "hash",
        "x-ms-runtime": {
            "client-payload": {"nonce": base64.b64encode(NONCE_TEXT.encode()).decode()}
        },
    }
    inner = {name: value for name, value in changes.items() if name in tee and name not in outer}
    given = outer | {"x-ms-isolation-tee": _without_none(tee | inner)}
    return _without_none(given | {key: item for key, item in changes.items() if key not in inner})


def cs_claims(**changes: Any) -> dict[str, Any]:
    """Claims of a Confidential Space token; a name with a slash is in ``submods``."""
    submods: dict[str, Any] = {
        "confidential_space": {"support_attributes": ["LATEST", "STABLE", "USABLE"]},
        "container": {
            "image_digest": "sha256:" + "ab" * 32,
            "args": ["/runner"],
            "env": {"PATH": "/bin"},
        },
        "gce": {"project_id": "project"},
    }
    for name in [name for name in changes if "/" in name]:
        module, _, member = name.partition("/")
        submods[module] = _without_none(submods[module] | {member: changes.pop(name)})
    claims = {
        **TIMES,
        "iss": CS_ISSUER,
        "aud": "cleanroom",
        "eat_nonce": NONCE_TEXT,
        "secboot": True,
        "hwmodel": "GCP_INTEL_TDX",
        "swname": "CONFIDENTIAL_SPACE",
        "dbgstat": "disabled-since-boot",
        "submods": submods,
        "google_service_accounts": ["a@project.iam"],
    }
    return _without_none(claims | changes)


def device_claims(*, switch: bool = False, **changes: Any) -> dict[str, Any]:
    """Claims of one device in a detached token."""
    versions = (
        {"x-nvidia-switch-bios-version": "96.10.55.00.01"}
        if switch
        else {"x-nvidia-gpu-driver-version": "570.1", "x-nvidia-gpu-vbios-version": "96.00.AB"}
    )
    claims = {
        **TIMES,
        **versions,
        "iss": NRAS_ISSUER,
        "eat_nonce": NONCE.hex(),
        "measres": "success",
        "dbgstat": "disabled",
        "secboot": True,
        "hwmodel": "LS_10" if switch else "GH100 A01 GSP BROM",
        "ueid": "4711",
    }
    return _without_none(claims | changes)


def detached(
    devices: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    shown: Mapping[str, str] | None = None,
    **changes: Any,
) -> bytes:
    """Sign a detached token; ``shown`` replaces devices' tokens behind the overall one's back."""
    signer = key or signing_ec()
    given = {"GPU-0": device_claims()} if devices is None else devices
    tokens = {name: sign_token(claims, signer).decode() for name, claims in given.items()}
    digests = {
        name: ["DIGEST", ["SHA-256", hashlib.sha256(token.encode()).hexdigest()]]
        for name, token in tokens.items()
    }
    overall = {
        **TIMES,
        "iss": NRAS_ISSUER,
        "eat_nonce": NONCE.hex(),
        "submods": digests,
        "x-nvidia-overall-att-result": True,
    }
    claims = _without_none(overall | changes)
    return json.dumps(
        [["JWT", sign_token(claims, signer).decode()], tokens | dict(shown or {})]
    ).encode()


def _algorithm(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    return f"ES{key.curve.key_size}"


def _without_none(claims: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}
