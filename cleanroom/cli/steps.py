# SPDX-License-Identifier: Apache-2.0
"""The lines of a verification as they come, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cleanroom.cli.session import Session
from cleanroom.kernel.plain_text import printable

if TYPE_CHECKING:
    from cleanroom.receipt.steps import StepLine
    from cleanroom.receipt.verify import VerifiedReceipt


class StepPrinter:
    """Print each check when it is done, so that a slow one can be told from a hung one.

    Attributes:
        to_stderr: The lines accompany another result instead of being one.
    """

    def __init__(self, session: Session, *, to_stderr: bool = False) -> None:
        """Print for a session."""
        self._session = session
        self._to_stderr = to_stderr

    def __call__(self, line: StepLine) -> None:
        """Print one check."""
        if self._session.json or (self._to_stderr and self._session.quiet):
            return
        mark = "ok    " if line.held else "FAILED"
        click.echo(f"{mark} {line.step}: {printable(line.found)}", err=self._to_stderr)

    def finish(self, verified: VerifiedReceipt) -> None:
        """Say that every check held, and repeat what the platform does not protect."""
        body = verified.body
        value = {
            "verified": True,
            "run": body.run,
            "receipt": str(verified.digest),
            "contract": str(body.contract.digest),
            "platform": body.platform,
            "banner": body.banner,
            "checks": [{"step": line.step, "found": line.found} for line in verified.lines],
        }
        self._session.emit(value, f"verified {body.run} {verified.digest}")
        warn(self._session, body.banner)


def warn(session: Session, banner: str) -> None:
    """Print a loud banner on stderr; even quiet sessions get it."""
    if banner and not session.json:
        text = printable(banner)
        click.echo(click.style(text, fg="red", bold=True) if session.color else text, err=True)
