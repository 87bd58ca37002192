# SPDX-License-Identifier: Apache-2.0
"""Write the vectors of tokens: each single thing that can be wrong, by keys of our own.

Run ``python -m tests.vectors.attestation.tokens.generate`` after a change of the format.
"""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.binding import Channel, bind32, expected_in
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.contract.attestation_terms import TrustedKeySet
from cleanroom.kernel.clock import format_time
from tests.support.evidence_vectors import evidence_body
from tests.support.test_pki import AT
from tests.support.token_forge import (
    CS_ISSUER,
    MAA_ISSUER,
    NOW,
    NRAS_ISSUER,
    b64url,
    cs_claims,
    detached,
    device_claims,
    ec_set,
    maa_claims,
    rsa_set,
    sign_token,
    signing_ec,
    signing_rsa,
    token_chain,
    vouch,
    x5c,
)
from tests.support.vector_files import Vector, write_vectors

DIRECTORY = Path(__file__).parent
BINDING = bytes(range(64))
TOKEN_NONCE = expected_in(Channel.TOKEN, BINDING).decode()
GPU_NONCE = bind32(Channel.GPU, BINDING).hex()
ROOTS = {"root": str(token_chain()[-1].pin)}
RSA_SET, EC_SET = {"key-set": rsa_set()}, {"key-set": ec_set()}
MALFORMED, INTEGRITY, REFUSED = "MalformedError", "IntegrityError", "EvidenceRefusedError"


def vectors() -> dict[str, Vector]:
    """Make every vector; deterministic."""
    made: dict[str, Vector] = {}
    for source in (_any_token, _key_sets, _maa, _cs, _nras):
        for name, vector in source():
            assert name not in made, name
            made[name] = vector
    return made


def _vector(
    expect: str,
    comment: str,
    report: bytes,
    *,
    kind: str = "maa-jwt",
    collateral: Mapping[str, bytes] = RSA_SET,
    trusted: tuple[TrustedKeySet, ...] = (vouch(rsa_set(), MAA_ISSUER),),
    at: str = format_time(AT),
    debug: bool = False,
) -> Vector:
    item = EvidenceItem(platform=kind, report=report, collateral=collateral)
    trust = {
        "roots": ROOTS if kind == "gcp-cs-jwt" else {},
        "key_sets": [
            {
                "issuer": entry.issuer,
                "digest": str(entry.digest),
                "fetched_at": format_time(entry.fetched_at),
            }
            for entry in trusted
        ],
    }
    more: dict[str, Any] = {"debug": debug} if expect == "success" else {}
    return Vector(
        expect=expect,
        comment=comment,
        body=evidence_body(item, trust=trust, binding=BINDING, at=at, **more),
    )


def _maa_claims(**changes: Any) -> dict[str, Any]:
    nonce = base64.b64encode(TOKEN_NONCE.encode()).decode()
    return maa_claims(**{"x-ms-runtime": {"client-payload": {"nonce": nonce}}, **changes})


def _maa_token(claims: Mapping[str, Any] | bytes | None = None, **header: Any) -> bytes:
    return sign_token(_maa_claims() if claims is None else claims, signing_rsa(), **header)


def _any_token() -> Iterator[tuple[str, Vector]]:
    good = _maa_token()
    head, payload, signature = good.split(b".")
    unsigned = b64url(json.dumps({"alg": "none", "kid": "one"}).encode()).encode()
    shared = b64url(json.dumps({"alg": "HS256", "kid": "one"}).encode()).encode()
    key = signing_rsa().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mac = b64url(hmac.digest(key, shared + b"." + payload, "sha256")).encode()
    twice = json.dumps(_maa_claims())[:-1].encode() + b',"iss":"https://evil.example"}'
    for name, report, expect in (
        ("empty", b"", f"{MALFORMED} token.malformed"),
        ("two-parts", head + b"." + payload, f"{MALFORMED} token.malformed"),
        ("trailing", good + b".AA", f"{MALFORMED} token.malformed"),
        ("padded", good + b"=", f"{MALFORMED} format.base64"),
        ("alg-none", unsigned + b"." + payload + b".", f"{INTEGRITY} token.algorithm"),
        ("alg-hs256", shared + b"." + payload + b"." + mac, f"{INTEGRITY} token.algorithm"),
        ("alg-rs512", _maa_token(alg="RS512"), f"{INTEGRITY} token.algorithm"),
        ("crit", _maa_token(crit=["exp"]), f"{MALFORMED} token.malformed"),
        ("b64", _maa_token(b64=False), f"{MALFORMED} token.malformed"),
        ("claim-twice", _maa_token(twice), f"{MALFORMED} json.duplicate-key"),
        ("signature", good[:-2] + b"AA", f"{INTEGRITY} attestation.signature"),
        (
            "payload",
            head + b"." + b64url(json.dumps(_maa_claims(secureboot=False)).encode()).encode()
            + b"." + signature,
            f"{INTEGRITY} attestation.signature",
        ),
        ("kid-unknown", _maa_token(kid="two"), f"{INTEGRITY} token.key"),
        ("kid-missing", _maa_token(kid=None), f"{INTEGRITY} token.key"),
        ("jku", _maa_token(jku="https://evil.example/certs"), "success"),
    ):  # fmt: skip
        yield f"token-{name}", _vector(expect, f"token: {name}", report)


def _key_sets() -> Iterator[tuple[str, Vector]]:
    own = sign_token(_maa_claims(), signing_ec())
    yield (
        "key-set-own",
        _vector(f"{INTEGRITY} token.key-set", "the attester's own keys", own, collateral=EC_SET),
    )
    yield (
        "key-set-nobody-vouches",
        _vector(f"{INTEGRITY} token.key-set", "nobody is trusted", _maa_token(), trusted=()),
    )
    yield (
        "key-set-missing",
        _vector(f"{MALFORMED} token.collateral", "no key set", _maa_token(), collateral={}),
    )
    stale = vouch(rsa_set(), MAA_ISSUER)
    old = replace(stale, fetched_at=AT - dt.timedelta(days=8))
    yield (
        "key-set-stale",
        _vector(
            f"{REFUSED} attestation.collateral-expired",
            "fetched eight days before",
            _maa_token(),
            trusted=(old,),
        ),
    )


def _maa() -> Iterator[tuple[str, Vector]]:
    tee = _maa_claims()["x-ms-isolation-tee"]
    yield "maa-good", _vector("success", "a confidential VM", _maa_token())
    for name, changes, expect in (
        ("issuer", {"iss": "https://other.weu.attest.azure.net"}, f"{REFUSED} token.issuer"),
        ("expired", {"exp": NOW}, f"{REFUSED} token.expired"),
        ("not-yet", {"nbf": NOW + 61}, f"{REFUSED} token.not-yet-valid"),
        ("lifetime", {"exp": NOW + 10**7}, f"{REFUSED} token.lifetime"),
        ("no-expiry", {"exp": None}, f"{MALFORMED} token.claim"),
        (
            "enclave",
            {"x-ms-isolation-tee": tee | {"x-ms-attestation-type": "sgx"}},
            f"{REFUSED} maa.tee",
        ),
        (
            "claim-missing",
            {"x-ms-isolation-tee": {key: tee[key] for key in tee if "debug" not in key}},
            f"{MALFORMED} token.claim",
        ),
        ("unbound", {"x-ms-runtime": {}}, f"{REFUSED} attestation.binding"),
        (
            "replayed",
            {"x-ms-runtime": maa_claims()["x-ms-runtime"]},
            f"{REFUSED} attestation.binding",
        ),
    ):
        yield f"maa-{name}", _vector(expect, f"maa: {name}", _maa_token(_maa_claims(**changes)))
    debug = tee | {"x-ms-sevsnpvm-is-debuggable": True}
    yield (
        "maa-debug",
        _vector(
            "success",
            "genuine and debuggable",
            _maa_token(_maa_claims(**{"x-ms-isolation-tee": debug})),
            debug=True,
        ),
    )


def _cs_token(*, root: str = "token root", **changes: Any) -> bytes:
    claims = cs_claims(**{"eat_nonce": TOKEN_NONCE, **changes})
    return sign_token(claims, signing_rsa(), kid=None, x5c=x5c(token_chain(root)))


def _cs() -> Iterator[tuple[str, Vector]]:
    pki: dict[str, Any] = {"kind": "gcp-cs-jwt", "collateral": {}, "trusted": ()}
    yield "gcp-good-pki", _vector("success", "below the pinned root", _cs_token(), **pki)
    oidc = sign_token(cs_claims(eat_nonce=TOKEN_NONCE), signing_rsa())
    google = (vouch(rsa_set(), CS_ISSUER),)
    yield (
        "gcp-good-oidc",
        _vector("success", "by a key set", oidc, kind="gcp-cs-jwt", trusted=google),
    )
    yield (
        "gcp-key-set-of-another",
        _vector(f"{REFUSED} token.issuer", "a key set of another issuer", oidc, kind="gcp-cs-jwt"),
    )
    mixed = x5c((*token_chain("own root")[:-1], token_chain()[-1]))
    behind = sign_token(cs_claims(), signing_rsa(), kid=None, x5c=mixed)
    for name, report, expect in (
        ("own-root", _cs_token(root="own root"), f"{INTEGRITY} digest.mismatch"),
        ("pinned-root-behind-own", behind, f"{INTEGRITY} attestation.certificate-signature"),
        ("issuer", _cs_token(iss="https://accounts.google.com"), f"{REFUSED} token.issuer"),
        ("expired", _cs_token(exp=NOW), f"{REFUSED} token.expired"),
        ("software", _cs_token(swname="GCE"), f"{REFUSED} gcp.software"),
        ("image", _cs_token(**{"container/image_digest": "latest"}), f"{MALFORMED} digest.format"),
        ("replayed", _cs_token(eat_nonce="other"), f"{REFUSED} attestation.binding"),
        ("nonces", _cs_token(eat_nonce=[TOKEN_NONCE, "b"]), f"{REFUSED} attestation.binding"),
        ("no-nonce", _cs_token(eat_nonce=None), f"{REFUSED} attestation.binding"),
    ):
        yield f"gcp-{name}", _vector(expect, f"gcp: {name}", report, **pki)
    late = "2046-01-01T00:00:01Z"
    seconds = int(dt.datetime(2046, 1, 1, tzinfo=dt.UTC).timestamp())
    report = _cs_token(iat=seconds, nbf=seconds, exp=seconds + 60)
    yield (
        "gcp-chain-expired",
        _vector(
            f"{REFUSED} attestation.certificate-time", "after the root", report, at=late, **pki
        ),
    )
    yield (
        "gcp-debug",
        _vector("success", "genuine, debug on", _cs_token(dbgstat="enabled"), debug=True, **pki),
    )


def _nras() -> Iterator[tuple[str, Vector]]:
    bound = {"eat_nonce": GPU_NONCE}
    given: dict[str, Any] = {
        "kind": "nras-eat",
        "collateral": EC_SET,
        "trusted": (vouch(ec_set(), NRAS_ISSUER),),
    }
    device = device_claims(**bound)
    other = sign_token(device | {"ueid": "4712"}, signing_ec()).decode()
    switch = device_claims(switch=True, **bound)
    good = {"GPU-0": device}
    expired = {"GPU-0": device | {"exp": NOW}}
    for name, report, expect in (
        ("good", detached(good, **bound), "success"),
        ("good-several", detached(good | {"SWITCH-0": switch}, **bound), "success"),
        ("exchanged", detached(good, shown={"GPU-0": other}, **bound), f"{INTEGRITY} nras.devices"),
        ("added", detached(good, shown={"GPU-1": other}, **bound), f"{INTEGRITY} nras.devices"),
        ("device-nonce", detached(eat_nonce=GPU_NONCE), f"{REFUSED} nras.nonce"),
        ("replayed", detached(), f"{REFUSED} attestation.binding"),
        (
            "measurements",
            detached({"GPU-0": device | {"measres": "fail"}}, **bound),
            f"{REFUSED} nras.result",
        ),
        (
            "overall",
            detached(good, **bound, **{"x-nvidia-overall-att-result": False}),
            f"{REFUSED} nras.result",
        ),
        ("device-expired", detached(expired, **bound), f"{REFUSED} token.expired"),
        ("structure", b"[]", f"{MALFORMED} nras.malformed"),
    ):
        yield f"nras-{name}", _vector(expect, f"nras: {name}", report, **given)
    debug = detached({"GPU-0": device | {"dbgstat": "enabled"}}, **bound)
    yield "nras-debug", _vector("success", "genuine, debug on", debug, debug=True, **given)


if __name__ == "__main__":
    write_vectors(DIRECTORY, vectors())
