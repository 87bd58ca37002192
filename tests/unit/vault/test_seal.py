# SPDX-License-Identifier: Apache-2.0
import fcntl
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cleanroom.errors import (
    IntegrityError,
    MalformedError,
    RefusedError,
    UnavailableError,
)
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.vault.data_key import new_data_key, open_staged_key, stage_data_key
from cleanroom.vault.open import open_dataset
from cleanroom.vault.seal import abandon_sealing, discard_journal, seal_dataset
from tests.support.sealed_tables import KEY, LINEAGE, encounters, order, readers, silent

OWNER = ReceivingKey.from_seed(b"h" * 32)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.parquet"
    pq.write_table(encounters(20_000), path)
    return path


class Stopped(Exception):  # noqa: N818 - a person, not an error
    """Somebody stops the sealing between two parts."""


def stop_after(parts):
    calls = []

    def progress(done, total):
        calls.append((done, total))
        if len(calls) == parts:
            raise Stopped

    return progress


def seal(source, directory, *, progress=silent, **options):
    return seal_dataset(source, destination=directory, order=order(**options), progress=progress)


def rows_of(sealed, directory):
    plain = directory.parent / "opened.parquet"
    plain.unlink(missing_ok=True)
    with readers(sealed, directory) as parts:
        open_dataset(parts, destination=plain)
    return pq.read_table(plain).to_pylist()


def test_progress_tells_rows_and_ends_at_all_of_them(source, tmp_path):
    seen = []
    seal(source, tmp_path / "parts", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4096 * n, 20_000) for n in range(1, 5)] + [(20_000, 20_000)]


@pytest.mark.parametrize("kind", ["parquet", "csv", "arrow"])
@pytest.mark.parametrize("finished", [1, 3])
def test_an_interrupted_sealing_goes_on_with_the_next_part(tmp_path, kind, finished):
    table = encounters(20_000)
    source = tmp_path / f"source.{kind}"
    if kind == "parquet":
        pq.write_table(table, source)
    if kind == "csv":
        table.to_pandas().to_csv(source, index=False)
    if kind == "arrow":
        source = table
    parts = tmp_path / "parts"
    with pytest.raises(Stopped):
        seal(source, parts, progress=stop_after(finished))
    before = {path.name: path.read_bytes() for path in parts.glob("*.part")}
    assert len(before) == finished
    sealed = seal(source, parts)
    assert {name: (parts / name).read_bytes() for name in before} == before
    assert rows_of(sealed, parts) == table.to_pylist()


def test_a_finished_part_that_was_damaged_meanwhile_is_sealed_again(tmp_path):
    table = encounters(20_000)
    source = tmp_path / "source.csv"
    table.to_pandas().to_csv(source, index=False)
    parts = tmp_path / "parts"
    first = seal(source, parts)
    damaged = parts / "1-00001.part"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (parts / "1-00003.part").unlink()
    sealed = seal(source, parts)
    assert [a == b for a, b in zip(first.parts, sealed.parts, strict=True)] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert rows_of(sealed, parts) == table.to_pylist()


def test_a_finished_part_with_one_changed_bit_is_sealed_again(source, tmp_path):
    parts = tmp_path / "parts"
    first = seal(source, parts)
    damaged = parts / "1-00002.part"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    again = seal(source, parts)
    changed = [a != b for a, b in zip(first.parts, again.parts, strict=True)]
    assert changed == [False, False, True, False, False]


def test_every_attempt_has_its_own_file_id_so_no_nonce_repeats(source, tmp_path):
    sealed = [seal(source, tmp_path / name) for name in ("one", "two")]
    ids = {part.file_id for dataset in sealed for part in dataset.parts}
    assert len(ids) == sum(len(dataset.parts) for dataset in sealed)


def test_another_source_does_not_continue_an_interrupted_sealing(source, tmp_path):
    parts = tmp_path / "parts"
    with pytest.raises(Stopped):
        seal(source, parts, progress=stop_after(1))
    other = tmp_path / "other.parquet"
    pq.write_table(encounters(19_000), other)
    before = {path.name: path.read_bytes() for path in parts.iterdir()}
    with pytest.raises(RefusedError, match="^sealing journal: ") as refused:
        seal(other, parts)
    assert refused.value.code == "vault.other-source"
    assert {path.name: path.read_bytes() for path in parts.iterdir()} == before


def test_another_key_does_not_continue_an_interrupted_sealing(source, tmp_path):
    parts = tmp_path / "parts"
    with pytest.raises(Stopped):
        seal(source, parts, progress=stop_after(1))
    with pytest.raises(IntegrityError, match="not written under this data key"):
        seal(source, parts, key=replace(KEY, secret=b"x" * 32))


@pytest.mark.parametrize("change", ["file_id", "digest", "binding"])
def test_a_journal_that_somebody_edited_is_refused(source, tmp_path, change):
    parts = tmp_path / "parts"
    with pytest.raises(Stopped):
        seal(source, parts, progress=stop_after(1))
    path = parts / ".1.journal.json"
    journal = json.loads(path.read_bytes())
    if change == "binding":
        journal["binding"] = "sha256:" + "0" * 64
    else:
        journal["parts"][0][change] = "0" * 32
    path.write_text(json.dumps(journal))
    with pytest.raises(IntegrityError, match="^sealing journal: ") as refused:
        seal(source, parts)
    assert refused.value.code == "vault.journal"


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format":1}'])
def test_a_journal_that_is_none_is_malformed(source, tmp_path, data):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / ".1.journal.json").write_bytes(data)
    with pytest.raises(MalformedError, match="^sealing journal: "):
        seal(source, tmp_path / "parts")


def test_a_sealed_version_is_never_written_again(source, tmp_path):
    parts = tmp_path / "parts"
    seal(source, parts)
    discard_journal(parts, version=1)
    before = {path.name: path.read_bytes() for path in parts.iterdir()}
    with pytest.raises(RefusedError, match="^version 1: is sealed already") as refused:
        seal(source, parts)
    assert refused.value.code == "vault.version-exists"
    assert "data seal --restart" in refused.value.hint
    assert {path.name: path.read_bytes() for path in parts.iterdir()} == before
    seal(source, parts, key=replace(KEY, version=2))


def test_abandoning_takes_key_parts_and_journal_together(source, tmp_path):
    parts, home = tmp_path / "parts", tmp_path / "broker"
    key = new_data_key(lineage=LINEAGE, version=1)
    stage_data_key(home, key, receiving_key=OWNER.public_bytes)
    with pytest.raises(Stopped):
        seal(source, parts, key=key, progress=stop_after(2))
    (parts / ".1-00002.part.rubbish.tmp").write_bytes(b"left by a kill")
    (parts / "2-00000.part").write_bytes(b"another version")
    abandon_sealing(home, parts, lineage=LINEAGE, version=1)
    assert [path.name for path in parts.iterdir()] == ["2-00000.part"]
    assert open_staged_key(home, lineage=LINEAGE, version=1, receiving=OWNER) is None


def test_a_finished_version_cannot_be_abandoned(source, tmp_path):
    parts = tmp_path / "parts"
    seal(source, parts)
    discard_journal(parts, version=1)
    with pytest.raises(RefusedError, match="no interrupted sealing"):
        abandon_sealing(tmp_path / "broker", parts, lineage=LINEAGE, version=1)
    assert list(parts.glob("*.part"))


def test_two_processes_do_not_seal_one_version_at_once(source, tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    descriptor = os.open(parts, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        for attempt in (
            lambda: seal(source, parts),
            lambda: discard_journal(parts, version=1),
            lambda: abandon_sealing(tmp_path, parts, lineage=LINEAGE, version=1),
        ):
            with pytest.raises(UnavailableError, match="another process") as refused:
                attempt()
            assert refused.value.code == "vault.locked"
    finally:
        os.close(descriptor)
    assert seal(source, parts).parts


def test_a_source_that_changes_meanwhile_is_noticed(source, tmp_path):
    parts = tmp_path / "parts"

    def touch(done, total):
        os.utime(source, ns=(1, 1))

    with pytest.raises(UnavailableError, match="^source: changed") as refused:
        seal(source, parts, progress=touch)
    assert refused.value.code == "vault.source-changed"
    assert [path.name for path in sorted(parts.iterdir())] == [".1.journal.json", "1-00000.part"]


def test_a_source_that_loses_rows_meanwhile_is_noticed(tmp_path):
    source, parts = tmp_path / "source.csv", tmp_path / "parts"
    encounters(200_000).to_pandas().to_csv(source, index=False)

    def cut(done, total):
        with source.open("r+") as file:
            file.truncate(40)

    with pytest.raises((UnavailableError, MalformedError), match="^source: "):
        seal(source, parts, progress=cut)
    assert not list(parts.glob("*.tmp"))


def test_a_source_that_vanishes_meanwhile_is_unavailable(source, tmp_path):
    with pytest.raises(UnavailableError, match="^source: "):
        seal(source, tmp_path / "parts", progress=lambda *_: source.unlink())


def test_a_destination_that_cannot_be_made_is_unavailable(source, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnavailableError, match="^sealing: cannot write"):
        seal(source, tmp_path / "file" / "parts")


SEALER = """
import sys
from pathlib import Path
from cleanroom.vault.seal import seal_dataset
from tests.support.sealed_tables import order
def progress(done, total):
    print(done, flush=True)
sys.stdout.write("ready\\n"); sys.stdout.flush()
source, parts = map(Path, sys.argv[1:])
sealed = seal_dataset(source, destination=parts, order=order(), progress=progress)
print("sealed", len(sealed.parts), flush=True)
"""


def start_sealer(source, parts, **options):
    command = [sys.executable, "-c", SEALER, str(source), str(parts)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize("lines", [1, 2, 5])
def test_a_sealing_killed_at_any_point_is_finished_by_running_it_again(tmp_path, lines):
    """T-19: the kill comes right after a part, or in the middle of the next one."""
    table = encounters(60_000)
    source, parts = tmp_path / "source.parquet", tmp_path / "parts"
    pq.write_table(table, source)
    process = start_sealer(source, parts)
    with process:
        for _ in range(lines):
            process.stdout.readline()
        deadline = time.monotonic() + 5
        # In the middle of a part: its temporary file is there.
        while lines > 1 and not list(parts.glob("*.tmp")) and time.monotonic() < deadline:
            pass
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    named = {path.name for path in parts.glob("*.part")} if parts.exists() else set()
    sealed = seal(source, parts)
    assert named <= {Path(part.file).name for part in sealed.parts}
    assert not list(parts.glob(".*.tmp"))
    assert rows_of(sealed, parts) == table.to_pylist()


@contextmanager
def largest_file(limit):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [100, 300, 1_000])
def test_a_full_disk_is_a_clear_error_and_leaves_no_partial_part(source, tmp_path, limit):
    parts = tmp_path / "parts"
    with largest_file(limit), pytest.raises(UnavailableError) as refused:
        seal(source, parts)
    assert refused.value.code in {"vault.unwritable", "file.unwritable"}
    assert "free some space" in refused.value.hint
    assert not list(parts.glob("*.part"))
    assert not list(parts.glob(".*.tmp"))
    assert rows_of(seal(source, parts), parts) == encounters(20_000).to_pylist()


def test_a_disk_that_fills_up_in_the_middle_of_a_part_is_a_clear_error(tmp_path):
    table, parts = pa.table({"a": [secrets.token_hex(64) for _ in range(4000)]}), tmp_path / "parts"
    with largest_file(150_000), pytest.raises(UnavailableError) as refused:
        seal(table, parts, columns=("a",))
    assert refused.value.code == "vault.unwritable"
    assert not list(parts.glob("*.part"))
    assert not list(parts.glob(".*.tmp"))


def test_a_disk_that_fills_up_at_the_last_chunk_is_a_clear_error(tmp_path):
    # The whole part fits into one chunk, so nothing is written before the end.
    table, parts = encounters(10), tmp_path / "parts"
    with largest_file(400), pytest.raises(UnavailableError) as refused:
        seal(table, parts)
    assert refused.value.code == "vault.unwritable"
    assert not list(parts.glob("*.part"))


def test_a_directory_that_cannot_be_written_is_a_clear_error(source, tmp_path):
    parts = tmp_path / "parts"
    with pytest.raises(Stopped):
        seal(source, parts, progress=stop_after(1))
    # A directory where the second part goes: it cannot be renamed over.
    (parts / "1-00001.part").mkdir()
    with pytest.raises(UnavailableError, match="^sealing: cannot write") as refused:
        seal(source, parts)
    assert refused.value.code == "vault.unwritable"


def peak_of_child(source, parts):
    script = SEALER.replace("order()", "order(cut=Cut())").replace(
        "import order", "import Cut, order"
    )
    # Not ru_maxrss: a child inherits that from the process that started it.
    script += "print(next(x for x in open('/proc/self/status') if x.startswith('VmHWM')))"
    command = [sys.executable, "-c", script, str(source), str(parts)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split("VmHWM:")[1].split()[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_memory_does_not_grow_with_the_source(tmp_path, kind):
    peaks = []
    frame = encounters(500_000).to_pandas()
    frame["cost"] = [(number * 2_654_435_761) % 2**31 for number in range(500_000)]
    table = pa.Table.from_pandas(frame)
    few, many = 5, 30
    for name, times in (("small", few), ("large", many)):
        source = tmp_path / f"{name}.{kind}"
        if kind == "csv":
            text = frame.to_csv(index=False).partition("\n")
            source.write_text(text[0] + "\n" + text[2] * times)
        else:
            with pq.ParquetWriter(source, table.schema) as writer:
                for _ in range(times):
                    writer.write_table(table)
        peaks.append(peak_of_child(source, tmp_path / name))
    # An allocator keeps what threads gave back, so two peaks of one source differ by up
    # to 80 MB. Rows held in memory would add all of the 450 MB between the two sources.
    added = (many - few) * table.nbytes // 1024
    assert peaks[1] - peaks[0] < added // 2
