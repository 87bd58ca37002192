# SPDX-License-Identifier: Apache-2.0
"""Open and serve the broker of a profile: its home, its pins, its address."""

from __future__ import annotations

import os
from collections.abc import Callable

from cleanroom.identity.pins import load_pins
from cleanroom.identity.profile import Profile, Unlocked, UnlockedSeeds
from cleanroom.kernel.clock import system_clock
from cleanroom.keybroker.broker import BrokerOwner, KeyBroker
from cleanroom.server.serve import serve_broker


def serve_profile(
    profile: Profile, seeds: UnlockedSeeds | Unlocked, *, started: Callable[[str], None]
) -> None:
    """Serve a party's broker until SIGINT or SIGTERM.

    Args:
        profile: Whose broker; its party document names the address.
        seeds: The opened seeds; the party's signing key is not needed and stays locked.
        started: Hears the address once requests are answered.

    Raises:
        UnavailableError: Another broker of this party runs, or the address is in use.
        IntegrityError: The home is damaged, another party's, or older than its log.
        RefusedError: Others may read the home, or the address is another machine's.
    """
    owner = BrokerOwner(
        party=profile.party,
        pins=lambda: load_pins(profile.pins_directory),
        receiving=seeds.receiving,
        broker_seed=seeds.broker_seed,
        state_seed=seeds.state_seed,
    )
    with KeyBroker.open(
        profile.broker_home, owner=owner, clock=system_clock, entropy=os.urandom
    ) as broker:
        serve_broker(broker, address=profile.party.broker_address, started=started)
