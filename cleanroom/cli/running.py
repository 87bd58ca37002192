# SPDX-License-Identifier: Apache-2.0
"""What a person sees while a run goes on, and at its end."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cleanroom.cli.results import describe, receipt_of, render_result
from cleanroom.cli.session import Session
from cleanroom.cli.steps import StepPrinter, warn
from cleanroom.kernel.process import loading
from cleanroom.kernel.record import dataclass

if TYPE_CHECKING:
    from cleanroom.cli.acting import OpeningKeys
    from cleanroom.cli.passphrase import PassphraseSource
    from cleanroom.identity.profile import Profile
    from cleanroom.receipt.verify import VerifiedReceipt

_NAMED = "run "
_COUNTED = frozenset({"release keys", "run"})
_COMMITTED = frozenset({"commit", "receipt", "verify"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be run.

    Attributes:
        query: Name of an approved query.
        parameters: A value for each of its parameters.
        receivers: Fewer receivers than the query names; empty for all of them.
    """

    query: str
    parameters: Mapping[str, str]
    receivers: tuple[str, ...]


class RunPrinter:
    """Tell which stage a run is in, then what came of it."""

    def __init__(self, session: Session) -> None:
        """Print for a session."""
        self._session = session
        self._run = self._stage = ""

    def stage(self, name: str) -> None:
        """Name the run, or the stage that begins."""
        if name.startswith(_NAMED):
            self._run = name.removeprefix(_NAMED)
        self._stage = name
        self._session.note(f"{name} …")

    @contextmanager
    def telling_what_an_interrupt_cost(self, room: Path) -> Iterator[None]:
        """Say what a control-C left behind: brokers count when they release, and keep it."""
        try:
            yield
        except KeyboardInterrupt:
            if self._stage in _COUNTED:
                self._session.note("stopped after keys were asked for: a use may be spent")
            if self._stage in _COMMITTED:
                get = f"cleanroom result get {self._run} --room {shlex.quote(str(room))}"
                self._session.note(
                    f"stopped while the result was made final: a use is spent; {get}\n"
                    "opens it if its receipt is there, else run it again for the same answer"
                )
            raise

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


def run_here(session: Session, room: str, wanted: Wanted, *, source: PassphraseSource) -> None:
    """Start a runner on this machine, which loads while keys are opened."""
    from cleanroom.cli.early_key import opening_early
    from cleanroom.cli.options import hints_naming, opened_room
    from cleanroom.runner.launch import waiting_runner

    with (
        opened_room(room, data=True) as directory,
        hints_naming(directory),
        waiting_runner() as runner,
        opening_early(session, source) as early,
    ):
        # Runner, keys and this process's own modules load side by side.
        with loading():
            from cleanroom.cli.acting import chosen_profile, opening_keys

        profile = chosen_profile(session)
        with opening_keys(profile, source, early=early) as keys:
            with loading():
                from cleanroom import room as line

            printer = RunPrinter(session)

            def stage(name: str) -> None:
                printer.stage(name)
                if not name.startswith(_NAMED):
                    # The runner has its job; nobody needs these keys before it has an answer.
                    keys.begin_seeds()

            with printer.telling_what_an_interrupt_cost(directory):
                verified = line.run_query(
                    profile,
                    keys.signer(),
                    room=directory,
                    query=wanted.query,
                    parameters=wanted.parameters,
                    receivers=wanted.receivers,
                    progress=stage,
                    runner=runner,
                )
                printer.finish(verified, profile=profile, keys=keys, room=directory)
