# SPDX-License-Identifier: Apache-2.0
"""What the paravisor says of its virtual machine: keys, configuration, user data.

JSON that the hardware report digests. Microsoft adds members now and then, so
unknown ones are kept out of sight and every one that counts must be there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.attestation.fields import base64url_field, text_field
from cleanroom.attestation.platforms.tpm.public import rsa_key
from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json

MAX_CLAIMS_BYTES = 16 * 1024
AK_NAME = "HCLAkPub"
AK_BITS = 2048
USER_DATA_BYTES = 64

_MAX_KEYS = 8
_VM_ID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# The first paravisor writes capitals, OpenHCL small letters; nobody writes both in one text.
_USER_DATA = re.compile(rf"[0-9A-F]{{{2 * USER_DATA_BYTES}}}|[0-9a-f]{{{2 * USER_DATA_BYTES}}}")
_WHAT = "azure runtime claims"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeClaims:
    """The claims that count.

    Attributes:
        ak: Key that the virtual TPM quotes with.
        user_data: The 64 bytes that the guest wrote before; empty on an old paravisor.
        vm_id: ``vmUniqueId``, lower case.
        secure_boot: As configured.
        console: A console is attached; taken for granted where nothing is said.
        interactive_console: Likewise, one that takes input.
        tpm_persisted: The TPM's state outlives the machine; likewise.
    """

    ak: rsa.RSAPublicKey
    user_data: bytes
    vm_id: str
    secure_boot: bool
    console: bool
    interactive_console: bool
    tpm_persisted: bool


def parse_claims(data: bytes) -> RuntimeClaims:
    """Read the claims.

    Raises:
        MalformedError: Not JSON, a member that counts is missing or of another form,
            or not exactly one attestation key.
    """
    value = parse_json(data, what=_WHAT, limit=MAX_CLAIMS_BYTES)
    members = _object(value, "the claims")
    machine = _object(members.get("vm-configuration"), "vm-configuration")
    return RuntimeClaims(
        ak=_ak(members.get("keys")),
        user_data=_user_data(members),
        vm_id=text_field(
            machine.get("vmUniqueId"), pattern=_VM_ID, what=f"{_WHAT} vmUniqueId"
        ).lower(),
        secure_boot=_flag(machine.get("secure-boot")),
        # Where an older paravisor says nothing, the worse is assumed.
        console=_flag(machine.get("console-enabled", True)),
        interactive_console=_flag(machine.get("interactive-console-enabled", True)),
        tpm_persisted=_flag(machine.get("tpm-persisted", True)),
    )


def _ak(value: object) -> rsa.RSAPublicKey:
    if not isinstance(value, list) or len(value) > _MAX_KEYS:
        raise _malformed(f"no list of at most {_MAX_KEYS} keys", "keys")
    named = [key for key in value if _object(key, "a key").get("kid") == AK_NAME]
    # With two of one name, one reader trusts the first and another the last.
    if len(named) != 1:
        raise _malformed(f"{len(named)} keys named {AK_NAME} against one", "keys")
    modulus, exponent = (
        int.from_bytes(base64url_field(named[0].get(name), what=f"{_WHAT} key"), "big")
        for name in ("n", "e")
    )
    if named[0].get("kty") != "RSA":
        raise _malformed("another kind of key against RSA", "keys")
    return rsa_key(modulus, exponent=exponent, bits=AK_BITS)


def _user_data(members: Mapping[str, Any]) -> bytes:
    if "user-data" not in members:
        return b""
    text = text_field(members["user-data"], pattern=_USER_DATA, what=f"{_WHAT} user-data")
    return bytes.fromhex(text)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _malformed("no yes or no in vm-configuration", "flag")
    return value


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(f"no object in {name}", "type")
    return value


def _malformed(found: str, cause: str) -> MalformedError:
    return MalformedError(f"{_WHAT}: found {found}", code=f"azure.claims-{cause}")
