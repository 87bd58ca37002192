# SPDX-License-Identifier: Apache-2.0
"""Our own endorsements of a utility VM, written with a CBOR library that is not ours."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from functools import lru_cache
from typing import Any

import cbor2
from cryptography import x509

from tests.support.der_writer import pss_sign
from tests.support.nvidia_forge import SIGNING
from tests.support.test_pki import AT, Authority, issue, make_root
from tests.support.token_forge import signing_rsa

PURPOSE = "1.3.6.1.4.1.311.76.59.1.2"
MEASUREMENT = bytes(range(48))


@lru_cache
def uvm_chain(purpose: str = PURPOSE, *, world: str = "uvm") -> tuple[Authority, ...]:
    """Issue a signer's chain, leaf first, root last; ``world`` names another's."""
    top = make_root(f"{world} root")
    middle = issue(f"{world} products", issuer=top, ca=True, path_length=0)
    extensions: list[tuple[x509.ExtensionType, bool]] = [(SIGNING, True)]
    if purpose:
        extensions.append((x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose)]), False))
    leaf = issue(f"uvm {purpose}", issuer=middle, key=signing_rsa(), extensions=extensions)
    return leaf, middle, top


def issuer() -> str:
    """Write whom a relying party of Microsoft's would pin."""
    pinned = bytes.fromhex(uvm_chain()[-1].pin.hex)
    text = base64.urlsafe_b64encode(pinned).rstrip(b"=").decode()
    return f"did:x509:0:sha256:{text}::eku:{PURPOSE}"


def header(**changes: Any) -> dict[Any, Any]:
    """Make the protected members; ``"-"`` leaves one out, ``c33`` names the member 33."""
    chain = changes.pop("chain", uvm_chain())
    given: dict[Any, Any] = {
        1: -38,
        3: "application/json",
        33: [item.der for item in chain],
        34: [-16, hashlib.sha256(chain[0].der).digest()],
        "iss": issuer(),
        "feed": "ContainerPlat-AMD-UVM",
        "signingtime": cbor2.CBORTag(1, int((AT - dt.timedelta(days=1)).timestamp())),
    }
    for name, value in changes.items():
        given[int(name[1:]) if name[1:].isdigit() else name] = value
    return {name: value for name, value in given.items() if value != "-"}


def members(**changes: Any) -> dict[str, Any]:
    """Make the payload's members; ``"-"`` leaves one out."""
    given = {
        "x-ms-sevsnpvm-guestsvn": "22",
        "x-ms-sevsnpvm-launchmeasurement": MEASUREMENT.hex(),
    }
    given |= {f"x-ms-sevsnpvm-{name}": value for name, value in changes.items()}
    return {name: value for name, value in given.items() if value != "-"}


def make_endorsement(
    protected: dict[Any, Any] | bytes | None = None, payload: bytes | None = None
) -> bytes:
    """Sign an endorsement."""
    given = header() if protected is None else protected
    signed = given if isinstance(given, bytes) else cbor2.dumps(given)
    content = json.dumps(members()).encode() if payload is None else payload
    octets = cbor2.dumps(["Signature1", signed, b"", content])
    signature = pss_sign(signing_rsa(), octets)
    return cbor2.dumps(cbor2.CBORTag(18, [signed, {"timestamp": b"nobody"}, content, signature]))
