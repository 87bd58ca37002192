# SPDX-License-Identifier: Apache-2.0
"""Open the sockets that a broker listens on: private, or bound to one address."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from cleanroom.errors import RefusedError, UnavailableError
from cleanroom.identity.broker_address import validate_broker_address

UNIX = "unix:"
_BACKLOG = 128
_PROBE_SECONDS = 1.0
_PRIVATE_UMASK = 0o177


def listen(address: str) -> socket.socket:
    """Listen on ``unix:/path``, for this user alone.

    The caller holds the broker's home, so no other broker of this party is alive
    and a socket that nobody answers on is what a crash left behind.

    Raises:
        MalformedError: No such address.
        RefusedError: The path holds something else.
        UnavailableError: Somebody else listens there, or the system refuses.
    """
    validate_broker_address(address, what="broker")
    try:
        return _listen_unix(Path(address.removeprefix(UNIX)))
    except OSError as error:
        raise _refused(error) from None


def listen_on(host: str, port: int) -> socket.socket:
    """Listen on one address and port of this machine.

    Raises:
        UnavailableError: Somebody else listens there, or the system refuses.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise _refused(error) from None
    # Connections inherit it. An answer's head and body are two writes, and the second
    # would wait 40 ms for the acknowledgement of the first; asyncio sees to that only
    # on sockets that name their protocol, which these do not.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


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


def _refused(error: OSError) -> UnavailableError:
    return UnavailableError(
        f"broker address: cannot listen: {os.strerror(error.errno or 0)}",
        code="broker.listen",
        hint="stop whatever listens there, or check the directory's permissions",
    )
