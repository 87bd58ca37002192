# SPDX-License-Identifier: Apache-2.0
"""Verify a receipt with nothing but the room and what the reader trusts."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import hints_naming
from cleanroom.cli.session import Command, current
from cleanroom.cli.steps import StepPrinter
from cleanroom.cli.trusting import chosen_trust, contract_option, hints_to
from cleanroom.kernel.process import loading


@click.command(cls=Command, name="verify")
@click.argument("receipt", type=click.Path(path_type=Path))
@contract_option
def command(receipt: Path, contract: str | None) -> None:
    """Verify RECEIPT, one line a check; stops at the first that fails.

    Whom to trust: the parties pinned in the profile, or the contract's digest given
    with --contract. Without either, the last line is "identities unproven".
    """
    with loading():
        from cleanroom import room as line

    session = current()
    report = StepPrinter(session)
    room = (receipt / "../../..").resolve()
    with hints_naming(room), hints_to(session):
        verified = line.verify(receipt, trust=chosen_trust(session, contract), report=report)
    report.finish(verified)
