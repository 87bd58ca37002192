# SPDX-License-Identifier: Apache-2.0
"""Open and serve the broker of a profile: its home, its pins, its address."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from cleanroom.errors import RefusedError
from cleanroom.identity.profile import Profile, Unlocked, UnlockedSeeds
from cleanroom.identity.watched_pins import WatchedPins
from cleanroom.kernel.clock import system_clock
from cleanroom.keybroker.broker import BrokerOwner, KeyBroker
from cleanroom.server.callers import Limits, NetworkDoor
from cleanroom.server.doors import Network, OpenDoor, open_local, open_network
from cleanroom.server.listen import UNIX
from cleanroom.server.rates import Rate, RateLimit
from cleanroom.server.replays import ReplayStore
from cleanroom.server.serve import BrokerServer
from cleanroom.server.watching import WatchOptions, watching

# A run asks each broker some ten times; a monitor asks once a second.
STRANGERS = Rate(per_second=50, burst=200)
PARTIES = Rate(per_second=50, burst=200)
_HTTP = "http://"
QUIET = WatchOptions()


def serve_profile(
    profile: Profile,
    seeds: UnlockedSeeds | Unlocked,
    *,
    started: Callable[[str], None],
    network: Network | None = None,
    options: WatchOptions = QUIET,
) -> None:
    """Serve a party's broker until SIGINT or SIGTERM.

    Args:
        profile: Whose broker; its party document names the address.
        seeds: The opened seeds; the party's signing key is not needed and stays locked.
        started: Hears the address once requests are answered.
        network: How other machines reach it; needed where the document says https.
        options: How it is watched.

    Raises:
        MalformedError: Not a place to listen on, or no certificate.
        UnavailableError: Another broker of this party runs, or the address is in use.
        IntegrityError: The home is damaged, another party's, or older than its log.
        RefusedError: Others may read the home, or the address is another machine's.
    """
    owner = BrokerOwner(
        party=profile.party,
        pins=WatchedPins(profile.pins_directory),
        receiving=seeds.receiving,
        broker_seed=seeds.broker_seed,
        state_seed=seeds.state_seed,
    )
    address = profile.party.broker_address
    with (
        KeyBroker.open(
            profile.broker_home, owner=owner, clock=system_clock, entropy=os.urandom
        ) as broker,
        _open_doors(profile, broker, owner=owner, network=network) as doors,
        watching("broker", options) as watch,
    ):
        BrokerServer(broker, doors=doors, started=lambda: started(address), watch=watch).run()


def local_address(profile: Profile) -> str:
    """Return the Unix socket on which a party's own user reaches its broker."""
    address = profile.party.broker_address
    return address if address.startswith(UNIX) else f"{UNIX}{profile.broker_home}/broker.sock"


@contextmanager
def _open_doors(
    profile: Profile, broker: KeyBroker, *, owner: BrokerOwner, network: Network | None
) -> Iterator[list[OpenDoor]]:
    address = profile.party.broker_address
    with ExitStack() as stack:
        doors = [open_local(local_address(profile))]
        stack.callback(doors[0].leave)
        network = network or _implied(address)
        if network is not None:
            replays = ReplayStore(profile.broker_home)
            stack.callback(replays.close)
            guard = NetworkDoor(
                address,
                pins=owner.pins,
                is_revoked=broker.is_revoked,
                clock=system_clock,
                replays=replays,
                limits=Limits(
                    strangers=RateLimit(STRANGERS, seconds=time.monotonic),
                    parties=RateLimit(PARTIES, seconds=time.monotonic),
                ),
            )
            doors.append(open_network(network, published=address, door=guard))
            stack.callback(doors[1].leave)
        yield doors


def _implied(address: str) -> Network | None:
    """Say where to listen if the published address itself does."""
    if address.startswith(UNIX):
        return None
    if address.startswith(_HTTP):
        return Network(listen=address.removeprefix(_HTTP), certificate=None)
    raise RefusedError(
        "broker: its party document publishes an https address, agreed with a place to listen on",
        code="broker.listen-absent",
        hint="cleanroom broker serve --listen 0.0.0.0:8443 --certificate F --certificate-key F",
    )
