# SPDX-License-Identifier: Apache-2.0
"""Explain a query, then sign and publish it, while the key that signs it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cleanroom.cli.early_key import opening_given
from cleanroom.kernel.process import loading

if TYPE_CHECKING:
    from cleanroom.cli.passphrase import PassphraseSource
    from cleanroom.cli.proposing import ProposalOptions
    from cleanroom.cli.session import Session


def submit_file(
    session: Session, file: Path, options: ProposalOptions, room: Path, *, source: PassphraseSource
) -> None:
    """Submit a file, and approve it where its author must.

    Nothing takes longer than opening the key, so all else is loaded and read beside it.

    Raises:
        CleanroomError: As :func:`cleanroom.room.submit_query`.
        IntegrityError: The passphrase is wrong; nothing was published.
    """
    with opening_given(session, source) as early:
        with loading():
            from cleanroom.cli import proposing
            from cleanroom.cli.acting import chosen_profile, opening_signer

        proposal = proposing.read_proposal(file, options)
        profile = chosen_profile(session)
        with opening_signer(profile, source, early=early) as signer:
            with loading():
                from cleanroom import room as line
                from cleanroom.runner import proposal as _  # noqa: F401 - the engine, to explain

            proposing.explain_first(session, profile, room, proposal)
            query = line.submit_query(profile, signer, room=room, proposal=proposal)
            approved = proposing.approve_own(profile, signer, room, query)
        proposing.tell(session, query, approved=approved)
