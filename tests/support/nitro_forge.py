# SPDX-License-Identifier: Apache-2.0
"""Nitro documents of the project's own making, written with a CBOR library that is not ours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes

from cleanroom.attestation.evidence import EvidenceItem
from tests.support.nvidia_forge import SIGNING
from tests.support.test_pki import AT, Authority, issue, make_root, sign_ecdsa

PROTECTED = cbor2.dumps({1: -35})
USER_DATA = bytes(range(64))
PCRS = {index: bytes([index + 1]) * 48 for index in range(3)} | {3: bytes(48), 4: bytes(48)}

# As a machine with UEFI reports them: 17 to 22 all ones, 23 and those nobody extended zero.
INSTANCE_PCRS = {
    index: bytes([index + 0x51]) * 48 if index < 9 else bytes(48) for index in range(24)
} | dict.fromkeys(range(17, 23), b"\xff" * 48)


@lru_cache
def nitro_chain(root: str = "nitro root") -> tuple[Authority, ...]:
    """Issue a document signer's chain, leaf first, root last."""
    top = make_root(root)
    region = issue(f"{root} region", issuer=top, ca=True, path_length=2)
    zone = issue(f"{root} zone", issuer=region, ca=True, path_length=1)
    instance = issue(f"{root} instance", issuer=zone, ca=True, path_length=0)
    leaf = issue(f"{root} enclave", issuer=instance, extensions=[(SIGNING, True)])
    return leaf, instance, zone, region, top


def members(chain: Sequence[Authority] | None = None, **changes: Any) -> dict[str, Any]:
    """Make the members of a document; ``"-"`` leaves one out."""
    leaf, *above = chain or nitro_chain()
    given = {
        "module_id": "i-0123456789abcdef0-enc0123456789abcdef",
        "digest": "SHA384",
        "timestamp": int(AT.timestamp()) * 1000 + 250,
        "pcrs": PCRS,
        "certificate": leaf.der,
        "cabundle": [item.der for item in reversed(above)],
        "public_key": None,
        "user_data": USER_DATA,
        "nonce": None,
    }
    return {name: value for name, value in (given | changes).items() if value != "-"}


def sign_document(
    payload: dict[Any, Any] | bytes,
    chain: Sequence[Authority] | None = None,
    *,
    protected: bytes = PROTECTED,
    unprotected: Any = None,
) -> bytes:
    """Sign a document."""
    content = payload if isinstance(payload, bytes) else cbor2.dumps(payload)
    signed = cbor2.dumps(["Signature1", protected, b"", content])
    r, s = sign_ecdsa((chain or nitro_chain())[0].key, signed, hashes.SHA384())
    signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
    return cbor2.dumps([protected, {} if unprotected is None else unprotected, content, signature])


def make_document(chain: Sequence[Authority] | None = None, **changes: Any) -> bytes:
    """Make and sign a document."""
    return sign_document(members(chain, **changes), chain)


def open_payload(payload: dict[Any, Any]) -> bytes:
    """Write members as hypervisors do since 2025: a map without a length, ended by a break."""
    written = [cbor2.dumps(name) + cbor2.dumps(value) for name, value in payload.items()]
    return b"\xbf" + b"".join(written) + b"\xff"


def make_instance_document(chain: Sequence[Authority] | None = None, **changes: Any) -> bytes:
    """Make and sign a document of a virtual machine with NitroTPM."""
    given = {"module_id": "i-0123456789abcdef0-tpm0000000000000000", "pcrs": "-"}
    return make_document(chain, **given | {"nitrotpm_pcrs": INSTANCE_PCRS} | changes)


def make_item(document: bytes | None = None, **collateral: bytes) -> EvidenceItem:
    """Put evidence of an enclave together."""
    report = make_document() if document is None else document
    return EvidenceItem(platform="nitro", report=report, collateral=collateral)


def make_instance_item(document: bytes | None = None) -> EvidenceItem:
    """Put evidence of a virtual machine together."""
    report = make_instance_document() if document is None else document
    return EvidenceItem(platform="nitro-tpm", report=report, collateral={})
