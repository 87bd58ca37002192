# SPDX-License-Identifier: Apache-2.0
"""Verify a receipt with nothing but the room and what the reader trusts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cleanroom.cli.options import hints_naming
from cleanroom.cli.session import Command, current
from cleanroom.cli.steps import StepPrinter
from cleanroom.cli.trusting import StatedTrust, chosen_trust, hints_to, trust_options
from cleanroom.errors import UnavailableError
from cleanroom.kernel.process import loading


@click.command(cls=Command, name="verify")
@click.argument("receipt", type=click.Path(path_type=Path))
@trust_options
def command(receipt: Path, stated: StatedTrust) -> None:
    """Verify RECEIPT, one line a check; stops at the first that fails.

    Whom to trust: the parties pinned in the profile, or those given with --pin, or the
    contract's digest given with --contract. Without any, the last line is "identities unproven".
    """
    with loading():
        from cleanroom import room as line

    session = current()
    report = StepPrinter(session)
    room = (receipt / "../../..").resolve()
    with hints_naming(room), hints_to(session), _hint_to_receipts(receipt):
        trust = chosen_trust(session, stated, room=room)
        verified = line.verify(receipt, trust=trust, report=report)
    report.finish(verified)


@contextmanager
def _hint_to_receipts(receipt: Path) -> Iterator[None]:
    """Say where receipts lie to somebody who named none."""
    try:
        yield
    except UnavailableError as error:
        if not receipt.exists():
            error.hint = "give the path of a receipt, such as room/runs/<run>/receipt.json"
        raise
