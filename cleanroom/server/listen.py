# SPDX-License-Identifier: Apache-2.0
"""Open the one socket that a broker listens on: private, local, and nobody else's."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from urllib.parse import urlsplit

from cleanroom.errors import RefusedError, UnavailableError
from cleanroom.identity.broker_address import validate_broker_address

UNIX = "unix:"
_BACKLOG = 128
_PROBE_SECONDS = 1.0
_PRIVATE_UMASK = 0o177


def listen(address: str) -> socket.socket:
    """Listen on ``unix:/path`` or on plain HTTP of this machine.

    The caller holds the broker's home, so no other broker of this party is alive
    and a socket that nobody answers on is what a crash left behind.

    Raises:
        MalformedError: No broker address.
        RefusedError: An address of another machine, or a path that holds something else.
        UnavailableError: Somebody else listens there, or the system refuses.
    """
    validate_broker_address(address, what="broker")
    try:
        if address.startswith(UNIX):
            return _listen_unix(Path(address.removeprefix(UNIX)))
        return _listen_loopback(address)
    except OSError as error:
        raise UnavailableError(
            f"broker address: cannot listen: {os.strerror(error.errno or 0)}",
            code="broker.listen",
            hint="stop whatever listens there, or check the directory's permissions",
        ) from None


def forget(address: str, listening: socket.socket) -> None:
    """Close the socket and remove its name, unless somebody else answers there by now."""
    listening.close()
    if address.startswith(UNIX):
        path = Path(address.removeprefix(UNIX))
        if not _answers(path):
            path.unlink(missing_ok=True)


def _listen_unix(path: Path) -> socket.socket:
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The name appears with its final mode: there is no moment at which others could connect.
    mask = os.umask(_PRIVATE_UMASK)
    try:
        listening.bind(str(path))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(mask)
    return listening


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise RefusedError(
            "broker address: something that is no socket lies there",
            code="broker.address-taken",
            hint="move it away, or publish another address in the party document",
        )
    if _answers(path):
        raise UnavailableError(
            "broker address: somebody else listens there",
            code="broker.address-in-use",
            hint="stop the other process first",
        )
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def _listen_loopback(address: str) -> socket.socket:
    url = urlsplit(address)
    if url.scheme != "http" or url.hostname is None or url.port is None:
        raise RefusedError(
            "broker address: this process serves its own machine only",
            code="broker.address-remote",
            hint="let a proxy with the certificate forward https to a loopback address",
        )
    family = socket.AF_INET6 if ":" in url.hostname else socket.AF_INET
    host = "127.0.0.1" if url.hostname == "localhost" else url.hostname
    return socket.create_server((host, url.port), family=family, backlog=_BACKLOG)
