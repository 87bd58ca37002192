# SPDX-License-Identifier: Apache-2.0
"""A broker served by the product's server in a thread, and its client."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from cleanroom.keybroker.broker import KeyBroker
from cleanroom.server.serve import BrokerServer
from cleanroom.server.timed_protocol import HEAD_TIME


@contextmanager
def served(broker: KeyBroker, *, address: str, patience: dt.timedelta = HEAD_TIME) -> Iterator[str]:
    """Serve a broker while the block runs; returns the address."""
    listening = Event()
    server = BrokerServer(
        broker, address=address, started=lambda _: listening.set(), patience=patience
    )
    thread = Thread(target=server.run, name=f"broker at {address}")
    thread.start()
    try:
        assert listening.wait(timeout=20)
        yield address
    finally:
        server.stop()
        thread.join(timeout=20)
        assert not thread.is_alive()


def unix_address(directory: Path) -> str:
    """Name a socket in a directory whose path is short enough."""
    return f"unix:{directory / 'broker.sock'}"


def free_loopback_address() -> str:
    """Name a port of this machine that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
