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
    with ThreadPoolExecutor(max_workers=1) as beside:
        signer = beside.submit(FileSigner.load, path, passphrase)
        yield EarlyKey(path=path, passphrase=passphrase, signer=signer)


def _only_name(session: Session) -> str:
    names = list_profiles(session.config)
    if session.profile:
        return session.profile if session.profile in names else ""
    return names[0] if len(names) == 1 else ""
