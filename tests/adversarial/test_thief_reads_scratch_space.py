# SPDX-License-Identifier: Apache-2.0
"""T-16, T-01: whoever has the disk learns nothing from rows put aside, and changes nothing."""

import contextlib
import os
import threading

import pytest

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.engine.query import Limits, run_query
from cleanroom.errors import IntegrityError, QueryFailedError
from tests.support.sandboxes import confinement_or_skip, host, sealed_job

CANARY = "CANARYCANARY"
# Sorting all of it needs a few times the memory that it may use.
SORTED = """
SELECT max(k) FROM (
    SELECT $canary || hash(range)::VARCHAR || repeat('x', 200) AS k
    FROM range(400000) ORDER BY hash(k) OFFSET 1
)
"""
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
