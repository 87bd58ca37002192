# SPDX-License-Identifier: Apache-2.0
"""Talk to an ssh-agent: which keys it holds, and signatures by them.

Two requests of the agent protocol (draft-ietf-sshm-ssh-agent) are enough. The
agent may be a hardware token's, so a signature can wait for a touch.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.identity.wire import WireReader, wire_string
from cleanroom.kernel.limits import KIB

MAX_ANSWER_BYTES = 256 * KIB  # what OpenSSH's own agent accepts
TOUCH_SECONDS = 60.0

_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_WHAT = "ssh-agent"


def list_agent_keys(agent: Path) -> tuple[bytes, ...]:
    """Return the wire form of every public key that the agent holds, of any algorithm.

    Raises:
        UnavailableError: No agent answers there.
        MalformedError: It answers something else.
    """
    reader = _ask(agent, bytes([_REQUEST_IDENTITIES]), expected=_IDENTITIES_ANSWER)
    keys = []
    for _ in range(reader.uint32()):
        keys.append(reader.string())
        reader.string()  # the comment is whatever the key's owner typed
    reader.end()
    return tuple(keys)


def sign_with_agent(agent: Path, *, blob: bytes, data: bytes) -> bytes:
    """Return the SSH signature blob that the agent makes with one of its keys.

    Raises:
        UnavailableError: No agent answers there, or it does not hold the key.
        RefusedError: The agent or the person behind it declined.
        MalformedError: It answers something else.
    """
    if blob not in list_agent_keys(agent):
        raise UnavailableError(
            f"{_WHAT}: it does not hold the signing key",
            code="agent.key",
            hint="add the key with ssh-add, then run the command again",
        )
    no_flags = bytes(4)
    request = bytes([_SIGN_REQUEST]) + wire_string(blob) + wire_string(data) + no_flags
    reader = _ask(agent, request, expected=_SIGN_RESPONSE)
    signature = reader.string()
    reader.end()
    return signature


def _ask(agent: Path, request: bytes, *, expected: int) -> WireReader:
    reader = WireReader(_exchange(agent, request), what=_WHAT)
    kind = reader.take(1)[0]
    if kind != expected:
        raise RefusedError(
            f"{_WHAT}: it declined",
            code="agent.declined",
            hint="unlock the agent, or touch the token when it blinks",
        )
    return reader


def _exchange(agent: Path, request: bytes) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TOUCH_SECONDS)
            connection.connect(os.fspath(agent))
            connection.sendall(wire_string(request))
            length = int.from_bytes(_receive(connection, 4), "big")
            if length > MAX_ANSWER_BYTES:
                raise MalformedError(f"{_WHAT}: its answer is too long", code="format.oversize")
            return _receive(connection, length)
    except OSError as error:
        raise UnavailableError(
            f"{_WHAT}: no answer: {os.strerror(error.errno or 0) if error.errno else 'timed out'}",
            code="agent.absent",
            hint="start ssh-agent, or point SSH_AUTH_SOCK at the running one",
        ) from None


def _receive(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        piece = connection.recv(length - len(received))
        if not piece:
            raise MalformedError(f"{_WHAT}: its answer is cut short", code="ssh.wire")
        received += piece
    return bytes(received)
