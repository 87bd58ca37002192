# SPDX-License-Identifier: Apache-2.0
"""Where a party's key broker listens, in one of three forms and no other.

Plain HTTP is accepted on this machine only. Nothing that could carry a
password, a query or a second host fits the forms.
"""

from __future__ import annotations

import re

from cleanroom.errors import MalformedError

MAX_ADDRESS = 255
_MAX_SOCKET_PATH = 107  # sun_path of unix(7), less its closing zero

_UNIX = re.compile(r"unix:(?P<path>/[!-~]+)")
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]|localhost):(?P<port>[1-9][0-9]{0,4})")
_HTTPS = re.compile(
    r"https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::(?P<port>[1-9][0-9]{0,4}))?(?:/[A-Za-z0-9._~-]+)*"
)
_MAX_PORT = 65535


def validate_broker_address(address: str, *, what: str) -> None:
    """Refuse an address of any other form.

    Raises:
        MalformedError: Not ``unix:/path``, ``http://127.0.0.1:port`` or ``https://host``, or
            a path that the kernel takes for no socket.
    """
    socket = _UNIX.fullmatch(address)
    if socket and len(socket["path"]) > _MAX_SOCKET_PATH:
        raise MalformedError(
            f"{what}: its broker address: a socket's path of {len(socket['path'])} bytes, "
            f"agreed at most {_MAX_SOCKET_PATH}",
            code="party.address",
            hint="name a shorter one: cleanroom init NAME --broker-address unix:/short/path.sock; "
            "a profile's own socket lies below XDG_CONFIG_HOME",
        )
    if not _is_accepted(address):
        raise MalformedError(
            f"{what}: its broker address has none of the accepted forms",
            code="party.address",
            hint="write unix:/path/to/socket, http://127.0.0.1:8001 or https://broker.example",
        )


def _is_accepted(address: str) -> bool:
    if len(address) > MAX_ADDRESS:
        return False
    if _UNIX.fullmatch(address):
        return True
    web = _LOOPBACK.fullmatch(address) or _HTTPS.fullmatch(address)
    return web is not None and int(web["port"] or 1) <= _MAX_PORT
