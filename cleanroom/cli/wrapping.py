# SPDX-License-Identifier: Apache-2.0
"""What an owner types to keep its broker's keys under a KEK."""

from __future__ import annotations

from cleanroom.cli.acting import chosen_profile
from cleanroom.cli.passphrase import PassphraseSource, read_passphrase
from cleanroom.cli.session import Session
from cleanroom.identity.profile import Profile, UnlockedSeeds, read_seeds
from cleanroom.keybroker.kek.uri import open_kek
from cleanroom.keybroker.kek.wrapped import (
    WRAPPED_FILE,
    open_wrapped,
    read_wrapped,
    rewrap,
    unlocked,
    wrap_seeds,
    write_wrapped,
)


def wrap(session: Session, source: PassphraseSource, uri: str) -> None:
    """Put the broker's seeds under a KEK, beside the file under the passphrase."""
    profile, kek = chosen_profile(session), open_kek(uri)
    seeds = read_seeds(profile, read_passphrase(source, subject=profile.name))
    data = wrap_seeds(seeds, party=profile.name, kek=kek)
    # Opened before it is kept: a KEK that only wraps would be found out at the next start,
    # and seeds that are not the party's would be kept.
    open_wrapped(data, party=profile.party, kek=kek)
    write_wrapped(profile.directory, data, replacing=False)
    _say(session, profile, kek.place)


def change(session: Session, old: str, new: str) -> None:
    """Put the broker's seeds under another KEK."""
    profile, kek = chosen_profile(session), open_kek(new)
    rewrap(profile.directory, party=profile.party, old=open_kek(old), new=kek)
    _say(session, profile, kek.place)


def open_seeds(profile: Profile, uri: str) -> UnlockedSeeds:
    """Open what a broker needs with its KEK; nobody types anything.

    Raises:
        UnavailableError: The seeds were never wrapped, or the KEK is not reached.
        CleanroomError: The KEK, the file or the URI is not what it should be.
    """
    data = read_wrapped(profile.directory)
    return unlocked(open_wrapped(data, party=profile.party, kek=open_kek(uri)))


def _say(session: Session, profile: Profile, place: str) -> None:
    path = str(profile.directory / WRAPPED_FILE)
    session.emit(
        {"party": profile.name, "kek": place, "file": path}, f"{path} is wrapped by {place}"
    )
