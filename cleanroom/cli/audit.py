# SPDX-License-Identifier: Apache-2.0
"""Check every owner's log against its signed checkpoints and the room's receipts."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import room_option
from cleanroom.cli.session import Command, current
from cleanroom.cli.tables import render_table
from cleanroom.cli.trusting import StatedTrust, chosen_trust, hints_to, trust_options


@click.command(cls=Command, name="audit")
@trust_options
@room_option
def command(stated: StatedTrust, room: Path) -> None:
    """Audit each owner's log: whole, only grown, and holding every receipt's statements.

    The logs are read from the brokers and copied into the room; a broker that cannot
    be reached is judged by the copy.
    """
    from cleanroom import room as line
    from cleanroom.cli.auditing import audit_room
    from cleanroom.identity.authorities import load_authorities

    session = current()
    with hints_to(session):
        agreement = line.verify_contract(room, chosen_trust(session, stated, room=room))
    audits = audit_room(room, agreement, authorities=load_authorities(session.config))
    names = ("party", "source", "entries", "receipts")
    rows = [[getattr(audit, name) for name in names] for audit in audits]
    value = {"audited": [dict(zip(names, row, strict=True)) for row in rows]}
    session.emit(value, render_table(session, names, rows))
