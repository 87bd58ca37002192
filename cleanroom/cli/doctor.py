# SPDX-License-Identifier: Apache-2.0
"""Name every broken link on this machine, and how to fix it."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import data_room_option, naming
from cleanroom.cli.session import Command, current
from cleanroom.cli.tables import render_table
from cleanroom.kernel.clock import system_clock


@click.command(cls=Command, name="doctor")
@data_room_option
@click.pass_context
def command(ctx: click.Context, room: Path) -> None:
    """Check everything a run needs; exits with 1 if a link is broken."""
    from cleanroom.cli.checks import examine
    from cleanroom.cli.findings import State, Surroundings

    session = current()
    findings = examine(
        Surroundings(config=session.config, profile=session.profile, room=room, now=system_clock())
    )
    rows = [
        [finding.state, finding.link, finding.found, naming(room, finding.fix)]
        for finding in findings
    ]
    names = ("state", "link", "found", "fix")
    value = {"checks": [dict(zip(names, row, strict=True)) for row in rows]}
    session.emit(value, render_table(session, names, rows))
    ctx.exit(1 if any(finding.state is State.BROKEN for finding in findings) else 0)
