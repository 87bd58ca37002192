# SPDX-License-Identifier: Apache-2.0
"""Act as a party: find its profile and open its keys for the length of one command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cleanroom.cli.passphrase import (
    PassphraseSource,
    ask,
    read_passphrase,
    read_secret_file,
)
from cleanroom.cli.session import Session
from cleanroom.errors import UnavailableError
from cleanroom.identity.profile import (
    Profile,
    Unlocked,
    UnlockedSeeds,
    list_profiles,
    load_profile,
    unlock,
    unlock_seeds,
)
from cleanroom.identity.profile_file import SigningFile


def chosen_profile(session: Session) -> Profile:
    """Load the profile that was asked for, or the only one there is.

    Raises:
        UnavailableError: There is none, or several and none was named.
    """
    names = list_profiles(session.config)
    if session.profile:
        return load_profile(session.config, session.profile)
    if len(names) == 1:
        return load_profile(session.config, names[0])
    if not names:
        raise UnavailableError(
            "profile: none on this machine",
            code="profile.absent",
            hint="cleanroom init NAME --room ROOM",
        )
    raise UnavailableError(
        f"profile: there are {len(names)}, none chosen",
        code="profile.ambiguous",
        hint=f"--profile, one of: {', '.join(names)}",
    )


def unlock_profile(profile: Profile, source: PassphraseSource) -> Unlocked:
    """Open a profile's keys with the passphrase that the caller gives.

    Raises:
        IntegrityError: The passphrase is wrong.
        click.UsageError: It was not given and there is no terminal.
    """
    with unlocking(profile, source) as opening:
        return opening.result()


@contextmanager
def unlocking(profile: Profile, source: PassphraseSource) -> Iterator[Future[Unlocked]]:
    """Ask for the passphrase, then open a profile's keys while the caller does something else.

    Raises:
        IntegrityError: The passphrase is wrong; raised where the result is asked for.
        click.UsageError: It was not given and there is no terminal.
    """
    passphrase = read_passphrase(source, subject=profile.name)
    signing = _signing_passphrase(profile, source, passphrase)
    with ThreadPoolExecutor(max_workers=1) as beside:
        yield beside.submit(unlock, profile, passphrase, signing, agent_socket=agent_socket())


def unlock_broker(profile: Profile, source: PassphraseSource) -> UnlockedSeeds:
    """Open only what the broker needs; the key that signs contracts stays locked.

    Raises:
        IntegrityError: The passphrase is wrong.
        click.UsageError: It was not given and there is no terminal.
    """
    return unlock_seeds(profile, read_passphrase(source, subject=profile.name))


def agent_socket() -> Path | None:
    """Return where this user's ssh-agent listens, if there is one."""
    named = os.environ.get("SSH_AUTH_SOCK")
    return Path(named) if named else None


def _signing_passphrase(profile: Profile, source: PassphraseSource, passphrase: bytes) -> bytes:
    if source.signing_file is not None:
        return read_secret_file(source.signing_file)
    # A key that the profile made itself shares the profile's passphrase; somebody's
    # own SSH key has one of its own, which only a person can be asked for.
    own = isinstance(profile.signing, SigningFile) and not profile.signing.path.is_relative_to(
        profile.directory
    )
    if own and source.file is None and source.descriptor is None and sys.stdin.isatty():
        return ask(f"the SSH key of {profile.name}", confirm=False)
    return passphrase
