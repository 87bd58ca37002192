# SPDX-License-Identifier: Apache-2.0
"""Verify a stranger's evidence on the command line: one line a check, also before a refusal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import click

from cleanroom.attestation.claims_plain import plain_claims
from cleanroom.attestation.examine import Accepted, Nonce, NotCompared, examine, warnings_about
from cleanroom.attestation.platform import Check
from cleanroom.cli.attesting import (
    Given,
    Stranger,
    chosen_octets,
    chosen_time,
    other_kind,
    read_all,
)
from cleanroom.cli.session import Session
from cleanroom.errors import CleanroomError, MalformedError
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.plain_text import printable
from cleanroom.kernel.record import dataclass

# How the messages of this project put what was found beside what was agreed.
_BETWEEN = (", agreed ", " against ", ", given ", ", ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How somebody wants evidence verified, as typed."""

    binding: str | None
    accept_debug: bool
    at: str


def verify_all(session: Session, given: Given, wishes: Wishes) -> None:
    """Verify evidence, one line a check; the line that fails is the last.

    Raises:
        CleanroomError: The check that failed, after its line.
        click.exceptions.Exit: The same for a program, after one JSON object.
    """
    at = chosen_time(wishes.at)
    nonce = _nonce(wishes)
    done: list[dict[str, Any]] = []
    checks: list[Check] = []
    kind = given.kind
    try:
        strangers = read_all(given, at=wishes.at)
        for stranger in strangers:
            kind, checks = stranger.kind.name, []
            accepted = Accepted(debug=wishes.accept_debug)
            done.append(_verify(session, stranger, checks, nonce=nonce, accepted=accepted, at=at))
    except CleanroomError as refused:
        wrong = other_kind(given) if isinstance(refused, MalformedError) and not checks else None
        error = wrong or refused
        if not session.json:
            click.echo(f"FAILED {printable(error.message)}")
            raise error from None
        value = {"verified": False, "kind": kind, "at": format_time(at), "checks": _plain(checks)}
        if done:
            value |= {"device": len(done), "devices": done}
        session.emit(value | {"failed": _failed(error), "error": _error(error)}, "")
        raise click.exceptions.Exit(error.exit_code) from None
    _report(session, strangers, done, at=at)


def _report(
    session: Session,
    strangers: Sequence[Stranger],
    done: Sequence[dict[str, Any]],
    *,
    at: dt.datetime,
) -> None:
    names = ", ".join(dict.fromkeys(stranger.kind.name for stranger in strangers))
    if len(done) == 1:
        session.emit(done[0], f"genuine {names} at {format_time(at)}")
        return
    value = {"verified": True, "at": format_time(at), "devices": list(done)}
    session.emit(value, f"genuine: {len(done)} of {names} at {format_time(at)}")


def _verify(
    session: Session,
    stranger: Stranger,
    checks: list[Check],
    *,
    nonce: Nonce | NotCompared,
    accepted: Accepted,
    at: dt.datetime,
) -> dict[str, Any]:
    def tell(check: Check) -> None:
        checks.append(check)
        if not session.json:
            click.echo(f"ok     {printable(check.name)}: {printable(check.found)}")

    claims = examine(stranger.kind, stranger.item, nonce=nonce, accepted=accepted, at=at, tell=tell)
    warnings = warnings_about(claims)
    for warning in warnings:
        if not session.json:
            click.echo(f"warning: {printable(warning)}", err=True)
    return {
        "verified": True,
        "kind": stranger.kind.name,
        "at": format_time(at),
        "checks": _plain(checks),
        "warnings": list(warnings),
        "claims": plain_claims(claims),
    }


def _plain(checks: Sequence[Check]) -> list[dict[str, str]]:
    return [{"check": check.name, "found": check.found} for check in checks]


def _failed(error: CleanroomError) -> dict[str, str]:
    """Split a message of this project, ``subject: found against agreed``."""
    subject, _, rest = error.message.partition(": ")
    for between in _BETWEEN:
        found, here, agreed = rest.partition(between)
        if here:
            return {"check": subject, "found": found.removeprefix("found "), "agreed": agreed}
    return {"check": subject, "found": rest.removeprefix("found "), "agreed": ""}


def _error(error: CleanroomError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}


def _nonce(wishes: Wishes) -> Nonce | NotCompared:
    if wishes.binding is None:
        return NotCompared()
    # An empty one, as of a variable that nobody set, is a mistake and no waiver.
    octets, _, place = wishes.binding.partition("@")
    return Nonce(value=chosen_octets(octets, option="--binding"), place=place)
