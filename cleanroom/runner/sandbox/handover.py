# SPDX-License-Identifier: Apache-2.0
"""Give a child that already waits its limits and open files, before it is told anything.

Loading is most of what a small query costs, so a child starts before there is a query for
it, and cannot inherit what that query reads. It gets them over a socket of its own, which it
closes before its system calls are filtered (``SCM_RIGHTS`` of unix(7)). The runner and our
own first code are the only ones that ever hold an end of it.

The child loads the sockets of the interpreter without the module around them: that would be a
twentieth of all that it loads.
"""

from __future__ import annotations

import json
import os
import struct
from _socket import CMSG_LEN, MSG_CTRUNC, MSG_TRUNC, SCM_RIGHTS, SOL_SOCKET
from _socket import socket as Socket  # noqa: N812 - the interpreter's name of a class
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict

from cleanroom.runner.sandbox.limits import ChildLimits

# What a child was given has numbers from here on; its own files lie far below.
FIRST_GIVEN = 64
# Each message's files lie under the lowest free numbers until they are moved.
_AT_ONCE = 32
_MAX_MESSAGE_BYTES = 4096
_FILES = b"files"
_NUMBER = struct.Struct("=i")


def given_numbers(descriptors: Sequence[int]) -> dict[int, int]:
    """Map the runner's descriptors to those of a child that is given them in this order."""
    return {mine: FIRST_GIVEN + place for place, mine in enumerate(descriptors)}


def give(runner: Socket, *, limits: ChildLimits, descriptors: Sequence[int]) -> None:
    """Hand limits and files to the child, once; one that has died says so by its status."""
    with suppress(BrokenPipeError, ConnectionResetError):
        header = {"limits": asdict(limits), "files": len(descriptors)}
        runner.send(json.dumps(header).encode())
        for start in range(0, len(descriptors), _AT_ONCE):
            numbers = map(_NUMBER.pack, descriptors[start : start + _AT_ONCE])
            runner.sendmsg([_FILES], [(SOL_SOCKET, SCM_RIGHTS, b"".join(numbers))])
    runner.close()


def take(descriptor: int) -> ChildLimits:
    """Wait for what the runner gives, and return the limits.

    Raises:
        OSError: The runner is gone, or gave something else.
    """
    # Inherited under the runner's number, which may lie where the files go.
    low = os.dup(descriptor)
    os.close(descriptor)
    with closing(Socket(fileno=low)) as child:
        header = json.loads(child.recv(_MAX_MESSAGE_BYTES) or b"{}")
        if set(header) != {"limits", "files"}:
            raise OSError("sandbox: the runner gave no limits")
        place = FIRST_GIVEN
        while place < FIRST_GIVEN + header["files"]:
            place = _moved(child, place)
    return ChildLimits(**header["limits"])


def _moved(child: Socket, place: int) -> int:
    message, files, flags = _received(child)
    if message != _FILES or not files or flags & (MSG_CTRUNC | MSG_TRUNC):
        raise OSError("sandbox: the runner gave other files")
    for number, file in enumerate(files):
        # One that lies there already would be closed unseen.
        if file >= FIRST_GIVEN:
            raise OSError("sandbox: too many files were open")
        os.dup2(file, place + number, inheritable=False)
        os.close(file)
    return place + len(files)


def _received(child: Socket) -> tuple[bytes, list[int], int]:
    size = _NUMBER.size
    message, more, flags, _ = child.recvmsg(len(_FILES), CMSG_LEN(_AT_ONCE * size))
    files = [
        number
        for level, kind, data in more
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS)
        # The kernel cuts what does not fit, and says so by the flag.
        for (number,) in _NUMBER.iter_unpack(data[: len(data) // size * size])
    ]
    return message, files, flags
