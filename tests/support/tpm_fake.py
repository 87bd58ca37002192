# SPDX-License-Identifier: Apache-2.0
"""A TPM behind a transport, in one page: registers, storage, keys and quotes.

It answers the commands of the client as a chip does (part 3 of the specification),
limits included: eight registers a read, no such handle, an index that is empty.
Real ones are used where swtpm is installed; this one runs everywhere, and can be
told to misbehave.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.client import EK_POLICY
from cleanroom.attestation.platforms.tpm.commands import Code
from tests.support.tpm_forge import (
    AK,
    ForgedKey,
    ForgedQuote,
    public_area,
    rsa_private,
    sized,
)

OWNER, ENDORSEMENT = 0x40000001, 0x4000000B
AK_HANDLE, EK_HANDLE, SESSION = 0x80000000, 0x80000001, 0x03000000
NO_HANDLE, NOT_WRITTEN, DEFINED, FAILED = 0x18B, 0x14A, 0x14C, 0x101
BAD_INTEGRITY = 0x1DF
READ_AT_ONCE = 8

_HANDLES = {
    Code.CREATE_PRIMARY: 1,
    Code.QUOTE: 1,
    Code.PCR_EXTEND: 1,
    Code.NV_READ: 2,
    Code.NV_WRITE: 2,
    Code.NV_DEFINE_SPACE: 1,
    Code.NV_READ_PUBLIC: 1,
    Code.READ_PUBLIC: 1,
    Code.ACTIVATE_CREDENTIAL: 2,
    Code.POLICY_SECRET: 2,
    Code.START_AUTH_SESSION: 2,
}
_OPENED = frozenset({Code.NV_READ_PUBLIC, Code.READ_PUBLIC, Code.PCR_READ, Code.START_AUTH_SESSION})


class RefusedError(Exception):
    """A response code other than success."""


def ek_public() -> bytes:
    """Return the public area of the fake's endorsement key."""
    return public_area(
        rsa_private().public_key(),
        attributes=0x000300B2,
        policy=EK_POLICY,
        symmetric=b"\x00\x06\x00\x80\x00\x43",
    )


@dataclass(kw_only=True)
class FakeTpm:
    """A TPM that is a transport; state is public so that a test can look and change.

    Attributes:
        ak: The key that signs quotes.
        registers: Values of the SHA-256 bank.
        storage: Index to content; None where it is defined and empty.
        loaded: Handles that were not freed.
        persistent: Handle to public area of keys that are always there.
        again: How many times the next command is answered with "try again".
        twist: Changes a response on its way, if a test wants that.
    """

    ak: ForgedKey = AK
    registers: dict[int, bytes] = field(default_factory=lambda: dict.fromkeys(range(24), bytes(32)))
    storage: dict[int, bytes | None] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    loaded: set[int] = field(default_factory=set)
    persistent: dict[int, bytes] = field(default_factory=dict)
    sent: list[Code] = field(default_factory=list)
    again: int = 0
    twist: Callable[[Code, bytes], bytes] = lambda _, response: response

    def __call__(self, command: bytes) -> bytes:
        """Answer one command."""
        code = Code(int.from_bytes(command[6:10], "big"))
        assert int.from_bytes(command[2:6], "big") == len(command)
        if self.again:
            self.again -= 1
            return response(b"", status=0x922)
        self.sent.append(code)
        try:
            handles, parameters = _split(code, command)
            body = getattr(self, f"_{code.name.lower()}")(handles, parameters)
        except RefusedError as refused:
            return self.twist(code, response(b"", status=refused.args[0]))
        return self.twist(code, response(body, authorised=command[:2] == b"\x80\x02", code=code))

    def extend(self, register: int, digest: bytes) -> None:
        """Extend as any other program on the machine may."""
        self.registers[register] = Hash.SHA256.extend(self.registers[register], digest)

    def store(self, index: int, data: bytes) -> None:
        """Put something at an index, as its maker did."""
        self.storage[index], self.sizes[index] = data, len(data)

    def _create_primary(self, handles: list[int], parameters: bytes) -> bytes:
        del parameters
        endorsement = handles[0] == ENDORSEMENT
        handle = EK_HANDLE if endorsement else AK_HANDLE
        self.loaded.add(handle)
        public = ek_public() if endorsement else self.ak.public
        return handle.to_bytes(4, "big") + sized(public) + sized(b"creation data")

    def _flush_context(self, handles: list[int], parameters: bytes) -> bytes:
        del handles
        handle = int.from_bytes(parameters, "big")
        if handle not in self.loaded:
            raise RefusedError(NO_HANDLE)
        self.loaded.remove(handle)
        return b""

    def _read_public(self, handles: list[int], parameters: bytes) -> bytes:
        del parameters
        if handles[0] not in self.persistent:
            raise RefusedError(NO_HANDLE)
        return sized(self.persistent[handles[0]]) + sized(b"name") + sized(b"qualified name")

    def _quote(self, handles: list[int], parameters: bytes) -> bytes:
        if handles[0] not in self.loaded | self.persistent.keys():
            raise RefusedError(NO_HANDLE)
        size = int.from_bytes(parameters[:2], "big")
        extra, selection = parameters[2 : 2 + size], parameters[2 + size + 2 + 4 :]
        bits = int.from_bytes(selection[3:6], "little")
        quote = ForgedQuote(
            extra_data=extra,
            selections=(selection,),
            values={index: self.registers[index] for index in range(24) if bits >> index & 1},
        ).encode()
        return sized(quote) + self.ak.sign(quote)

    def _pcr_read(self, handles: list[int], parameters: bytes) -> bytes:
        del handles
        bank = parameters[4:6]
        bits = int.from_bytes(parameters[7:10], "little")
        wanted = [index for index in range(24) if bits >> index & 1][:READ_AT_ONCE]
        if bank != b"\x00\x0b":
            wanted = []
        read = sum(1 << index for index in wanted).to_bytes(3, "little")
        counted = (1).to_bytes(4, "big")
        values = b"".join(sized(self.registers[index]) for index in wanted)
        head = bytes(4) + counted + bank + b"\x03" + read
        return head + len(wanted).to_bytes(4, "big") + values

    def _pcr_extend(self, handles: list[int], parameters: bytes) -> bytes:
        assert parameters[:6] == b"\x00\x00\x00\x01\x00\x0b"
        self.extend(handles[0], parameters[6:])
        return b""

    def _nv_define_space(self, handles: list[int], parameters: bytes) -> bytes:
        del handles
        index = int.from_bytes(parameters[4:8], "big")
        if index in self.storage:
            raise RefusedError(DEFINED)
        self.storage[index], self.sizes[index] = None, int.from_bytes(parameters[-2:], "big")
        return b""

    def _nv_write(self, handles: list[int], parameters: bytes) -> bytes:
        size = int.from_bytes(parameters[:2], "big")
        self.storage[handles[1]] = parameters[2 : 2 + size]
        return b""

    def _nv_read_public(self, handles: list[int], parameters: bytes) -> bytes:
        del parameters
        index = handles[0]
        if index not in self.storage:
            raise RefusedError(NO_HANDLE)
        size = self.sizes[index].to_bytes(2, "big")
        head = index.to_bytes(4, "big") + b"\x00\x0b" + (0x2000A).to_bytes(4, "big")
        return sized(head + sized(b"") + size) + sized(b"name")

    def _nv_read(self, handles: list[int], parameters: bytes) -> bytes:
        content = self.storage[handles[1]]
        if content is None:
            raise RefusedError(NOT_WRITTEN)
        size, offset = int.from_bytes(parameters[:2], "big"), int.from_bytes(parameters[2:], "big")
        return sized(content[offset : offset + size])

    def _start_auth_session(self, handles: list[int], parameters: bytes) -> bytes:
        del handles, parameters
        self.loaded.add(SESSION)
        return SESSION.to_bytes(4, "big") + sized(bytes(16))

    def _policy_secret(self, handles: list[int], parameters: bytes) -> bytes:
        assert handles == [ENDORSEMENT, SESSION]
        assert parameters == bytes(10)
        return sized(b"") + b"\x80\x23" + OWNER.to_bytes(4, "big") + sized(b"")

    def _activate_credential(self, handles: list[int], parameters: bytes) -> bytes:
        if not set(handles) <= self.loaded:
            raise RefusedError(NO_HANDLE)
        size = int.from_bytes(parameters[:2], "big")
        blob, encrypted = parameters[2 : 2 + size], parameters[4 + size :]
        self.loaded.discard(SESSION)
        return sized(open_credential(blob, encrypted, public=self.ak.public))


def open_credential(blob: bytes, encrypted: bytes, *, public: bytes) -> bytes:
    """Open a credential as part 1, section 24 says, written apart from the product's maker."""
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"IDENTITY\0")
    seed = rsa_private().decrypt(encrypted, oaep)
    name = b"\x00\x0b" + hashlib.sha256(public).digest()
    integrity, inner = blob[2:34], blob[34:]
    expected = hmac.digest(_kdfa(seed, b"INTEGRITY\0", 256), inner + name, "sha256")
    if integrity != expected:
        raise RefusedError(BAD_INTEGRITY)
    key = _kdfa(seed, b"STORAGE\0" + name, 128)
    opened = Cipher(algorithms.AES(key), CFB(bytes(16))).decryptor().update(inner)
    return opened[2:]


def _kdfa(seed: bytes, fixed: bytes, bits: int) -> bytes:
    counted = (1).to_bytes(4, "big") + fixed + bits.to_bytes(4, "big")
    return hmac.digest(seed, counted, "sha256")[: bits // 8]


def response(
    body: bytes, *, status: int = 0, authorised: bool = False, code: Code | None = None
) -> bytes:
    """Write a response; an authorised one has a length and a session area."""
    if authorised and not status:
        handle, body = (body[:4], body[4:]) if code is Code.CREATE_PRIMARY else (b"", body)
        body = handle + len(body).to_bytes(4, "big") + body + b"\0\0\1\0\0"
    tag = b"\x80\x02" if authorised and not status else b"\x80\x01"
    return tag + (10 + len(body)).to_bytes(4, "big") + status.to_bytes(4, "big") + body


def _split(code: Code, command: bytes) -> tuple[list[int], bytes]:
    count = _HANDLES.get(code, 0)
    body = command[10:]
    handles = [int.from_bytes(body[4 * at : 4 * at + 4], "big") for at in range(count)]
    body = body[4 * count :]
    if command[:2] == b"\x80\x02":
        assert code not in _OPENED
        size = int.from_bytes(body[:4], "big")
        body = body[4 + size :]
    return handles, body
