# SPDX-License-Identifier: Apache-2.0
"""Serve a directory of rooms to their parties until told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from cleanroom.errors import MalformedError
from cleanroom.hub.cloud import open_storage
from cleanroom.hub.hub import Hub
from cleanroom.identity.broker_address import validate_broker_address
from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.kernel.limits import MIB
from cleanroom.server.doors import Network, open_network
from cleanroom.server.hub_app import make_hub_app
from cleanroom.server.hub_door import HubDoor
from cleanroom.server.rates import Rate, RateLimit
from cleanroom.server.replays import ReplayStore
from cleanroom.server.serve import AppServer
from cleanroom.server.watching import WatchOptions, watching
from cleanroom.server.webhook_sender import WebhookSender, open_webhook_key, telling

# An upload asks once for every 4 MiB, several at once.
STRANGERS = Rate(per_second=1000, burst=4000)
PARTIES = Rate(per_second=500, burst=2000)
DEFAULT_QUOTA = 64 * 1024 * MIB
QUIET = WatchOptions()


def serve_hub(
    directory: Path,
    *,
    network: Network,
    published: str = "",
    quota: int = DEFAULT_QUOTA,
    started: Callable[[str], None],
    clock: Clock = system_clock,
    options: WatchOptions = QUIET,
    store: str = "",
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        directory: The hub's directory; made if it is absent.
        network: Where to listen.
        published: Address that callers use, if it is not the one listened on.
        quota: Largest size of one room, in bytes.
        started: Hears the address once requests are answered.
        clock: The hub's clock.
        options: How it is watched.
        store: Address of the store of objects; empty for the directory.

    Raises:
        MalformedError: Not a place to listen on, no address, or no certificate.
        RefusedError: It would be reachable without TLS, or others can read the directory.
        UnavailableError: Another hub serves the directory, or the address is in use.
    """
    address = published or _address(network)
    validate_broker_address(address, what="hub")
    with ExitStack() as stack:
        storage = open_storage(store, to_write=True)
        hub = stack.enter_context(Hub(directory, quota=quota, clock=clock, storage=storage))
        replays = ReplayStore(hub.home)
        stack.callback(replays.close)
        guard = HubDoor(
            hub,
            address,
            clock=clock,
            replays=replays,
            strangers=RateLimit(STRANGERS, seconds=time.monotonic),
            parties=PARTIES,
            seconds=time.monotonic,
        )
        door = open_network(network, published=address, door=guard)
        stack.callback(door.leave)
        app = make_hub_app(hub, door=guard)
        watch = stack.enter_context(watching("hub", options, clock=clock))
        key = open_webhook_key(hub.home)
        sender = WebhookSender(hub, key=key, clock=clock, told=watch.observer.told)
        stack.enter_context(telling(sender))
        beside = watch.over([(door, app)], require_ready=hub.require_ready)
        AppServer([(door, app), *beside], started=lambda: started(address)).run()


def _address(network: Network) -> str:
    scheme = "http" if network.certificate is None else "https"
    if network.listen.startswith(("0.0.0.0:", "[::]:")):
        raise MalformedError(
            "hub: listens everywhere, so its own address is not known",
            code="hub.address",
            hint="say how callers reach it: --address https://hub.example:8443",
        )
    return f"{scheme}://{network.listen}"
