# SPDX-License-Identifier: Apache-2.0
import shutil
import subprocess
import sys
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.ledger.audit import audit_log, consistency_from
from cleanroom.ledger.checkpoint import verify_checkpoint
from cleanroom.ledger.inclusion import verify_entry
from cleanroom.ledger.log import TileLog
from cleanroom.ledger.merkle import verify_consistency
from cleanroom.ledger.tiles import is_published
from tests.support.logs import KEY, ORIGIN, PUBLIC_KEY, reference_root

OTHER = Ed25519PrivateKey.from_private_bytes(b"O" * 32)


EDGE_SIZES = (0, 1, 100, 255, 256, 257)
LENGTH = 259


def entry(index):
    return b"entry %d\n" % index


def open_log(directory, *, key=KEY, origin=ORIGIN):
    return TileLog(directory, origin=origin, key=key)


def fill(directory, count):
    with open_log(directory) as log:
        while log.size < count:
            log.append(entry(log.size))


def verified(note):
    return verify_checkpoint(note, origin=ORIGIN, public_key=PUBLIC_KEY)


def audit(directory):
    return audit_log(directory, origin=ORIGIN, public_key=PUBLIC_KEY)


@pytest.fixture(scope="module")
def long_log(tmp_path_factory):
    """Return a log whose level 0 has a full tile, and every checkpoint it signed.

    Copies beside it show the directory as it was at the sizes where tiles fill.
    """
    directory = tmp_path_factory.mktemp("long") / "log"
    notes = []
    with open_log(directory) as log:
        notes.append(log.checkpoint())
        for index in range(LENGTH):
            if index in EDGE_SIZES:
                shutil.copytree(directory, directory.with_name(f"log-{index}"))
            assert log.append(entry(index)) == index
            notes.append(log.checkpoint())
    return directory, notes


@pytest.fixture
def copied(long_log, tmp_path):
    directory = tmp_path / "copy"
    shutil.copytree(long_log[0], directory)
    return directory


@pytest.fixture
def at_size(long_log, tmp_path):
    def copy(size):
        directory = tmp_path / f"log-{size}"
        shutil.copytree(long_log[0].with_name(directory.name), directory)
        return directory

    return copy


def test_a_new_log_signs_the_empty_tree(tmp_path):
    with open_log(tmp_path / "home" / "log") as log:
        assert log.size == 0
        assert verified(log.checkpoint()).root == reference_root([])


def test_every_append_signs_the_tree_that_the_rfc_defines(long_log):
    for size in (0, 1, 2, 3, 255, 256, 257, LENGTH):
        checkpoint = verified(long_log[1][size])
        assert checkpoint.size == size
        assert checkpoint.root == reference_root([entry(index) for index in range(size)])


def test_every_entry_can_be_proven_with_a_checkpoint_of_the_same_moment(copied):
    with open_log(copied) as log:
        for index in (0, 1, 254, 255, 256, 258):
            logged = log.logged(index)
            assert logged.index == index
            assert log.inclusion_proof(index) == logged.proof
            verify_entry(
                entry(index),
                index=index,
                proof=logged.proof,
                checkpoint=logged.checkpoint,
                origin=ORIGIN,
                public_key=PUBLIC_KEY,
            )


def test_proofs_are_of_the_tree_that_the_log_has_by_now(copied):
    with open_log(copied) as log:
        for size in (LENGTH, LENGTH + 1, LENGTH + 2):
            for index in (0, 256, size - 1):
                logged = log.logged(index)
                verify_entry(
                    entry(index),
                    index=index,
                    proof=logged.proof,
                    checkpoint=log.checkpoint(),
                    origin=ORIGIN,
                    public_key=PUBLIC_KEY,
                )
            log.append(entry(size))


def test_the_log_extends_every_checkpoint_it_ever_signed(copied, long_log):
    with open_log(copied) as log:
        new = verified(log.checkpoint())
        for note in long_log[1][::37]:
            old = verified(note)
            verify_consistency(
                old_size=old.size,
                old_root=old.root,
                new_size=new.size,
                new_root=new.root,
                proof=log.consistency_proof(old.size),
            )


def test_a_copy_of_the_log_proves_consistency_between_any_two_checkpoints(long_log):
    directory, notes = long_log
    for first, second in ((0, 5), (1, 200), (255, 256), (256, LENGTH), (200, 257)):
        old, new = verified(notes[first]), verified(notes[second])
        verify_consistency(
            old_size=old.size,
            old_root=old.root,
            new_size=new.size,
            new_root=new.root,
            proof=consistency_from(directory, old_size=first, new_size=second),
        )


@pytest.mark.parametrize("index", [-1, LENGTH, 2**60])
def test_no_proof_of_an_entry_that_is_not_there(copied, index):
    with open_log(copied) as log, pytest.raises(MalformedError):
        log.logged(index)


def test_no_proof_from_a_tree_that_never_was(copied):
    with open_log(copied) as log, pytest.raises(MalformedError):
        log.consistency_proof(LENGTH + 1)


@pytest.mark.parametrize("size", EDGE_SIZES)
def test_a_log_goes_on_after_being_closed_at_any_size(at_size, size):
    directory = at_size(size)
    with open_log(directory) as log:
        assert log.size == size
        assert log.append(entry(size)) == size
    entries = [entry(index) for index in range(size + 1)]
    audited = audit(directory)
    assert list(audited.entries) == entries
    assert audited.checkpoint.root == reference_root(entries)


def test_only_published_paths_and_the_lock_lie_in_the_directory(long_log):
    directory = long_log[0]
    files = {
        path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()
    }
    assert {path for path in files if not is_published(path)} == {".lock"}
    assert (directory / "tile" / "0" / "000").stat().st_size == 8192


def test_partial_tiles_go_once_the_full_one_is_there(long_log):
    directory = long_log[0]
    assert not (directory / "tile" / "0" / "000.p").exists()
    assert not (directory / "tile" / "entries" / "000.p").exists()
    assert (directory / "tile" / "0" / "001.p" / "3").exists()
    assert (directory / "tile" / "1" / "000.p" / "1").exists()


def test_an_older_tree_is_read_from_the_full_tile_when_the_partial_one_is_gone(copied, long_log):
    (copied / "checkpoint").write_bytes(long_log[1][100])
    assert len(audit(copied).entries) == 100


def test_a_second_writer_is_refused_in_the_same_process(tmp_path):
    with open_log(tmp_path / "log"):
        with pytest.raises(UnavailableError, match="^log: another process") as refused:
            open_log(tmp_path / "log")
        assert refused.value.code == "ledger.locked"
    open_log(tmp_path / "log").close()


def test_a_second_writer_is_refused_in_another_process(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from cleanroom.errors import UnavailableError\n"
        "from tests.support.logs import KEY, ORIGIN\n"
        "from cleanroom.ledger.log import TileLog\n"
        "try: TileLog(Path(sys.argv[1]), origin=ORIGIN, key=KEY)\n"
        "except UnavailableError as error: print(error.code)\n"
    )
    with open_log(tmp_path / "log"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "log")],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout == "ledger.locked\n"


def test_what_a_killed_writer_left_unfinished_is_gone_when_the_log_opens(tmp_path):
    with open_log(tmp_path) as log:
        log.append(entry(0))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    level = tmp_path / "tile" / "0"
    assert level.is_dir()
    (tmp_path / ".checkpoint.0123456789abcdef.tmp").write_bytes(b"half")
    (level / ".000.0123456789abcdef.tmp").write_bytes(b"half")
    with open_log(tmp_path) as log:
        assert log.size == 1
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_a_log_that_does_not_open_gives_the_lock_back(tmp_path):
    fill(tmp_path / "log", 1)
    with pytest.raises(IntegrityError):
        open_log(tmp_path / "log", key=OTHER)
    open_log(tmp_path / "log").close()


def test_a_closed_log_is_refused_and_closing_twice_does_nothing(tmp_path):
    log = open_log(tmp_path / "log")
    log.close()
    log.close()
    with pytest.raises(UnavailableError, match="^log: closed"):
        log.append(b"entry")


def test_threads_that_append_together_lose_nothing(tmp_path):
    with open_log(tmp_path / "log") as log:
        indexes = []
        threads = [
            threading.Thread(target=lambda n=n: indexes.append(log.append(b"%d" % n)))
            for n in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(indexes) == list(range(12))
    assert set(audit(tmp_path / "log").entries) == {b"%d" % n for n in range(12)}


def test_an_entry_over_the_limit_is_refused_and_nothing_is_logged(tmp_path):
    with open_log(tmp_path / "log") as log:
        with pytest.raises(MalformedError, match="^log entry:"):
            log.append(bytes(2**16))
        assert log.append(b"next") == 0


def test_the_largest_and_the_empty_entry_are_logged(tmp_path):
    with open_log(tmp_path / "log") as log:
        log.append(bytes(2**16 - 1))
        log.append(b"")
    assert audit(tmp_path / "log").entries == (bytes(2**16 - 1), b"")


@pytest.mark.parametrize("origin", ["cleanroom/log/v0/insurer", "x"])
def test_a_log_of_another_name_is_refused(tmp_path, origin):
    fill(tmp_path / "log", 1)
    with pytest.raises(IntegrityError, match="^checkpoint:"):
        open_log(tmp_path / "log", origin=origin)


def test_tiles_without_a_checkpoint_never_start_a_second_history(tmp_path):
    fill(tmp_path / "log", 3)
    (tmp_path / "log" / "checkpoint").unlink()
    with pytest.raises(IntegrityError, match="^log: tiles without") as refused:
        open_log(tmp_path / "log")
    assert refused.value.code == "ledger.damaged"
    assert not (tmp_path / "log" / "checkpoint").exists()


@pytest.mark.parametrize(
    "path", ["tile/0/001.p/3", "tile/1/000.p/1", "tile/entries/001.p/3", "checkpoint"]
)
def test_a_changed_byte_at_the_edge_stops_the_log(copied, path):
    data = bytearray((copied / path).read_bytes())
    data[-3] ^= 1
    (copied / path).write_bytes(bytes(data))
    with pytest.raises((IntegrityError, MalformedError)):
        open_log(copied)


@pytest.mark.parametrize("path", ["tile/0/001.p/3", "tile/1/000.p/1", "tile/entries/001.p/3"])
def test_a_missing_file_at_the_edge_stops_the_log_by_name(copied, path):
    (copied / path).unlink()
    with pytest.raises(IntegrityError, match=f"^log: {path} is missing") as refused:
        open_log(copied)
    assert refused.value.code == "ledger.damaged"
    assert "broker restore" in refused.value.hint


def test_a_log_that_does_not_fit_its_checkpoint_asks_for_no_older_copy(copied):
    data = bytearray((copied / "tile/entries/001.p/3").read_bytes())
    data[-3] ^= 1
    (copied / "tile/entries/001.p/3").write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match="^log: the tiles do not lead") as refused:
        open_log(copied)
    assert "no older copy" in refused.value.hint
    assert "broker restore" in refused.value.hint


def test_a_log_that_was_emptied_at_the_edge_is_not_taken_for_an_empty_log(copied):
    shutil.rmtree(copied / "tile")
    with pytest.raises(IntegrityError, match="is missing"):
        open_log(copied)


@pytest.mark.parametrize("bundle", ["tile/entries/000", "tile/entries/001.p/3"])
def test_an_audit_reads_every_entry_again(copied, bundle):
    data = bytearray((copied / bundle).read_bytes())
    data[2] ^= 1
    (copied / bundle).write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match="^log: the entries do not lead") as refused:
        audit(copied)
    assert refused.value.code == "ledger.damaged"


def test_an_audit_of_nothing_says_so(tmp_path):
    with pytest.raises(UnavailableError, match="^log checkpoint:"):
        audit(tmp_path)


@pytest.mark.parametrize("unwritable", ["tile/entries", "tile/0", "checkpoint"])
def test_a_failed_write_is_reported_and_the_next_append_goes_on(at_size, unwritable):
    # A directory in the place of a file, or the other way round, fails for root too.
    directory = at_size(256)
    obstacle = directory / (unwritable if unwritable == "checkpoint" else f"{unwritable}/001.p")
    kept = obstacle.read_bytes() if obstacle.exists() else None
    with open_log(directory) as log:
        obstacle.unlink(missing_ok=True)
        make_obstacle(obstacle, is_file=kept is None)
        with pytest.raises(UnavailableError):
            log.append(b"lost")
        remove_obstacle(obstacle)
        if kept is not None:
            obstacle.write_bytes(kept)
        assert log.append(entry(256)) == 256
        assert log.size == 257
    assert audit(directory).entries[-1] == entry(256)


def make_obstacle(path, *, is_file):
    if is_file:
        path.write_bytes(b"")
    else:
        path.mkdir()
        (path / "full").write_bytes(b"")


def remove_obstacle(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "home").write_bytes(b"a file in the way")
    with pytest.raises(UnavailableError) as refused:
        open_log(tmp_path / "home" / "log")
    assert refused.value.code == "file.unwritable"


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnavailableError) as refused:
        open_log(tmp_path / "log")
    assert refused.value.code == "file.unwritable"
    assert not (tmp_path / "elsewhere").exists()
