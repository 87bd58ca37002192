# SPDX-License-Identifier: Apache-2.0
"""Open and serve the broker of a profile: its home, its pins, its address."""

from __future__ import annotations

import os
from collections.abc import Callable

from cleanroom.errors import RefusedError
from cleanroom.identity.profile import Profile, Unlocked, UnlockedSeeds
from cleanroom.identity.watched_pins import WatchedPins
from cleanroom.kernel.clock import system_clock
from cleanroom.keybroker.broker import BrokerOwner, KeyBroker
from cleanroom.server.answers import BrokerAnswers
from cleanroom.server.doors import Network
from cleanroom.server.front import FrontSettings, serve_behind_front
from cleanroom.server.listen import UNIX
from cleanroom.server.watching import WatchOptions, overheard

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
    settings = _settings(profile, network=network or _implied(address), options=options)
    with (
        KeyBroker.open(
            profile.broker_home, owner=owner, clock=system_clock, entropy=os.urandom
        ) as broker,
        overheard("broker", options),
    ):
        serve_behind_front(BrokerAnswers(broker), settings, started=lambda: started(address))


def local_address(profile: Profile) -> str:
    """Return the Unix socket on which a party's own user reaches its broker."""
    address = profile.party.broker_address
    return address if address.startswith(UNIX) else f"{UNIX}{profile.broker_home}/broker.sock"


def _settings(profile: Profile, *, network: Network | None, options: WatchOptions) -> FrontSettings:
    certificate = None if network is None else network.certificate
    return FrontSettings(
        home=str(profile.broker_home.resolve()),
        pins=str(profile.pins_directory.resolve()),
        published=profile.party.broker_address,
        local=local_address(profile),
        listen="" if network is None else network.listen,
        certificate="" if certificate is None else str(certificate.chain.resolve()),
        certificate_key="" if certificate is None else str(certificate.key.resolve()),
        metrics=options.metrics,
        verbosity=options.verbosity.value,
    )


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
