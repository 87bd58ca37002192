# SPDX-License-Identifier: Apache-2.0
"""Compare what a broker's log says now with everything it ever showed in this room.

A log can only grow. A checkpoint in an old receipt that the present log does not lead
to proves that the broker rewrote its history, or shows different people different ones.

Others write into the room: its files are read and written step by step, never through a
link, and a broker is blamed only for what its own key signed.
"""

from __future__ import annotations

import hmac
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cleanroom.contract import places
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.room_files import list_below, read_below, write_below
from cleanroom.contract.statement_shapes import LoggedStatement
from cleanroom.contract.statements import log_leaf
from cleanroom.contract.types import RUN
from cleanroom.envelope.dsse import verify_envelope
from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.identity.party import PartyDocument
from cleanroom.kernel.files import write_atomic
from cleanroom.kernel.limits import MAX_RECEIPT_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.ledger.audit import AuditedLog, audit_log
from cleanroom.ledger.checkpoint import Checkpoint, log_origin, verify_checkpoint
from cleanroom.ledger.merkle import leaf_hash, peaks_of, root_of
from cleanroom.ledger.tiles import CHECKPOINT, MAX_BUNDLE_BYTES, WIDTH, Bundle, Tile
from cleanroom.receipt.parse import parse_receipt
from cleanroom.runner.broker_client import BrokerClient

LIVE = "broker"
COPY = "copy in the room"
RUNS = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyAudit:
    """What the log of one party's broker proved.

    Attributes:
        party: Whose broker.
        source: Where the log was read: from the broker, or from the room's copy.
        entries: How many statements it holds.
        receipts: How many receipts of the room were found in it.
    """

    party: str
    source: str
    entries: int
    receipts: int


def audit_room(room: Path, agreement: Agreement, *, authorities: str) -> list[PartyAudit]:
    """Audit every owner's log and keep a copy of it in the room.

    Args:
        room: The room's directory.
        agreement: Says whose brokers.
        authorities: PEM certificates of whoever may vouch for the brokers' hosts.

    Raises:
        IntegrityError: A log is damaged, forked, or lacks a statement of a receipt.
        UnavailableError: Neither the broker nor a copy could be read.
    """
    parties = [agreement.parties[owner] for owner in agreement.contract.owners]
    return [_audit(room, party, authorities) for party in parties]


def _audit(room: Path, party: PartyDocument, authorities: str) -> PartyAudit:
    with tempfile.TemporaryDirectory(prefix="cleanroom-log-") as directory:
        fetched = Path(directory)
        source = LIVE if _fetch(party, fetched, authorities) else COPY
        if source == COPY:
            _copy(room, party, fetched)
        log = _audited(fetched, party)
        if source == LIVE:
            _require_growth(room, log, party)
            _keep(fetched, room, party)
    found = [_find(log, logged, party) for logged in _statements(room, party.name)]
    return PartyAudit(
        party=party.name, source=source, entries=len(log.entries), receipts=sum(found) // 2
    )


def _fetch(party: PartyDocument, directory: Path, authorities: str) -> bool:
    """Fetch a whole log; tells whether the broker could be reached."""
    try:
        with BrokerClient(party.broker_address, authorities=authorities) as client:
            note = client.log_file(CHECKPOINT)
            size = _verified(note, party).size
            for path in _bundles(size):
                write_atomic(directory / path, client.log_file(path))
            write_atomic(directory / CHECKPOINT, note)
    except UnavailableError:
        return False
    return True


def _copy(room: Path, party: PartyDocument, directory: Path) -> None:
    """Take the room's copy as far as it is there; the audit says what is missing."""
    note = _kept(room, party, CHECKPOINT)
    if note is None:
        return
    write_atomic(directory / CHECKPOINT, note)
    for path in _bundles(_verified(note, party).size):
        data = _kept(room, party, path)
        if data is not None:
            write_atomic(directory / path, data)


def _kept(room: Path, party: PartyDocument, path: str) -> bytes | None:
    return read_below(room, f"{places.log_directory(party.name)}/{path}", limit=MAX_BUNDLE_BYTES)


def _audited(directory: Path, party: PartyDocument) -> AuditedLog:
    with _naming(party):
        return audit_log(directory, origin=log_origin(party.name), public_key=party.broker_key)


def _verified(note: bytes, party: PartyDocument) -> Checkpoint:
    with _naming(party):
        origin = log_origin(party.name)
        return verify_checkpoint(note, origin=origin, public_key=party.broker_key)


@contextmanager
def _naming(party: PartyDocument) -> Iterator[None]:
    """Say whose log an error is about; what its broker would do about it helps nobody else."""
    try:
        yield
    except (IntegrityError, MalformedError, UnavailableError) as error:
        raise type(error)(
            f"log of {party.name}: {error.message.removeprefix('log: ')}",
            code=error.code,
            hint=f"ask {party.name}, and keep every copy: it may be needed to prove what happened",
        ) from error


def _bundles(size: int) -> Iterator[str]:
    for start in range(0, size, WIDTH):
        width = min(WIDTH, size - start)
        yield Tile(level=Bundle.ENTRIES, index=start // WIDTH, width=width).path


def _require_growth(room: Path, log: AuditedLog, party: PartyDocument) -> None:
    note = _kept(room, party, CHECKPOINT)
    if note is not None:
        _require_prefix(log, note, party)


def _require_prefix(log: AuditedLog, note: bytes, party: PartyDocument) -> None:
    """Refuse unless the log begins with the tree of an older checkpoint.

    Raises:
        IntegrityError: It is shorter, or its first entries are others.
    """
    earlier = _verified(note, party)
    first = [leaf_hash(entry) for entry in log.entries[: earlier.size]]
    same = hmac.compare_digest(root_of(peaks_of(first)), earlier.root)
    if len(first) != earlier.size or not same:
        raise IntegrityError(
            f"log of {party.name}: does not contain what it showed earlier",
            code="audit.rewritten",
            hint="keep both: together they prove that the log was rewritten",
        )


def _statements(room: Path, party: str) -> Iterator[LoggedStatement]:
    for run in list_below(room, RUNS):
        data = _receipt(room, run) if re.fullmatch(RUN, run) else None
        if data is None:
            continue
        receipt = parse_receipt(data)
        for statements in (receipt.body.releases, receipt.countersignatures):
            if party in statements:
                yield statements[party]


def _receipt(room: Path, run: str) -> bytes | None:
    return read_below(room, places.receipt_file(run), limit=MAX_RECEIPT_BYTES)


def _find(log: AuditedLog, logged: LoggedStatement, party: PartyDocument) -> bool:
    # Its signature first: anybody may put a receipt into a room, and what the broker never
    # said cannot be missing from its log (T-15).
    what = f"receipt: statement of {party.name}"
    leaf = log_leaf(verify_envelope(logged.statement, party.broker_key, what=what))
    _require_prefix(log, logged.checkpoint.encode(), party)
    if logged.index >= len(log.entries) or log.entries[logged.index] != leaf:
        raise IntegrityError(
            f"log of {party.name}: lacks a statement that a receipt of this room carries",
            code="audit.missing",
        )
    return True


def _keep(fetched: Path, room: Path, party: PartyDocument) -> None:
    # The checkpoint goes last: it must never lead to entries that are not there yet.
    files = [path for path in fetched.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.name == CHECKPOINT):
        place = f"{places.log_directory(party.name)}/{path.relative_to(fetched).as_posix()}"
        write_below(room, place, path.read_bytes())
