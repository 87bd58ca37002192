# SPDX-License-Identifier: Apache-2.0
"""Logs as firmware and kernel write them, entry by entry, right or wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cleanroom.attestation.platforms.tpm.algorithms import Hash

NO_ACTION, SEPARATOR, EFI_ACTION = 3, 4, 0x80000007
SHA1 = 0x0004
USUAL = {SHA1: 20, int(Hash.SHA256): 32}
SIGNATURE = b"Spec ID Event03\0"


def little(number: int, width: int = 4) -> bytes:
    """Write an integer as firmware does."""
    return number.to_bytes(width, "little")


def header(
    banks: Mapping[int, int] | Sequence[tuple[int, int]] = tuple(USUAL.items()),
    *,
    signature: bytes = SIGNATURE,
    kind: int = NO_ACTION,
    register: int = 0,
    digest: bytes = bytes(20),
    trailing: bytes = b"",
) -> bytes:
    """Write the first entry, which lists the banks."""
    pairs = banks.items() if isinstance(banks, Mapping) else banks
    body = signature + bytes(8) + little(len(pairs))
    body += b"".join(little(number, 2) + little(size, 2) for number, size in pairs)
    body += b"\0" + trailing
    return little(register) + little(kind) + digest + little(len(body)) + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry; digests are those of the data unless given.

    Attributes:
        register: Index.
        kind: Event type.
        data: What is written beside the digests.
        digests: Bank to digest, in order.
    """

    register: int
    kind: int = EFI_ACTION
    data: bytes = b""
    digests: Sequence[tuple[int, bytes]] | None = None

    def encode(self) -> bytes:
        """Write it."""
        digests = self.digests
        if digests is None:
            digests = (
                (SHA1, hashlib.sha1(self.data, usedforsecurity=False).digest()),
                (Hash.SHA256, Hash.SHA256.digest(self.data)),
            )
        return (
            little(self.register)
            + little(self.kind)
            + little(len(digests))
            + b"".join(little(int(number), 2) + digest for number, digest in digests)
            + little(len(self.data))
            + self.data
        )


def event_log(*entries: Entry, head: bytes | None = None) -> bytes:
    """Write a whole log."""
    return (header() if head is None else head) + b"".join(entry.encode() for entry in entries)


# Carry a signature, or the buffer that was measured.
WITH_TAIL = frozenset({"ima-sig", "ima-sigv2", "ima-buf"})
# No signature beside the file, then the digest without the one at its end, and that.
APPENDED = "ima-modsig"


def ima_entry(
    path: bytes,
    content: bytes,
    *,
    template: str = "ima-ng",
    signature: bytes = b"",
    violation: bool = False,
    register: int = 10,
) -> bytes:
    """Write one entry of IMA's binary log."""
    data = ima_template(path, content, template=template, signature=signature)
    digest = bytes(20) if violation else hashlib.sha1(data, usedforsecurity=False).digest()
    name = template.encode()
    return little(register) + digest + little(len(name)) + name + little(len(data)) + data


def ima_template(
    path: bytes, content: bytes, *, template: str = "ima-ng", signature: bytes = b""
) -> bytes:
    """Write the data that the kernel hashes for one file."""
    kind = b"ima:" if template.endswith("v2") else b""
    fields = [kind + b"sha256:\0" + hashlib.sha256(content).digest(), path + b"\0"]
    if template in WITH_TAIL:
        fields.append(signature)
    if template == APPENDED:
        without = hashlib.sha256(content + b"without").digest() if signature else b""
        fields += [b"", b"sha256:\0" + without if signature else b"", signature]
    return b"".join(little(len(item)) + item for item in fields)


def ima_line(
    path: bytes, content: bytes, *, template: str = "ima-ng", signature: bytes = b""
) -> bytes:
    """Write one line of IMA's ASCII log."""
    data = ima_template(path, content, template=template, signature=signature)
    digest = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    kind = "ima:" if template.endswith("v2") else ""
    named = f"{kind}sha256:{hashlib.sha256(content).hexdigest()}"
    line = f"10 {digest} {template} {named} ".encode() + path
    if template in WITH_TAIL:
        line += b" " + signature.hex().encode()
    if template == APPENDED:
        without = hashlib.sha256(content + b"without").hexdigest()
        digest = f"sha256:{without}" if signature else ""
        line += f"  {digest} {signature.hex()}".encode()
    return line + b"\n"
