# SPDX-License-Identifier: Apache-2.0
"""One TPM command: its bytes, its authorisation, its answer or its refusal.

Only what the client needs: no session encryption (the transport is a device file
or a socket of this machine), password authorisation with the empty password, and
one policy session for the endorsement key.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from cleanroom.attestation.platforms.tpm.transport import HEADER_BYTES, Transport, response_size
from cleanroom.attestation.platforms.tpm.wire import Reader
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.record import dataclass

PASSWORD_SESSION = 0x40000009  # TPM_RS_PW
NO_HANDLE = 0x40000007  # TPM_RH_NULL
OWNER = 0x40000001  # TPM_RH_OWNER
ENDORSEMENT = 0x4000000B  # TPM_RH_ENDORSEMENT

_NO_SESSIONS = b"\x80\x01"
_SESSIONS = b"\x80\x02"
_CONTINUE_SESSION = b"\x01"
# Answers that ask for nothing but the same command again (part 2, section 6.6.3).
_AGAIN = frozenset({0x908, 0x90A, 0x922})
_ATTEMPTS = 1000
_REASONS = {
    0x08B: "no such key",
    0x18B: "no such handle",
    0x28B: "no such handle",
    0x101: "not initialised",
    0x120: "disabled by its owner",
    0x12F: "a password is set that this program does not know",
    0x143: "unknown command",
    0x148: "not allowed by the index",
    0x14A: "the index is empty",
    0x14C: "the index is defined already",
    0x98E: "a password is set that this program does not know",
    0x9A2: "a password is set that this program does not know",
    0x902: "out of memory for objects",
    0x921: "locked out after wrong passwords",
}


class Code(IntEnum):
    """``TPM_CC`` of the commands in use (part 2, section 6.5.2)."""

    NV_DEFINE_SPACE = 0x12A
    CREATE_PRIMARY = 0x131
    NV_WRITE = 0x137
    ACTIVATE_CREDENTIAL = 0x147
    NV_READ = 0x14E
    POLICY_SECRET = 0x151
    QUOTE = 0x158
    FLUSH_CONTEXT = 0x165
    NV_READ_PUBLIC = 0x169
    READ_PUBLIC = 0x173
    START_AUTH_SESSION = 0x176
    PCR_READ = 0x17E
    PCR_EXTEND = 0x182


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command to be sent.

    Attributes:
        code: Which.
        handles: Objects it works on.
        sessions: Session handles that authorise the first handles, in order.
        parameters: The rest, marshalled.
        returns_handle: Whether the answer begins with the handle of a new object.
    """

    code: Code
    handles: Sequence[int] = ()
    sessions: Sequence[int] = ()
    parameters: bytes = b""
    returns_handle: bool = False

    def encode(self) -> bytes:
        """Write the command."""
        body = self.code.to_bytes(4, "big") + b"".join(_number(item) for item in self.handles)
        if self.sessions:
            area = b"".join(map(_empty_password, self.sessions))
            body += _number(len(area)) + area
        body += self.parameters
        tag = _SESSIONS if self.sessions else _NO_SESSIONS
        return tag + _number(len(body) + 6) + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command that succeeded returned.

    Attributes:
        handle: The new object, or zero.
        parameters: The rest, unparsed.
    """

    handle: int
    parameters: bytes


def execute(command: Command, *, transport: Transport) -> Answer:
    """Send a command, again for as long as the TPM asks for it, and read its answer.

    Raises:
        UnavailableError: No answer, or a refusal; the message names command and reason.
        MalformedError: Not a response.
    """
    encoded = command.encode()
    for _ in range(_ATTEMPTS):
        response = transport(encoded)
        status = _status(response)
        if status not in _AGAIN:
            break
    if status:
        raise _refused(command, status)
    return _answer(command, response)


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _empty_password(session: int) -> bytes:
    # Handle, empty nonce, attributes, empty password.
    return _number(session) + b"\0\0" + _CONTINUE_SESSION + b"\0\0"


def _status(response: bytes) -> int:
    reader = Reader(response, what="TPM response")
    header = reader.take(HEADER_BYTES)
    if response_size(header) != len(response):
        raise MalformedError("TPM response: another length than it says", code="tpm.response")
    return int.from_bytes(header[6:], "big")


def _answer(command: Command, response: bytes) -> Answer:
    reader = Reader(response, what=f"TPM {command.code.name}")
    reader.take(HEADER_BYTES)
    handle = reader.number(4) if command.returns_handle else 0
    if command.sessions:
        return Answer(handle=handle, parameters=reader.sized(width=4, limit=reader.remaining))
    return Answer(handle=handle, parameters=reader.take(reader.remaining))


def _refused(command: Command, status: int) -> UnavailableError:
    # A code in format one carries the parameter, session or handle number in bits
    # that do not matter to the reason (part 2, section 6.6.2).
    plain = status & 0x0BF if status & 0x080 else status
    reason = _REASONS.get(status) or _REASONS.get(plain) or "see TPM 2.0 part 2, section 6.6"
    return UnavailableError(
        f"TPM: {command.code.name} answered {status:#06x}, {reason}",
        code="tpm.refused",
        hint="clear or free the TPM, or give this user the right to use it",
    )
