# SPDX-License-Identifier: Apache-2.0
"""Compare what a broker's log says now with everything it ever showed in this room.

A log can only grow. A checkpoint in an old receipt that the present log does not lead
to proves that the broker rewrote its history, or shows different people different ones.
"""

from __future__ import annotations

import hmac
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cleanroom.contract.agreement import Agreement
from cleanroom.contract.statement_shapes import LoggedStatement
from cleanroom.contract.statements import log_leaf
from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.identity.party import PartyDocument
from cleanroom.kernel.files import read_limited, write_atomic
from cleanroom.kernel.limits import MAX_RECEIPT_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.ledger.audit import AuditedLog, audit_log
from cleanroom.ledger.checkpoint import Checkpoint, log_origin, verify_checkpoint
from cleanroom.ledger.merkle import leaf_hash, peaks_of, root_of
from cleanroom.ledger.tiles import CHECKPOINT, WIDTH, Bundle, Tile
from cleanroom.receipt.parse import parse_receipt
from cleanroom.runner.broker_client import BrokerClient

LIVE = "broker"
COPY = "copy in the room"


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
    copy = room / "log" / party.name
    with tempfile.TemporaryDirectory(prefix="cleanroom-log-") as directory:
        fetched = Path(directory)
        source = LIVE if _fetch(party, fetched, authorities) else COPY
        where = fetched if source == LIVE else copy
        log = _audited(where, party)
        if source == LIVE:
            _require_growth(copy, log, party)
            _keep(fetched, copy)
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


def _require_growth(copy: Path, log: AuditedLog, party: PartyDocument) -> None:
    if (copy / CHECKPOINT).is_file():
        note = read_limited(copy / CHECKPOINT, what="checkpoint", limit=MAX_RECEIPT_BYTES)
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
    for path in sorted((room / "runs").glob("*/receipt.json")):
        data = read_limited(path, what="receipt.json", limit=MAX_RECEIPT_BYTES)
        receipt = parse_receipt(data)
        for statements in (receipt.body.releases, receipt.countersignatures):
            if party in statements:
                yield statements[party]


def _find(log: AuditedLog, logged: LoggedStatement, party: PartyDocument) -> bool:
    _require_prefix(log, logged.checkpoint.encode(), party)
    leaf = log_leaf(logged.statement.payload)
    if logged.index >= len(log.entries) or log.entries[logged.index] != leaf:
        raise IntegrityError(
            f"log of {party.name}: lacks a statement that a receipt of this room carries",
            code="audit.missing",
        )
    return True


def _keep(fetched: Path, copy: Path) -> None:
    # The checkpoint goes last: it must never lead to entries that are not there yet.
    files = [path for path in fetched.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.name == CHECKPOINT):
        write_atomic(copy / path.relative_to(fetched), path.read_bytes())
