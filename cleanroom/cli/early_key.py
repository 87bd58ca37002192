# SPDX-License-Identifier: Apache-2.0
"""Begin to open the signing key before anything else is loaded: nothing takes longer.

Which profile acts, and that the key is the one of its document, is decided later and as
carefully as ever; a key that was opened too early for nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path

from cleanroom.cli.passphrase import PassphraseSource, read_passphrase
from cleanroom.cli.session import Session
from cleanroom.identity.homes import SIGNING_KEY_FILE, list_profiles
from cleanroom.identity.signers import FileSigner
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyKey:
    """The signing key that a profile made, while it is opened.

    Attributes:
        path: Its file.
        passphrase: What was read or typed; it opens the profile's other keys as well.
        signer: The key, once it is open.
    """

    path: Path
    passphrase: bytes = field(repr=False)
    signer: Future[FileSigner] = field(repr=False)


@contextmanager
def opening_early(session: Session, source: PassphraseSource) -> Iterator[EarlyKey | None]:
    """Start to open the key, for the block; nothing where it is not clear which one.

    Raises:
        click.UsageError: The passphrase was not given and there is no terminal.
    """
    name = _only_name(session)
    path = session.config / name / SIGNING_KEY_FILE
    if not name or not path.is_file():
        yield None
        return
    passphrase = read_passphrase(source, subject=name)
    beside = ThreadPoolExecutor(max_workers=1)
    signer = beside.submit(FileSigner.load, path, passphrase)
    try:
        yield EarlyKey(path=path, passphrase=passphrase, signer=signer)
    finally:
        # Whoever made a mistake elsewhere hears of it at once.
        beside.shutdown(wait=False)


@contextmanager
def opening_given(session: Session, source: PassphraseSource) -> Iterator[EarlyKey | None]:
    """Start to open the key as :func:`opening_early`, where nobody is asked for the passphrase.

    A person types it when all else is known to be right.

    Raises:
        MalformedError: The passphrase is empty or too long.
        UnavailableError: It cannot be read.
    """
    given = source.file is not None or source.descriptor is not None
    # An SSH key with a passphrase of its own may be anywhere.
    if not given or source.signing_file is not None:
        yield None
        return
    with opening_early(session, source) as early:
        yield early


def _only_name(session: Session) -> str:
    names = list_profiles(session.config)
    if session.profile:
        return session.profile if session.profile in names else ""
    return names[0] if len(names) == 1 else ""
