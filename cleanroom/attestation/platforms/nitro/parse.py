# SPDX-License-Identifier: Apache-2.0
"""The attestation document: an untagged COSE_Sign1 (RFC 9052) around a CBOR map.

Source: AWS Nitro Enclaves NSM API, ``docs/attestation_process.md``, sections 3.1 and 3.2;
Amazon EC2 user guide, "Validate a NitroTPM Attestation Document".

=================  ==========================================================
member             value
=================  ==========================================================
protected          bytes: the map {1: -35}, ECDSA P-384 with SHA-384
unprotected        an empty map
payload            bytes: the map below
signature          96 bytes, r and s, over ["Signature1", protected, '', payload]
-----------------  ----------------------------------------------------------
module_id          text
digest             "SHA384"
timestamp          milliseconds since 1970
pcrs               an enclave's: map of index 0 to 31 to 48 bytes
nitrotpm_pcrs      a virtual machine's with NitroTPM, in its place
certificate        DER of the leaf
cabundle           list of DER, root first
public_key         bytes or null, at most 1024
user_data          bytes or null, at most 512
nonce              bytes or null, at most 512
=================  ==========================================================
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import Enum

from cleanroom.attestation.platforms.nitro.cbor import CBORValue, decode, encode
from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass

MAX_DOCUMENT_BYTES = 16 * 1024
PCR_BYTES = 48
SIGNATURE_BYTES = 96
MAX_PCRS = 32
MAX_GUEST_BYTES = 1024
MAX_CERTIFICATE_BYTES = 1024

_WHAT = "nitro document"
_ALGORITHM: dict[int | str, CBORValue] = {1: -35}
_LAST_MILLISECOND = 253_402_300_799_999  # the year 9999, the last that a datetime holds
_REQUIRED = ("module_id", "digest", "timestamp", "certificate", "cabundle")
_GUEST = ("public_key", "user_data", "nonce")


class Measured(Enum):
    """What the registers are of; the value is the member that holds them."""

    ENCLAVE = "pcrs"
    INSTANCE = "nitrotpm_pcrs"


_REGISTERS = tuple(item.value for item in Measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class NitroDocument:
    """A document's fields; unverified.

    Attributes:
        measured: An enclave, or a virtual machine that has a NitroTPM.
        signed: The exact bytes that the signature covers.
        signature: r and s, 48 bytes each, big-endian.
        module_id: Instance, and enclave or TPM.
        timestamp: When the hypervisor says it made the document.
        pcrs: Index to 48 bytes.
        chain: DER certificates, leaf first, root last.
        public_key: What the enclave put there; empty for nothing.
        user_data: Likewise.
        nonce: Likewise.
    """

    measured: Measured
    signed: bytes
    signature: bytes
    module_id: str
    timestamp: dt.datetime
    pcrs: Mapping[int, bytes]
    chain: tuple[bytes, ...]
    public_key: bytes
    user_data: bytes
    nonce: bytes


def parse_document(data: bytes) -> NitroDocument:
    """Read a document, every member of it.

    Raises:
        MalformedError: Oversize, not this CBOR, tagged, another algorithm, a member
            missing or unknown, or one of another form.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise _malformed(f"{len(data)} bytes against a limit of {MAX_DOCUMENT_BYTES}")
    envelope = decode(data, what=_WHAT)
    if not isinstance(envelope, list) or len(envelope) != 4:  # noqa: PLR2004 - COSE_Sign1
        raise _malformed("another structure, agreed an untagged COSE_Sign1")
    protected, unprotected, payload, signature = envelope
    # The algorithm is ours to fix: an attacker who may name one names the weakest.
    if not isinstance(protected, bytes) or decode(protected, what=_WHAT) != _ALGORITHM:
        raise _malformed("another algorithm, agreed ES384")
    if unprotected != {} or not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise _malformed("members of COSE_Sign1 of other kinds, agreed bytes around an empty map")
    if len(signature) != SIGNATURE_BYTES:
        raise _malformed(f"a signature of {len(signature)} bytes against {SIGNATURE_BYTES}")
    signed = encode(["Signature1", protected, b"", payload])
    return _document(_members(payload), signed=signed, signature=signature)


def _members(payload: bytes) -> dict[int | str, CBORValue]:
    # The signature covers the received bytes, so a second spelling of the map is no second meaning.
    members = decode(payload, what=_WHAT, open_map=True)
    if not isinstance(members, dict):
        raise _malformed("a payload that is not a map")
    missing = [name for name in _REQUIRED if name not in members]
    if missing or members.keys() - {*_REQUIRED, *_GUEST, *_REGISTERS}:
        raise _malformed(
            f"a member missing or unknown, agreed {', '.join((*_REQUIRED, *_GUEST))}"
            f" and {' or '.join(_REGISTERS)}"
        )
    return members


def _measured(members: dict[int | str, CBORValue]) -> Measured:
    found = [item for item in Measured if item.value in members]
    # With both, one reader would judge the enclave and another the machine around it.
    if len(found) != 1:
        raise _malformed(f"{len(found)} sets of registers, agreed {' or '.join(_REGISTERS)}")
    return found[0]


def _document(
    members: dict[int | str, CBORValue], *, signed: bytes, signature: bytes
) -> NitroDocument:
    module_id, digest = members["module_id"], members["digest"]
    measured = _measured(members)
    if not isinstance(module_id, str) or not 0 < len(module_id) <= MAX_GUEST_BYTES:
        raise _malformed("a module id that is not text")
    if digest != "SHA384":
        raise _malformed("another digest, agreed SHA384")
    return NitroDocument(
        measured=measured,
        signed=signed,
        signature=signature,
        module_id=module_id,
        timestamp=_time(members["timestamp"]),
        pcrs=_pcrs(members[measured.value]),
        chain=_chain(members["certificate"], members["cabundle"]),
        public_key=_guest_bytes(members, "public_key"),
        user_data=_guest_bytes(members, "user_data"),
        nonce=_guest_bytes(members, "nonce"),
    )


def _time(value: CBORValue) -> dt.datetime:
    if not isinstance(value, int) or not 0 < value <= _LAST_MILLISECOND:
        raise _malformed("a timestamp that no calendar holds")
    # Whole seconds, cut: times in this product carry no fractions.
    return dt.datetime.fromtimestamp(value // 1000, tz=dt.UTC)


def _pcrs(value: CBORValue) -> dict[int, bytes]:
    if not isinstance(value, dict) or not 0 < len(value) <= MAX_PCRS:
        raise _malformed(f"not 1 to {MAX_PCRS} PCRs")
    found: dict[int, bytes] = {}
    for index, content in value.items():
        if (
            not isinstance(index, int)
            or not 0 <= index < MAX_PCRS
            or not isinstance(content, bytes)
            or len(content) != PCR_BYTES
        ):
            raise _malformed(
                f"another PCR, agreed {PCR_BYTES} bytes under an index below {MAX_PCRS}"
            )
        found[index] = content
    return found


def _chain(leaf: CBORValue, bundle: CBORValue) -> tuple[bytes, ...]:
    items = [leaf, *reversed(bundle)] if isinstance(bundle, list) and bundle else []
    certificates = [item for item in items if isinstance(item, bytes)]
    if not items or len(certificates) != len(items):
        raise _malformed("certificates that are not bytes, or none")
    if not all(0 < len(item) <= MAX_CERTIFICATE_BYTES for item in certificates):
        raise _malformed(f"a certificate not of 1 to {MAX_CERTIFICATE_BYTES} bytes")
    return tuple(certificates)


def _guest_bytes(members: dict[int | str, CBORValue], name: str) -> bytes:
    value = members.get(name)
    if value is None:
        return b""
    if not isinstance(value, bytes) or len(value) > MAX_GUEST_BYTES:
        raise _malformed(f"another {name}, agreed at most {MAX_GUEST_BYTES} bytes")
    return value


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"{_WHAT}: found {found}", code="nitro.malformed")
