# SPDX-License-Identifier: Apache-2.0
"""Act as a party: find its profile and open its keys for the length of one command."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from cleanroom.cli.early_key import EarlyKey
from cleanroom.cli.passphrase import (
    PassphraseSource,
    ask,
    read_passphrase,
    read_secret_file,
)
from cleanroom.cli.session import Session
from cleanroom.errors import UnavailableError
from cleanroom.identity import profile as identity
from cleanroom.identity.homes import list_profiles
from cleanroom.identity.profile import Profile, Unlocked, UnlockedSeeds, load_profile, unlock
from cleanroom.identity.profile_file import SigningAgent, SigningFile
from cleanroom.identity.ssh_key import Signer, SSHPublicKey
from cleanroom.kernel.record import dataclass

_PATIENT = 10  # niceness, of one thread of ours


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
            f"profile: none in {session.config}",
            code="profile.absent",
            hint="cleanroom init NAME --room ROOM",
        )
    raise UnavailableError(
        f"profile: there are {len(names)}, none chosen",
        code="profile.ambiguous",
        hint=f"--profile, one of: {', '.join(names)}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _PatientSigner:
    """Sign with a key that may not be open yet."""

    open: Callable[[], Signer]

    @property
    def public_key(self) -> SSHPublicKey:
        """Return the key that verifies what this signer signs."""
        return self.open().public_key

    def sign(self, data: bytes) -> bytes:
        """Return an SSH signature blob over the data.

        Raises:
            IntegrityError: A passphrase is wrong.
        """
        return self.open().sign(data)


class OpeningKeys:
    """Both key files of a party while they are opened beside other work; each is slow on purpose.

    The one that signs comes first: what it signs can be on its way while the other opens.
    """

    def __init__(
        self, signer: Future[Signer], seeds: Callable[[], Future[UnlockedSeeds]], *, one: bool
    ) -> None:
        """Take what is being opened.

        Args:
            signer: Opens what signs documents.
            seeds: Begins to open the rest.
            one: Whether one passphrase opens both.
        """
        self._signer, self._one = signer, one
        self._seeds = functools.cache(seeds)

    def begin_seeds(self) -> None:
        """Open the rest as well, now that there is time: what signs has signed."""
        self._seeds()

    def signer(self) -> Signer:
        """Return what signs; it waits for its key when something is to be signed, not before.

        A wrong passphrase is refused then.
        """
        return _PatientSigner(open=self._opened)

    def _opened(self) -> Signer:
        if not self._one:
            # A run must not be spent before it is known that its result can be read.
            self._seeds().result()
        return self._signer.result()

    def seeds(self) -> UnlockedSeeds:
        """Return the keys that open what was sealed for the party.

        Raises:
            IntegrityError: The passphrase is wrong.
        """
        return self._seeds().result()


@contextmanager
def opening_keys(
    profile: Profile, source: PassphraseSource, *, early: EarlyKey | None = None
) -> Iterator[OpeningKeys]:
    """Ask for the passphrase, then open a profile's keys while the caller does something else.

    Args:
        profile: Whose keys.
        source: Where the passphrase comes from.
        early: What has been begun already; the passphrase was read then.

    Raises:
        click.UsageError: It was not given and there is no terminal.
    """
    if early is not None and profile.signing == SigningFile(path=early.path):
        with ThreadPoolExecutor(max_workers=1) as beside:
            yield OpeningKeys(
                beside.submit(_opened_early, profile, early),
                lambda: beside.submit(_unlock_seeds_patiently, profile, early.passphrase),
                one=True,
            )
        return
    passphrase = early.passphrase if early else read_passphrase(source, subject=profile.name)
    own = made_by_profile(profile)
    signing = passphrase if own else _signing_passphrase(profile, source, passphrase)
    with ThreadPoolExecutor(max_workers=1 if own else 2) as beside:
        keys = OpeningKeys(
            beside.submit(_open_signer, profile, signing),
            lambda: beside.submit(identity.unlock_seeds, profile, passphrase),
            one=own,
        )
        keys.begin_seeds()
        yield keys


@contextmanager
def opening_signer(
    profile: Profile, source: PassphraseSource, *, early: EarlyKey | None = None
) -> Iterator[Signer]:
    """Open only what signs documents, while the caller does something else.

    It waits for its key when something is to be signed; a wrong passphrase is refused then.
    A key in an agent needs no passphrase here.

    Args:
        profile: Whose key.
        source: Where the passphrase comes from.
        early: What has been begun already; the passphrase was read then.

    Raises:
        click.UsageError: It was not given and there is no terminal.
    """
    with ThreadPoolExecutor(max_workers=1) as beside:
        if early is not None and profile.signing == SigningFile(path=early.path):
            opening = beside.submit(_opened_early, profile, early)
        else:
            signing = _signing_passphrase(profile, source, early.passphrase if early else None)
            opening = beside.submit(_open_signer, profile, signing)
        yield _PatientSigner(open=opening.result)


def unlock_signer(profile: Profile, source: PassphraseSource) -> Signer:
    """Open only what signs documents.

    Raises:
        IntegrityError: The passphrase is wrong.
        click.UsageError: It was not given and there is no terminal.
    """
    return _open_signer(profile, _signing_passphrase(profile, source, None))


def unlock_profile(profile: Profile, source: PassphraseSource) -> Unlocked:
    """Open all of a profile's keys with the passphrase that the caller gives.

    Raises:
        IntegrityError: The passphrase is wrong.
        click.UsageError: It was not given and there is no terminal.
    """
    passphrase = read_passphrase(source, subject=profile.name)
    signing = _signing_passphrase(profile, source, passphrase)
    return unlock(profile, passphrase, signing, agent_socket=agent_socket())


def unlock_seeds(profile: Profile, source: PassphraseSource) -> UnlockedSeeds:
    """Open what a broker or a receiver needs; the key that signs contracts stays locked.

    Raises:
        IntegrityError: The passphrase is wrong.
        click.UsageError: It was not given and there is no terminal.
    """
    return identity.unlock_seeds(profile, read_passphrase(source, subject=profile.name))


def agent_socket() -> Path | None:
    """Return where this user's ssh-agent listens, if there is one."""
    named = os.environ.get("SSH_AUTH_SOCK")
    return Path(named) if named else None


def made_by_profile(profile: Profile) -> bool:
    """Tell whether the signing key is one that the profile made, under its own passphrase."""
    signing = profile.signing
    return isinstance(signing, SigningFile) and signing.path.is_relative_to(profile.directory)


def _opened_early(profile: Profile, early: EarlyKey) -> Signer:
    identity.require_closed_seeds(profile)
    return identity.own_signer(profile, early.signer.result())


def _unlock_seeds_patiently(profile: Profile, passphrase: bytes) -> UnlockedSeeds:
    # Nobody needs them before there is a result; what makes the result comes first.
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PATIENT)
    return identity.unlock_seeds(profile, passphrase)


def _open_signer(profile: Profile, passphrase: bytes) -> Signer:
    return identity.unlock_signer(profile, passphrase, agent_socket=agent_socket())


def _signing_passphrase(
    profile: Profile, source: PassphraseSource, passphrase: bytes | None
) -> bytes:
    """Ask for what opens the signing key, unless the profile's passphrase is known and does."""
    if isinstance(profile.signing, SigningAgent):
        return b""
    if source.signing_file is not None:
        return read_secret_file(source.signing_file)
    # Somebody's own SSH key has a passphrase of its own, which only a person can be asked for.
    given = source.file is not None or source.descriptor is not None
    if not (made_by_profile(profile) or given) and sys.stdin.isatty():
        return ask(f"the SSH key of {profile.name}", confirm=False)
    return read_passphrase(source, subject=profile.name) if passphrase is None else passphrase
