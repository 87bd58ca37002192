# SPDX-License-Identifier: Apache-2.0
"""What a person sees while a run goes on, and at its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cleanroom.cli.results import describe, receipt_of, render_result
from cleanroom.cli.session import Session
from cleanroom.cli.steps import StepPrinter, warn

if TYPE_CHECKING:
    from cleanroom.cli.acting import OpeningKeys
    from cleanroom.identity.profile import Profile
    from cleanroom.receipt.verify import VerifiedReceipt


class RunPrinter:
    """Tell which stage a run is in, then what came of it."""

    def __init__(self, session: Session) -> None:
        """Print for a session."""
        self._session = session

    def stage(self, name: str) -> None:
        """Name the stage that begins."""
        self._session.note(f"{name} …")

    def finish(
        self, verified: VerifiedReceipt, *, profile: Profile, keys: OpeningKeys, room: Path
    ) -> None:
        """Print the checks that held, and the result if it was sealed to this party."""
        from cleanroom import room as line

        body = verified.body
        report = StepPrinter(self._session, to_stderr=True)
        for step in verified.lines:
            report(step)
        path = receipt_of(room, body.run)
        value = {"run": body.run, "receipt": str(path), "verified": True, "banner": body.banner}
        if profile.name in body.receivers:
            table = line.open_result(profile, keys.seeds(), verified, room=room)
            self._session.emit(
                {**value, "result": describe(table)}, render_result(self._session, table)
            )
        else:
            self._session.emit({**value, "result": None}, f"sealed to {', '.join(body.receivers)}")
        self._session.note(f"run {body.run}\nreceipt {path}")
        warn(self._session, body.banner)
