# SPDX-License-Identifier: Apache-2.0
"""Take something back; brokers refuse from then on, whatever the room shows."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import reason_option, room_option
from cleanroom.cli.passphrase import PassphraseSource, passphrase_options
from cleanroom.cli.session import Command, current

KINDS = ("contract", "dataset", "query", "key", "approval")


@click.command(cls=Command, name="revoke")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("subject")
@click.option("--yes", is_flag=True, help="Do not ask; a revocation cannot be taken back.")
@reason_option
@room_option
@passphrase_options
def command(
    *, kind: str, subject: str, yes: bool, reason: str, room: Path, source: PassphraseSource
) -> None:
    """Withdraw SUBJECT: the sha256:… of a document or key, or a dataset's name."""
    from cleanroom import room as line
    from cleanroom.cli.acting import chosen_profile, unlock_signer
    from cleanroom.cli.confirming import confirm_by_typing
    from cleanroom.cli.deliveries import report
    from cleanroom.cli.revoking import lies_in, read_terms
    from cleanroom.kernel.clock import system_clock

    session = current()
    profile = chosen_profile(session)
    terms = read_terms(profile.name, kind, subject, reason=reason, since=system_clock())
    known = lies_in(room, terms, profile=profile)
    if not known:
        session.note(f"warning: the room holds no such {kind} of {profile.name}: check SUBJECT")
    confirm_by_typing(session, f"{kind} {subject}", answer=subject, yes=yes)
    signer = unlock_signer(profile, source)
    deliveries = line.revoke(profile, signer, room=room, terms=terms)
    value = {"revoked": kind, "subject": subject, "party": profile.name, "in_room": known}
    report(session, value, deliveries, text=f"revoked {kind} {subject}")
