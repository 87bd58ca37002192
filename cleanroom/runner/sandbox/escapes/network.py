# SPDX-License-Identifier: Apache-2.0
"""Attempts on the network: every family that leads anywhere, vsock above all."""

from __future__ import annotations

import socket

from cleanroom.runner.sandbox.escapes.world import World, attempts

_AF_ALG = 38
_AF_BLUETOOTH = 31
_LOOPBACK = "127.0.0.1"


def _makes(family: int, kind: int, protocol: int = 0) -> bool:
    with socket.socket(family, kind, protocol):
        return True


def _tcp(world: World) -> bool:
    with socket.create_connection((_LOOPBACK, world.tcp_port), timeout=5):
        return True


def _listen(_: World) -> bool:
    with socket.create_server((_LOOPBACK, 0)):
        return True


def _udp(world: World) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return bool(sender.sendto(b"reached", (_LOOPBACK, world.udp_port)))


def _unix(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
        return True


def _pair(_: World) -> bool:
    left, right = socket.socketpair()
    left.close()
    right.close()
    return True


NETWORK = attempts(
    "network",
    ("connect over TCP", _tcp),
    ("listen over TCP", _listen),
    ("send over UDP", _udp),
    ("send over IPv6", lambda _: _makes(socket.AF_INET6, socket.SOCK_DGRAM)),
    ("resolve a name", lambda _: socket.getaddrinfo("localhost", 80)),
    ("connect to a socket file", lambda world: _unix(world.unix_path)),
    ("connect to a socket without a file", lambda world: _unix(f"\0{world.unix_name}")),
    ("make a pair of sockets", _pair),
    (
        "make a vsock, the way out of an enclave",
        lambda _: _makes(socket.AF_VSOCK, socket.SOCK_STREAM),
    ),
    ("talk to the kernel over netlink", lambda _: _makes(socket.AF_NETLINK, socket.SOCK_RAW)),
    ("read every packet", lambda _: _makes(socket.AF_PACKET, socket.SOCK_RAW, 0x0300)),
    ("send raw packets", lambda _: _makes(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
    ("use the kernel's ciphers", lambda _: _makes(_AF_ALG, socket.SOCK_SEQPACKET)),
    ("use Bluetooth", lambda _: _makes(_AF_BLUETOOTH, socket.SOCK_SEQPACKET)),
)
