# SPDX-License-Identifier: Apache-2.0
"""Ask a service in a process of its own, with requests that were made and signed before.

What is measured is then the service: whoever asks only sends bytes and waits. Its own
processor time is told beside the service's, because both share the machine's cores.
``python -m bench.asking HOST PORT CALLERS`` reads requests from standard input.
"""

from __future__ import annotations

import json
import resource
import secrets
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, local

from bench.measure import Taken
from cleanroom.contract.introduction import Introduction
from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.kernel.clock import Clock

_LENGTH = struct.Struct(">I")
_OK = b"HTTP/1.1 200 "
_LIMIT = 300  # seconds for one round


def signed_request(
    address: str, method: str, path: str, body: bytes, *, caller: Introduction, clock: Clock
) -> bytes:
    """Write a signed request as it goes over the wire."""
    authority = address.removeprefix("http://")
    target = RequestTarget(method=method, authority=authority, path=path)
    fields = caller.sign(target, body, nonce=secrets.token_urlsafe(16), at=clock())
    lines = [f"{method} {path} HTTP/1.1", f"host: {authority}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def ask(address: str, requests: Sequence[bytes], *, callers: int) -> Taken:
    """Let another process send requests over as many connections as there are callers.

    Returns:
        Seconds on the clock from the first request to the last answer, and of processor
        that asking took.
    """
    host, _, port = address.removeprefix("http://").rpartition(":")
    sent = b"".join(_LENGTH.pack(len(request)) + request for request in requests)
    told = subprocess.run(
        [sys.executable, "-m", "bench.asking", host, port, str(callers)],
        input=sent,
        stdout=subprocess.PIPE,
        check=True,
        timeout=_LIMIT,
    )
    return Taken(**json.loads(told.stdout))


def main() -> None:
    """Ask, and tell how long it took."""
    host, port, callers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    requests = _read(sys.stdin.buffer.read())
    ready = Barrier(callers + 1)
    mine = local()

    def connect() -> None:
        mine.connection = socket.create_connection((host, port))
        mine.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ready.wait()

    with ThreadPoolExecutor(callers) as pool:
        connecting = [pool.submit(connect) for _ in range(callers)]
        ready.wait()
        for one in connecting:
            one.result()
        began, used = time.perf_counter(), _processor()
        for _ in pool.map(lambda request: _exchange(mine.connection, request), requests):
            pass
        taken = {"wall": time.perf_counter() - began, "processor": _processor() - used}
    sys.stdout.write(json.dumps(taken))


def _read(data: bytes) -> list[bytes]:
    found, start = [], 0
    while start < len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        found.append(data[start : start + length])
        start += length
    return found


def _exchange(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _more(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(_OK):
        raise SystemExit(f"answered {head[:20]!r}: {body[:300]!r}")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0].partition(b":")[2]) - len(body)
    while missing:
        missing -= len(_more(connection))


def _more(connection: socket.socket) -> bytes:
    piece = connection.recv(1 << 16)
    if not piece:
        raise SystemExit("the service closed a connection")
    return piece


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
