# SPDX-License-Identifier: Apache-2.0
"""A broker that colludes, or an operator with its disk, tries to change the past.

Threats: T-14 (a colluding broker lies about its log), T-19 (a crash or a kill at
any point), T-02 (the directory is rolled back).
"""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.ledger.audit import audit_log
from cleanroom.ledger.checkpoint import Checkpoint, require_same_tree, verify_checkpoint
from cleanroom.ledger.edge import Edge
from cleanroom.ledger.inclusion import verify_entry
from cleanroom.ledger.log import TileLog
from cleanroom.ledger.merkle import leaf_hash, node_hash, verify_consistency
from tests.support.logs import (
    KEY,
    ORIGIN,
    PUBLIC_KEY,
    reference_consistency,
    reference_path,
    reference_root,
)

THREATS = ("T-02", "T-14", "T-19")
ROOT = Path(__file__).parents[2]
HONEST = [b"release %d\n" % index for index in range(9)]


def checkpoint(entries):
    return Checkpoint(origin=ORIGIN, size=len(entries), root=reference_root(entries))


def extend(old, new, proof):
    verify_consistency(
        old_size=old.size, old_root=old.root, new_size=new.size, new_root=new.root, proof=proof
    )


def prove(entry, index, entries, *, proof=None, note=None):
    verify_entry(
        entry,
        index=index,
        proof=reference_path(index, entries) if proof is None else proof,
        checkpoint=checkpoint(entries).sign(KEY) if note is None else note,
        origin=ORIGIN,
        public_key=PUBLIC_KEY,
    )


def audit(directory):
    return audit_log(directory, origin=ORIGIN, public_key=PUBLIC_KEY)


def test_the_honest_log_gets_through():
    extend(checkpoint(HONEST[:5]), checkpoint(HONEST), reference_consistency(5, HONEST))
    prove(HONEST[3], 3, HONEST)


@pytest.mark.parametrize("index", range(5))
def test_t14_a_rewritten_entry_cannot_be_reconciled_with_a_known_checkpoint(index):
    lied = [*HONEST[:index], b"rewritten\n", *HONEST[index + 1 :]]
    with pytest.raises(IntegrityError, match="^log consistency:"):
        extend(checkpoint(HONEST[:5]), checkpoint(lied), reference_consistency(5, lied))


def test_t14_a_dropped_entry_cannot_be_reconciled_with_a_known_checkpoint():
    lied = HONEST[1:]
    with pytest.raises(IntegrityError, match="^log consistency:"):
        extend(checkpoint(HONEST[:5]), checkpoint(lied), reference_consistency(5, lied))


def test_t14_a_log_that_forgets_its_end_is_caught_by_whoever_saw_it():
    with pytest.raises(IntegrityError, match="^log consistency: the log shrank"):
        extend(checkpoint(HONEST), checkpoint(HONEST[:5]), [])


def test_t14_two_histories_of_one_size_convict_the_log():
    lied = [*HONEST[:-1], b"another\n"]
    with pytest.raises(IntegrityError, match="^checkpoint: two different trees"):
        require_same_tree(checkpoint(HONEST), checkpoint(lied))


def test_t14_a_statement_that_was_never_logged_has_no_proof():
    for index in range(len(HONEST)):
        with pytest.raises(IntegrityError, match="^log inclusion:"):
            prove(b"never logged\n", index, HONEST)


def test_t14_an_inner_node_is_not_taken_for_a_statement():
    left, right = leaf_hash(HONEST[0]), leaf_hash(HONEST[1])
    with pytest.raises(IntegrityError, match="^log inclusion:"):
        prove(left + right, 0, HONEST[:2], proof=[])
    assert node_hash(left, right) == reference_root(HONEST[:2])


def test_t14_a_proof_against_a_checkpoint_that_the_broker_did_not_sign_is_refused():
    note = replace(checkpoint(HONEST), size=10**6).sign(KEY)
    with pytest.raises(IntegrityError, match="^log inclusion:"):
        prove(HONEST[3], 3, HONEST, note=note)
    unsigned = note.replace(b"1000000", b"9")
    with pytest.raises(IntegrityError, match="^checkpoint: the signature"):
        prove(HONEST[3], 3, HONEST, note=unsigned)


@pytest.fixture
def directory(tmp_path):
    with TileLog(tmp_path / "log", origin=ORIGIN, key=KEY) as log:
        for entry in HONEST:
            log.append(entry)
    return tmp_path / "log"


@pytest.mark.parametrize("name", ["tile/entries/000.p/9", "tile/0/000.p/9", "checkpoint"])
def test_t14_every_changed_byte_of_the_newest_files_stops_the_log(directory, name):
    path = directory / name
    good = path.read_bytes()
    for at in range(0, len(good), 3):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x21]) + good[at + 1 :])
        with pytest.raises((IntegrityError, MalformedError)):
            TileLog(directory, origin=ORIGIN, key=KEY)
    path.write_bytes(good)
    assert audit(directory).entries == tuple(HONEST)


def test_t02_a_rolled_back_directory_is_caught_by_a_counterparty_with_a_newer_checkpoint(
    directory, tmp_path
):
    old = tmp_path / "old"
    shutil.copytree(directory, old)
    with TileLog(directory, origin=ORIGIN, key=KEY) as log:
        log.append(b"a release that shall be forgotten\n")
        seen = verify_checkpoint(log.checkpoint(), origin=ORIGIN, public_key=PUBLIC_KEY)
    with TileLog(old, origin=ORIGIN, key=KEY) as log:
        log.append(b"a release in its place\n")
        shown = verify_checkpoint(log.checkpoint(), origin=ORIGIN, public_key=PUBLIC_KEY)
    with pytest.raises(IntegrityError, match="^checkpoint: two different trees"):
        require_same_tree(seen, shown)


def write_log(directory, entries):
    """Write what a log of these entries leaves behind, and return its edge."""
    edge = Edge(size=0, entries=(), levels=())
    for entry in entries:
        edge, files = edge.add(entry)
        write_tiles(directory, files)
    directory.mkdir(exist_ok=True)
    (directory / "checkpoint").write_bytes(checkpoint(entries).sign(KEY))
    return edge


def write_tiles(directory, files):
    for tile, data in files:
        path = directory / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.with_name(f".{path.name}.0123456789abcdef.tmp").write_bytes(data[:7])


@pytest.mark.parametrize("size", [0, 1, 8, 255, 256])
def test_t19_a_crash_between_any_two_writes_loses_only_what_was_never_acknowledged(tmp_path, size):
    entries = [b"%d" % index for index in range(size)]
    before = tmp_path / "before"
    edge = write_log(before, entries)
    _, lost = edge.add(b"lost in the crash")
    for written in range(len(lost) + 1):
        after = tmp_path / f"after-{written}"
        shutil.copytree(before, after)
        write_tiles(after, lost[:written])
        with TileLog(after, origin=ORIGIN, key=KEY) as log:
            assert log.size == size
            assert log.append(b"written afterwards") == size
        assert audit(after).entries == (*entries, b"written afterwards")


def test_t19_a_crash_before_the_first_checkpoint_starts_an_empty_log(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / ".lock").touch()
    (tmp_path / "log" / ".checkpoint.0123456789abcdef.tmp").write_bytes(b"half")
    with TileLog(tmp_path / "log", origin=ORIGIN, key=KEY) as log:
        assert log.size == 0


WRITER = """
import sys
from pathlib import Path
from cleanroom.ledger.log import TileLog
from tests.support.logs import KEY, ORIGIN
with TileLog(Path(sys.argv[1]), origin=ORIGIN, key=KEY) as log:
    while True:
        index = log.append(b"entry %d" % log.size)
        sys.stdout.write(f"{index}\\n")
        sys.stdout.flush()
"""


def test_t19_a_killed_writer_keeps_every_entry_that_it_acknowledged(tmp_path):
    acknowledged = -1
    for wanted in (1, 2, 7, 23, 40):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "log")],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        with writer:
            for _ in range(wanted):
                acknowledged = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            # Lines written before the kill were acknowledged as well.
            rest = writer.stdout.read().split(b"\n")
        acknowledged = max([acknowledged, *(int(line) for line in rest[:-1] if line)])
        entries = audit(tmp_path / "log").entries
        assert len(entries) > acknowledged
        assert entries == tuple(b"entry %d" % index for index in range(len(entries)))


def test_t19_a_full_disk_costs_one_answer_and_no_entry(directory):
    obstacle = directory / "tile" / "0" / "000.p" / "10"
    obstacle.mkdir()
    (obstacle / "in the way").touch()
    with TileLog(directory, origin=ORIGIN, key=KEY) as log:
        with pytest.raises(UnavailableError):
            log.append(b"no room")
        shutil.rmtree(obstacle)
        assert log.append(b"room again") == len(HONEST)
    assert audit(directory).entries == (*HONEST, b"room again")


def test_t19_a_write_that_failed_after_the_checkpoint_was_replaced_signs_no_second_tree(
    directory, tmp_path
):
    landed = tmp_path / "landed"
    shutil.copytree(directory, landed)
    with TileLog(landed, origin=ORIGIN, key=KEY) as log:
        log.append(b"in doubt")
    obstacle = directory / "tile" / "0" / "000.p" / "10"
    obstacle.mkdir()
    (obstacle / "in the way").touch()
    with TileLog(directory, origin=ORIGIN, key=KEY) as log:
        with pytest.raises(UnavailableError):
            log.append(b"in doubt")
        # What a rename leaves behind when only the sync after it reports an error.
        shutil.rmtree(obstacle)
        shutil.copytree(landed, directory, dirs_exist_ok=True)
        assert log.append(b"next") == len(HONEST) + 1
    assert audit(directory).entries == (*HONEST, b"in doubt", b"next")
