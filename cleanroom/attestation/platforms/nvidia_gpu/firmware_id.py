# SPDX-License-Identifier: Apache-2.0
"""Which firmware does a device's attestation certificate speak for?

The boot ROM writes a digest of the firmware that it started into the certificate it
issues for it (FWID, TCG DICE). A report that names another FWID was signed by a key
of other firmware than it describes.
"""

from __future__ import annotations

from cryptography import x509

from cleanroom.attestation import der
from cleanroom.attestation.signers import unknown_extensions
from cleanroom.errors import MalformedError

# TCG OID registry: a composite device id (Hopper, LS10), and DiceTcbInfo (Blackwell).
COMPOSITE_DEVICE_ID = "2.23.133.5.4.1"
DICE_TCB_INFO = "2.23.133.5.4.1.1"
# Read here, or naming the device in ways that nothing is decided by.
CRITICAL = frozenset({COMPOSITE_DEVICE_ID, DICE_TCB_INFO, "2.23.133.5.4.4"})

SHA384 = "2.16.840.1.101.3.4.2.2"
FIRMWARE_ID_BYTES = 48
_WHAT = "nvidia firmware id"
_FWIDS = 0xA6  # DiceTcbInfo.fwids, [6] IMPLICIT


def firmware_id(certificate: x509.Certificate) -> bytes:
    """Return the 48 bytes that the attestation certificate carries.

    Raises:
        MalformedError: None, two that could differ, or not a SHA-384 digest.
    """
    extensions = unknown_extensions(certificate)
    found = {
        oid: extensions[oid] for oid in (COMPOSITE_DEVICE_ID, DICE_TCB_INFO) if oid in extensions
    }
    # Both forms may stand side by side; then they must speak of one firmware.
    digests = {_read(oid, value) for oid, value in found.items()}
    if len(digests) != 1:
        raise MalformedError(
            f"{_WHAT}: found {len(digests)} in the certificate, agreed one",
            code="nvidia.firmware-id",
        )
    return digests.pop()


def _read(oid: str, value: bytes) -> bytes:
    outer = der.read_only(value, tag=der.SEQUENCE, what=_WHAT)
    return _digest(_composite(outer) if oid == COMPOSITE_DEVICE_ID else _first_fwid(outer))


def _composite(outer: der.Value) -> der.Value:
    tags = (der.INTEGER, der.SEQUENCE, der.SEQUENCE)
    return der.children(outer, tags=tags, what=_WHAT)[2]


def _first_fwid(outer: der.Value) -> der.Value:
    lists = [item for item in der.read_all(outer.content, what=_WHAT) if item.tag == _FWIDS]
    entries = der.read_all(lists[0].content, what=_WHAT) if len(lists) == 1 else ()
    if not entries or entries[0].tag != der.SEQUENCE:
        raise MalformedError(f"{_WHAT}: found no list of digests", code="nvidia.firmware-id")
    return entries[0]


def _digest(entry: der.Value) -> bytes:
    algorithm, digest = der.children(
        entry, tags=(der.OBJECT_IDENTIFIER, der.OCTET_STRING), what=_WHAT
    )
    if (
        der.object_identifier(algorithm, what=_WHAT) != SHA384
        or len(digest.content) != FIRMWARE_ID_BYTES
    ):
        raise MalformedError(f"{_WHAT}: found not a SHA-384 digest", code="nvidia.firmware-id")
    return digest.content
