# SPDX-License-Identifier: Apache-2.0
"""The sockets of one broker: its owner's own, and one for other machines."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Callable

from cleanroom.errors import MalformedError, RefusedError
from cleanroom.kernel.record import dataclass
from cleanroom.server.callers import Door, LocalDoor
from cleanroom.server.certificate import CertificateFiles, open_certificate
from cleanroom.server.listen import forget, listen, listen_on

_PLACE = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[0-9.]+|localhost):(?P<port>[1-9][0-9]{0,4})")
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How a broker is reached from other machines.

    Attributes:
        listen: ``HOST:PORT`` of this machine, an address and no name.
        certificate: For TLS; without one only this machine is served, for a proxy
            that has one.
    """

    listen: str
    certificate: CertificateFiles | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDoor:
    """A socket that is bound, and whom it lets in.

    Attributes:
        place: What to call it.
        listening: The socket.
        door: Judges its requests.
        tls: Encrypts it; nothing does on this machine itself.
        leave: Closes the socket and removes its name.
    """

    place: str
    listening: socket.socket
    door: Door
    tls: ssl.SSLContext | None
    leave: Callable[[], None]


def open_local(address: str) -> OpenDoor:
    """Open the Unix socket of the owner's own user.

    Raises:
        RefusedError: Something else lies there.
        UnavailableError: Somebody else listens there, or the system refuses.
    """
    listening = listen(address)
    return OpenDoor(
        place=address,
        listening=listening,
        door=LocalDoor(),
        tls=None,
        leave=lambda: forget(address, listening),
    )


def open_network(network: Network, *, published: str, door: Door) -> OpenDoor:
    """Open a TCP socket for the address that the party document publishes.

    Raises:
        MalformedError: Not ``HOST:PORT``, or no usable certificate.
        RefusedError: It would be reachable from other machines without TLS.
        UnavailableError: Somebody else listens there, or the system refuses.
    """
    host, port = read_place(network.listen)
    if network.certificate is None and not ipaddress.ip_address(host).is_loopback:
        raise RefusedError(
            f"door: {network.listen} can be reached from other machines, agreed with TLS only",
            code="broker.tls",
            hint="give --certificate and --certificate-key, or listen on 127.0.0.1 behind a proxy",
        )
    tls = None if network.certificate is None else open_certificate(network.certificate)
    listening = listen_on(host, port)
    return OpenDoor(place=published, listening=listening, door=door, tls=tls, leave=listening.close)


def read_place(written: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``.

    Raises:
        MalformedError: Not of that form.
    """
    found = _PLACE.fullmatch(written)
    host = "" if found is None else found["host"].strip("[]").replace("localhost", "127.0.0.1")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        found = None
    if found is None or int(found["port"]) > _MAX_PORT:
        raise MalformedError(
            "door: not HOST:PORT to listen on, with an address for the host",
            code="broker.listen-form",
            hint="for example 0.0.0.0:8443 or 127.0.0.1:8001",
        )
    return host, int(found["port"])
