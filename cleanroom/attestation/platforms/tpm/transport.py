# SPDX-License-Identifier: Apache-2.0
"""Carry one command to a TPM and its answer back: a device file or a socket.

The Linux device with a resource manager is ``/dev/tpmrm0``; swtpm listens on a
Unix socket. Both speak the same bytes, so that what is tested on one runs on the other.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from cleanroom.attestation.platforms.tpm.wire import Reader
from cleanroom.errors import MalformedError, UnavailableError

DEVICE = Path("/dev/tpmrm0")
MAX_RESPONSE_BYTES = 4096  # TPM_PT_MAX_RESPONSE_SIZE of the PC Client profile
HEADER_BYTES = 10

_SOCKET_TIMEOUT_SECONDS = 30.0  # an RSA primary key takes a hardware TPM up to 20 seconds


class Transport(Protocol):
    """Take a command's bytes to the TPM and return the answer's."""

    def __call__(self, command: bytes) -> bytes:
        """Ask.

        Raises:
            UnavailableError: The TPM does not answer.
            MalformedError: It answers something that is no response.
        """


class _Device:
    """The kernel's device file: one write is a command, one read its answer."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, command: bytes) -> bytes:
        try:
            os.write(self._descriptor, command)
            return os.read(self._descriptor, MAX_RESPONSE_BYTES)
        except OSError as error:
            raise _silent("device", error) from error


class _Socket:
    """A byte stream, where the header says how long an answer is."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def __call__(self, command: bytes) -> bytes:
        try:
            self._connection.sendall(command)
            header = self._receive(HEADER_BYTES)
            size = response_size(header)
            return header + self._receive(size - HEADER_BYTES)
        except OSError as error:
            raise _silent("socket", error) from error

    def _receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            received = self._connection.recv(count - len(data))
            if not received:
                raise ConnectionResetError
            data += received
        return data


@contextlib.contextmanager
def open_device(path: Path = DEVICE) -> Iterator[Transport]:
    """Open a TPM's device file.

    Raises:
        UnavailableError: There is none, or this user may not use it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise UnavailableError(
            f"TPM: cannot open {path} ({error.strerror})",
            code="tpm.no-device",
            hint="the machine needs a TPM 2.0 and the user the group tss, or root",
        ) from error
    try:
        yield _Device(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_socket(path: Path) -> Iterator[Transport]:
    """Connect to a software TPM's Unix socket.

    Raises:
        UnavailableError: Nobody listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(os.fspath(path))
        except OSError as error:
            raise UnavailableError(
                f"TPM: nobody listens at {path.name} ({error.strerror or 'no answer'})",
                code="tpm.no-socket",
                hint="start swtpm with --server type=unixio",
            ) from error
        yield over(connection)


def over(connection: socket.socket) -> Transport:
    """Use a connected stream socket; the caller closes it."""
    connection.settimeout(_SOCKET_TIMEOUT_SECONDS)
    return _Socket(connection)


def response_size(header: bytes) -> int:
    """Read how long a response says it is.

    Raises:
        MalformedError: Shorter than its header, or longer than any response.
    """
    reader = Reader(header, what="TPM response")
    reader.take(2)
    size = reader.number(4)
    if not HEADER_BYTES <= size <= MAX_RESPONSE_BYTES:
        raise MalformedError(
            f"TPM response: {size} bytes against {HEADER_BYTES} to {MAX_RESPONSE_BYTES}",
            code="tpm.response",
        )
    return size


def _silent(place: str, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"TPM: the {place} does not answer ({error.strerror or type(error).__name__})",
        code="tpm.silent",
        hint="another program may hold the TPM; try again",
    )
