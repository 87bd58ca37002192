# SPDX-License-Identifier: Apache-2.0
"""What an owner types to turn its own broker off and on."""

from __future__ import annotations

from typing import Any

from cleanroom.cli.acting import chosen_profile
from cleanroom.cli.session import Session
from cleanroom.kernel.clock import format_time, system_clock
from cleanroom.keybroker.controls import Controls, StopKind


def stop(session: Session, kind: str, subject: str) -> None:
    """Stop something, and say what is stopped now."""
    with _open(session) as controls:
        controls.stop(StopKind(kind), subject, at=system_clock())
        _emit(session, controls)


def resume(session: Session, kind: str, subject: str) -> None:
    """Take a stop back, and say what is stopped now."""
    with _open(session) as controls:
        controls.resume(StopKind(kind), subject)
        _emit(session, controls)


def set_quota(session: Session, contract: str, per_day: int | None) -> None:
    """Set or lift a limit, and say what is limited now."""
    with _open(session) as controls:
        controls.set_quota(contract, per_day)
        _emit(session, controls)


def tell(session: Session) -> None:
    """Say what is stopped and limited."""
    with _open(session) as controls:
        _emit(session, controls)


def _open(session: Session) -> Controls:
    return Controls(chosen_profile(session).broker_home)


def _emit(session: Session, controls: Controls) -> None:
    stops, quotas = controls.stops(), controls.quotas()
    value: dict[str, Any] = {
        "stopped": [
            {"kind": item.kind.value, "subject": item.subject, "since": format_time(item.since)}
            for item in stops
        ],
        "quotas": [{"contract": str(item.contract), "per_day": item.per_day} for item in quotas],
    }
    lines = [
        f"stopped {item.kind} {item.subject} since {format_time(item.since)}" for item in stops
    ]
    lines += [f"at most {item.per_day} a day {item.contract}" for item in quotas]
    session.emit(value, "\n".join(lines) or "nothing is stopped or limited")
