# SPDX-License-Identifier: Apache-2.0
"""A broker served by the product's server in a thread, and its client."""

from __future__ import annotations

import datetime as dt
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.contract.introduction import Introduction, introduce
from cleanroom.contract.signing import SigningParty
from cleanroom.identity.pins import Pins
from cleanroom.kernel.clock import Clock
from cleanroom.keybroker.broker import KeyBroker
from cleanroom.server.callers import Limits, NetworkDoor
from cleanroom.server.certificate import CertificateFiles
from cleanroom.server.doors import Network, OpenDoor, open_local, open_network
from cleanroom.server.rates import Rate, RateLimit
from cleanroom.server.replays import ReplayStore
from cleanroom.server.serve import BrokerServer
from cleanroom.server.timed_protocol import HEAD_TIME
from tests.support.brokers import BrokerBench
from tests.support.keys import ThrowawayParty, pins_of, signing_key

GENEROUS = Rate(per_second=10_000, burst=10_000)


@contextmanager
def served(broker: KeyBroker, *, address: str, patience: dt.timedelta = HEAD_TIME) -> Iterator[str]:
    """Serve a broker on a Unix socket while the block runs; returns the address."""
    with serving(broker, [open_local(address)], patience=patience):
        yield address


@contextmanager
def served_to_network(
    bench: BrokerBench,
    address: str,
    *,
    party: str = "hospital",
    listen: str = "",
    certificate: CertificateFiles | None = None,
    patience: dt.timedelta = HEAD_TIME,
    rate: Rate = GENEROUS,
    guests: Sequence[ThrowawayParty] = (),
    pins: Callable[[], Pins] | None = None,
    seconds: Callable[[], float] = time.monotonic,
) -> Iterator[str]:
    """Serve a broker of a bench over TCP while the block runs.

    Guests are pinned by its owner, and parties of none of the room's contracts, unless it is
    said where pins are read.
    """
    with ExitStack() as stack:
        replays = ReplayStore(bench.home(party))
        stack.callback(replays.close)
        broker = bench.brokers[party]
        guard = NetworkDoor(
            address,
            pins=pins or (lambda: pins_of(*bench.room.parties.values(), *guests)),
            is_revoked=broker.is_revoked,
            clock=bench.clock,
            replays=replays,
            limits=Limits(
                strangers=RateLimit(rate, seconds=seconds),
                parties=RateLimit(rate, seconds=seconds),
            ),
        )
        network = Network(listen=listen or address.removeprefix("http://"), certificate=certificate)
        door = open_network(network, published=address, door=guard)
        stack.enter_context(serving(broker, [door], patience=patience))
        yield address


@contextmanager
def serving(
    broker: KeyBroker, doors: Sequence[OpenDoor], *, patience: dt.timedelta = HEAD_TIME
) -> Iterator[None]:
    """Serve a broker through open doors while the block runs."""
    listening = Event()
    server = BrokerServer(broker, doors=doors, started=listening.set, patience=patience)
    thread = Thread(target=server.run, name="broker")
    thread.start()
    try:
        assert listening.wait(timeout=300)
        yield
    finally:
        server.stop()
        thread.join(timeout=300)
        for door in doors:
            door.leave()
        assert not thread.is_alive()


def caller_of(
    party: ThrowawayParty,
    clock: Clock,
    *,
    label: str = "request key",
    life: dt.timedelta = dt.timedelta(hours=1),
) -> Introduction:
    """Let a party sign for a request key."""
    key: Ed25519PrivateKey = signing_key(f"{party.name} {label}")
    signing = SigningParty(document=party.document, signer=party.unlocked.signer)
    return introduce(signing, key=key, at=clock(), life=life)


def unix_address(directory: Path) -> str:
    """Name a socket in a directory whose path is short enough."""
    return f"unix:{directory / 'broker.sock'}"


def free_loopback_address() -> str:
    """Name a port of this machine that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
