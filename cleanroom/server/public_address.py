# SPDX-License-Identifier: Apache-2.0
"""Where may a hub be sent? To addresses of the public network, as they are at that moment.

A name is looked up once and the connection goes to an address that was judged: a name
that says another address a moment later leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

from cleanroom.errors import RefusedError, UnavailableError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

# RFC 6052, RFC 3056, RFC 4380: addresses of version 4, private ones too, written as 6.
_TRANSLATED = tuple(
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)


def system_resolve(host: str, port: int) -> Sequence[str]:
    """Look a host up as this machine does.

    Raises:
        UnavailableError: There is no such host.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise UnavailableError("webhook: no such host", code="webhook.host") from None
    return [str(entry[4][0]) for entry in found]


def address_to_ask(host: str, port: int, *, private: bool, resolve: Resolve) -> Address:
    """Return the address to connect to.

    Args:
        host: Name or address.
        port: TCP port.
        private: Whether the operator allowed addresses of its own network.
        resolve: Looks names up.

    Raises:
        RefusedError: One of its addresses is not public: of this machine, of a private
            network, of the link (where clouds keep their credentials), or in disguise.
        UnavailableError: There is no such host.
    """
    found = [ipaddress.ip_address(text.partition("%")[0]) for text in resolve(host, port)]
    if not found:
        raise UnavailableError("webhook: no such host", code="webhook.host")
    # All of them: whoever mixes a public with a private one means the private one.
    if not private and not all(is_public(address) for address in found):
        raise RefusedError(
            "webhook: not an address of the public network",
            code="webhook.private",
            hint="cleanroom hub webhook ROOM URL --allow-private, if it is meant",
        )
    return found[0]


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the public network and to one machine."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast
