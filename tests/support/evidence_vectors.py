# SPDX-License-Identifier: Apache-2.0
"""One piece of evidence a vector: who is believed, what must be bound, and how it ends."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import Claims, PlatformVerifier
from cleanroom.attestation.platforms.confidential_space.verify import ConfidentialSpaceVerifier
from cleanroom.attestation.platforms.maa.verify import MaaVerifier
from cleanroom.attestation.platforms.nitro.verify import NitroTpmVerifier, NitroVerifier
from cleanroom.attestation.platforms.nvidia_gpu.nras import NrasVerifier
from cleanroom.attestation.platforms.nvidia_gpu.verify import NvidiaVerifier
from cleanroom.attestation.tokens.keys import MAX_KEY_SET_AGE
from cleanroom.attestation.verifier import require_bound, require_declared
from cleanroom.contract.attestation_terms import TrustedKeySet
from cleanroom.kernel.clock import parse_time
from cleanroom.kernel.digest import Digest


def evidence_body(
    item: EvidenceItem, *, trust: Mapping[str, Any], binding: bytes, at: str, **more: Any
) -> dict[str, Any]:
    """Write a vector's inputs."""
    return {
        "kind": item.platform,
        "report": base64.b64encode(item.report).decode(),
        "collateral": {
            name: base64.b64encode(data).decode() for name, data in item.collateral.items()
        },
        "trust": dict(trust),
        "binding": binding.hex(),
        "at": at,
        **more,
    }


def verify_body(body: Mapping[str, Any]) -> Claims:
    """Go the way that every kind goes: the platform's checks, then shape and binding."""
    item = EvidenceItem(
        platform=body["kind"],
        report=base64.b64decode(body["report"], validate=True),
        collateral={
            name: base64.b64decode(data, validate=True) for name, data in body["collateral"].items()
        },
    )
    verifier = _verifier(body["kind"], body["trust"])
    claims = verifier.verify(item, at=parse_time(body["at"]))
    require_declared(verifier, claims)
    require_bound(claims, bytes.fromhex(body["binding"]))
    return claims


def _verifier(kind: str, trust: Mapping[str, Any]) -> PlatformVerifier:
    roots = {name: Digest.parse(text) for name, text in trust.get("roots", {}).items()}
    key_sets = tuple(
        TrustedKeySet(
            issuer=entry["issuer"],
            digest=Digest.parse(entry["digest"]),
            fetched_at=parse_time(entry["fetched_at"]),
            max_age=MAX_KEY_SET_AGE,
        )
        for entry in trust.get("key_sets", [])
    )
    if kind in {"nvidia-gpu", "nvidia-switch"}:
        return NvidiaVerifier(kind=kind, device_root=roots["device"], rim_root=roots["manifest"])
    if kind == "nitro":
        return NitroVerifier(root=roots["root"])
    if kind == "nitro-tpm":
        return NitroTpmVerifier(root=roots["root"])
    if kind == "gcp-cs-jwt":
        return ConfidentialSpaceVerifier(root=roots["root"], key_sets=key_sets)
    return {"maa-jwt": MaaVerifier, "nras-eat": NrasVerifier}[kind](key_sets=key_sets)
