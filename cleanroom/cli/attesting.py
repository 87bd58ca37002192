# SPDX-License-Identifier: Apache-2.0
"""What the commands about evidence do with a stranger's files."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from cleanroom.attestation import registry
from cleanroom.attestation.claims_plain import flatten, plain_claims
from cleanroom.attestation.collateral import CollateralCache
from cleanroom.attestation.completing import complete
from cleanroom.attestation.evidence import MAX_DEVICES, EvidenceItem, parse_evidence
from cleanroom.attestation.examine import (
    Accepted,
    NotCompared,
    examine,
    kind_named,
    make_item,
    recognise,
    trusting,
    warnings_about,
)
from cleanroom.attestation.platform import Kind
from cleanroom.attestation.platforms.nvidia_gpu import intake as nvidia_intake
from cleanroom.attestation.platforms.nvidia_gpu import nras
from cleanroom.cli.session import Session
from cleanroom.cli.tables import render_table
from cleanroom.errors import CleanroomError, MalformedError
from cleanroom.kernel.clock import format_time, system_clock
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_STRANGERS_BYTES
from cleanroom.kernel.plain_text import printable
from cleanroom.kernel.record import dataclass

_DEVICES = frozenset(kind.name for kind in registry.DEVICES)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){1,1024}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """Evidence that somebody gave us, not believed yet."""

    kind: Kind
    item: EvidenceItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What somebody typed about a stranger's files."""

    file: Path
    kind: str
    files: Sequence[Path]
    cache: Path | None
    trust_keys: Path | None
    issuer: str


def chosen_file(file: Path | None, evidence: Path | None) -> Path:
    """Return the one file that was named.

    Raises:
        click.UsageError: None, or two.
    """
    if (file is None) == (evidence is None):
        raise click.UsageError("give the evidence once, as FILE or with --evidence")
    return file or evidence or Path()


def read_strangers(file: Path, *, kind: str, files: Sequence[Path]) -> Stranger:
    """Read one piece of evidence and what lies beside it.

    Raises:
        MalformedError: Of no known kind, or not what that kind needs.
        UnavailableError: A file cannot be read.
    """
    given = Given(file=file, kind=kind, files=files, cache=None, trust_keys=None, issuer="")
    return _read_one(_read(file, what="evidence"), given)


def read_all(given: Given, *, at: str) -> tuple[Stranger, ...]:
    """Read evidence of one machine and its devices, or of each device in a list of them.

    Raises:
        MalformedError: Of no known kind, or not what that kind needs.
        UnavailableError: A file cannot be read.
    """
    data = _read(given.file, what="evidence")
    if _is_own(data):
        strangers = _read_own(data, given)
    else:
        kind = kind_named(given.kind) if given.kind else recognise(data)
        pieces = _split_devices(data) if kind.name in _DEVICES else (data,)
        strangers = tuple(_read_one(piece, given) for piece in pieces)
    if given.trust_keys is None:
        return strangers
    document = _read(given.trust_keys, what="key set")
    moment = chosen_time(at)
    issuer = given.issuer or nras.ISSUER
    # A token stands alone, or comes first: devices have roots of their own.
    first = strangers[0]
    vouched = replace(first, kind=trusting(first.kind, document, issuer=issuer, at=moment))
    return (vouched, *strangers[1:])


def other_kind(given: Given) -> MalformedError | None:
    """Return why a file cannot be of the kind that was named, if it looks like another one."""
    try:
        found = recognise(_read(given.file, what="evidence"))
        named = kind_named(given.kind) if given.kind else found
    except CleanroomError:
        return None
    if found.name == named.name:
        return None
    return MalformedError(
        f"kind: found what looks like {found.name}, agreed {named.name}",
        code="attestation.kind",
        hint=f"--kind {found.name}",
    )


def list_kinds(session: Session) -> None:
    """Print every kind with its standing."""
    standing = (
        ("platform", registry.PLATFORMS),
        ("device", registry.DEVICES),
        ("stands alone", registry.STAND_ALONE),
        ("not in contracts", registry.FOREIGN),
    )
    rows = [
        {"kind": kind.name, "standing": name, "what": kind.about.title}
        for name, kinds in standing
        for kind in kinds
    ]
    columns = ("kind", "standing", "what")
    table = render_table(session, columns, [[row[name] for name in columns] for row in rows])
    session.emit({"kinds": rows}, table)


def show_item(session: Session, stranger: Stranger) -> None:
    """Print what evidence is, by its own account."""
    kind, item = stranger.kind, stranger.item
    parts = {name: len(data) for name, data in sorted(item.collateral.items())}
    value = {
        "kind": kind.name,
        "title": kind.about.title,
        "report": {"sha256": Digest.of(item.report).hex, "bytes": len(item.report)},
        "collateral": parts,
        "verified": False,
    }
    lines = [f"{kind.about.title} ({kind.name}), {len(item.report)} bytes, not verified"]
    lines += [f"  beside it: {name}, {size} bytes" for name, size in parts.items()]
    wanted = kind.collateral_requests(item)
    lines += [f"  missing: {request.name}, from {printable(request.url)}" for request in wanted]
    session.emit(
        value | {"missing": {request.name: request.url for request in wanted}}, "\n".join(lines)
    )


def explain_item(session: Session, stranger: Stranger, *, at: str) -> None:
    """Print in plain words what evidence proves; first verifies it."""
    moment = chosen_time(at)
    claims = examine(
        stranger.kind,
        stranger.item,
        nonce=NotCompared(),
        accepted=Accepted(debug=True),
        at=moment,
        tell=lambda _: None,
    )
    about = stranger.kind.about
    facts = flatten(plain_claims(claims))
    warnings = list(warnings_about(claims))
    if claims.debug:
        warnings.insert(0, "DEBUG MODE: its host can read its memory")
    lines = [f"This is a genuine {about.title}, judged at {format_time(moment)}.", "It proves:"]
    lines += [f"  - {sentence}" for sentence in about.proves]
    lines += ["It does not prove:", *(f"  - {sentence}" for sentence in about.does_not_prove)]
    lines += [f"Warning: {warning}" for warning in warnings]
    lines += ["It says:", *(f"  {name} = {printable(text)}" for name, text in facts.items())]
    value = {
        "kind": stranger.kind.name,
        "proves": list(about.proves),
        "does_not_prove": list(about.does_not_prove),
        "warnings": warnings,
        "claims": plain_claims(claims),
    }
    session.emit(value, "\n".join(lines))


def chosen_time(text: str) -> dt.datetime:
    """Read a time as people have it: a day, an ISO 8601 time, or seconds since 1970.

    Raises:
        click.BadParameter: None of these, or a time without its zone.
    """
    if not text:
        return system_clock()
    try:
        if text.isascii() and text.isdigit():
            return dt.datetime.fromtimestamp(int(text), tz=dt.UTC)
        moment = dt.datetime.fromisoformat(text)
        if len(text) == len("2026-01-31"):
            moment = moment.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter("not a time such as 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise click.BadParameter("a time without its zone; append Z for UTC")
    return moment.astimezone(dt.UTC)


def chosen_octets(text: str, *, option: str) -> bytes:
    """Read hexadecimal digits.

    Raises:
        click.BadParameter: Anything else.
    """
    if not _HEX.fullmatch(text):
        raise click.BadParameter(f"{option}: not an even number of hexadecimal digits")
    return bytes.fromhex(text)


def _read_one(data: bytes, given: Given) -> Stranger:
    if _is_own(data):
        return _read_own(data, given)[0]
    kind = kind_named(given.kind) if given.kind else recognise(data)
    beside = [_read(path, what=f"collateral {path.name}") for path in given.files]
    if given.trust_keys is not None:
        beside.append(_read(given.trust_keys, what="key set"))
    item = make_item(kind, data, beside)
    return _with_kept(Stranger(kind=kind, item=item), given)


def _read_own(data: bytes, given: Given) -> tuple[Stranger, ...]:
    evidence = parse_evidence(data)
    wanted = kind_named(given.kind).name if given.kind else evidence.platform
    if wanted != evidence.platform:
        raise MalformedError(
            f"kind: the evidence says {evidence.platform}, agreed {wanted}",
            code="attestation.kind",
            hint="leave --kind out: this file names its kind",
        )
    if given.files:
        raise MalformedError(
            "collateral: found files beside evidence that carries its own, agreed none",
            code="attestation.collateral",
            hint="give them with a bare report, or keep them in a directory: --cache",
        )
    return tuple(
        _with_kept(Stranger(kind=kind_named(item.platform), item=item), given)
        for item in (evidence, *evidence.devices)
    )


def _with_kept(stranger: Stranger, given: Given) -> Stranger:
    if given.cache is None:
        return stranger
    kept = CollateralCache(directory=given.cache)
    return replace(stranger, item=complete(stranger.kind, stranger.item, kept.load))


def _split_devices(data: bytes) -> tuple[bytes, ...]:
    # Tools write a list with one object a device; each is evidence of its own.
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return (data,)
    if isinstance(value, dict):
        value = value.get(nvidia_intake.LISTED)
    if not isinstance(value, list) or not 1 < len(value) <= MAX_DEVICES:
        return (data,)
    return tuple(json.dumps([device]).encode() for device in value)


def _is_own(data: bytes) -> bool:
    # Ours is canonical JSON; anything else is the kinds' to recognise.
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("format") == "cleanroom.evidence.v0"


def _read(path: Path, *, what: str) -> bytes:
    data = read_limited(path, what=what, limit=MAX_STRANGERS_BYTES)
    if not data:
        raise MalformedError(
            f"{what}: found an empty file, agreed one with content", code="attestation.empty"
        )
    return data
