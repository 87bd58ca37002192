# SPDX-License-Identifier: Apache-2.0
"""T-16, T-01: whoever has the disk learns nothing from rows put aside, and changes nothing."""

import contextlib
import mmap
import os
import threading

import pytest

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.engine.query import Limits, run_query
from cleanroom.errors import IntegrityError, QueryFailedError
from tests.support.processes import peak_memory_of_children
from tests.support.sandboxes import confinement_or_skip, host, sealed_job

CANARY = "CANARYCANARY"
# Sorting all of it needs a few times the memory that it may use.
SORTED = """
SELECT max(k) FROM (
    SELECT $canary || hash(range)::VARCHAR || repeat('x', 200) AS k
    FROM range(400000) ORDER BY hash(k) OFFSET 1
)
"""
# Neither the table of a join nor the groups fit into what the query may use.
LARGER = {
    "sort": """
SELECT max(k) FROM (SELECT $canary || hash(range)::VARCHAR || repeat('x', 200) AS k
    FROM range({rows}) ORDER BY hash(k) OFFSET 1)
""",
    "join": """
SELECT max(a.k) FROM
    (SELECT $canary || hash(range)::VARCHAR || repeat('x', 60) AS k FROM range({rows})) AS a
    JOIN (SELECT $canary || hash(range)::VARCHAR || repeat('x', 60) AS k, range FROM range({rows}))
    USING (k)
""",
    "group": """
SELECT max(k) FROM (SELECT k, count(*) FROM
    (SELECT $canary || hash(range)::VARCHAR || repeat('x', 60) AS k FROM range({rows})) GROUP BY k)
""",
}
PLENTY = 4 << 30


@pytest.fixture
def scratch(tmp_path):
    descriptor = os.open(tmp_path / "scratch", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    return sealed_job(tmp_path_factory.mktemp("sealed"))


def asked():
    return {"sql": SORTED, "parameters": {"canary": CANARY}, "memory_mib": 64}


def larger_than_memory(sealed, scratch, most=PLENTY):
    return sealed.changed(**asked(), spill=scratch, spill_bytes=most)


@pytest.mark.parametrize("level", [*SandboxLevel])
def test_no_row_put_aside_lies_readable_on_the_disk(sealed, scratch, level):
    ((found,),) = larger_than_memory(sealed, scratch).run(confinement_or_skip(level))
    assert found.startswith(CANARY)
    assert os.fstat(scratch).st_size > 8 << 20
    with os.fdopen(os.dup(scratch), "rb") as disk:
        disk.seek(0)
        assert CANARY[:6].encode() not in disk.read()


@pytest.mark.slow
@pytest.mark.parametrize("kind", LARGER)
def test_what_does_not_fit_is_put_aside_sealed_and_the_process_keeps_to_its_memory(
    sealed, scratch, kind
):
    limit = 512
    asked = {"sql": LARGER[kind].format(rows=4_000_000), "memory_mib": limit, "seconds": 600}
    job = sealed.changed(**asked, parameters={"canary": CANARY}, spill=scratch, spill_bytes=PLENTY)
    with peak_memory_of_children() as peak:
        ((found,),) = job.run(host().best)
    assert found.startswith(CANARY)
    assert os.fstat(scratch).st_size > 8 << 20
    assert peak.mib <= limit * 12 / 10
    with os.fdopen(os.dup(scratch), "rb") as disk, mmap.mmap(disk.fileno(), 0, prot=1) as seen:
        assert seen.find(CANARY[:6].encode()) < 0


class Plain:
    """Scratch space that seals nothing."""

    def __init__(self):
        self.pieces = []

    def write(self, data):
        self.pieces.append(data)
        return len(self.pieces) - 1

    def read(self, piece):
        return self.pieces[piece]

    def free(self, piece):
        """Keep it, as a disk does."""


def test_the_same_rows_would_lie_readable_if_nobody_sealed_them():
    plain, limits = Plain(), Limits(memory_mib=64, seconds=30, rows=10, threads=2)
    parameters = {"canary": CANARY}
    run_query(views=[], sql=SORTED, parameters=parameters, limits=limits, scratch=plain)
    assert any(CANARY[:6].encode() in piece for piece in plain.pieces)


def test_without_scratch_space_the_query_ends_by_name(sealed):
    with pytest.raises(QueryFailedError) as failed:
        sealed.changed(**asked()).run(host().best)
    assert failed.value.code == "engine.memory"


def test_more_scratch_space_than_allowed_ends_by_name_and_is_never_taken(sealed, scratch):
    with pytest.raises(QueryFailedError) as failed:
        larger_than_memory(sealed, scratch, most=8 << 20).run(host().best)
    assert failed.value.code == "engine.disk"
    assert os.fstat(scratch).st_size <= 8 << 20


def test_a_disk_that_changes_what_was_put_aside_stops_the_query(sealed, scratch):
    stop = threading.Event()

    def meddle():
        while not stop.wait(0.01):
            with contextlib.suppress(OSError):
                for place in range(0, os.fstat(scratch).st_size, 1 << 16):
                    os.pwrite(scratch, b"meddled", place)

    meddler = threading.Thread(target=meddle)
    meddler.start()
    try:
        with pytest.raises(IntegrityError, match="^scratch space: ") as refused:
            larger_than_memory(sealed, scratch).run(host().best)
    finally:
        stop.set()
        meddler.join()
    assert refused.value.code == "vault.spill-tampered"
