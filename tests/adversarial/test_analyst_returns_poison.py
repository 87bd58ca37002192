# SPDX-License-Identifier: Apache-2.0
"""T-23: what an analysis returns is taken apart where it can hurt nobody."""

import json
import os
import pickle
import subprocess
import sys

import pyarrow as pa
import pytest

from cleanroom.errors import QueryFailedError
from cleanroom.runner.sandbox import places
from tests.support.confined.mutated_tables import Mutator
from tests.support.crossing_tables import written
from tests.support.frames import GOOD, MEMBERS, crossing

POISON = {
    "a pickle that runs a program": pickle.dumps((subprocess.run, ["true"])),
    "many zeros": bytes(20 << 20),
    "another schema": written(GOOD.select(["unit"])),
    "json": json.dumps({"rows": []}).encode(),
    "a table cut in two": written(GOOD)[:600],
}


@pytest.mark.parametrize("kind", POISON)
def test_each_is_a_named_outcome_and_nothing_crosses(kind):
    with (
        pytest.raises(QueryFailedError, match="^returned table: ") as refused,
        crossing(POISON[kind]),
    ):
        pytest.fail("something crossed")
    assert refused.value.code.startswith("crossing.")
    assert refused.value.__context__ is None


def test_mutated_tables_cross_the_whole_way_as_valid_ones_or_not_at_all():
    mutator, crossed = Mutator(7), 0
    for _ in range(5):
        try:
            with crossing(mutator.mutated(written(GOOD))) as table:
                stream = pa.ipc.open_stream(pa.OSFile(f"/proc/self/fd/{table}"))
                stream.read_all().validate(full=True)
                crossed += 1
        except QueryFailedError as refused:
            assert refused.code.startswith(("crossing.", "analysis."))
    assert crossed < 5


def test_what_crossed_cannot_be_changed_any_more():
    with crossing(written(GOOD)) as clean, pytest.raises(PermissionError):
        os.pwrite(clean, b"x", 0)


CROSSING = """
import json, os, sys
sys.path[:0] = json.loads(sys.argv[1])
import cleanroom.runner.__main__, cleanroom.runner.analysis.task
from cleanroom.contract.analysis import PythonAnalysis
from cleanroom.errors import QueryFailedError
from cleanroom.kernel.digest import Digest
from cleanroom.runner.analysis.frames import Round, clean_frame
from cleanroom.runner.sandbox.host import examine_host
from cleanroom.runner.sandbox.memfd import sealed_memory

analysis = PythonAnalysis(entry_point="f", environment=Digest.of(b""), unit="hospital.stays",
                          groups=(), measures=(), aggregates=(), statistics=())
given, size = sys.stdin.buffer.read(), int(sys.argv[2])
members, table = given[:size], given[size:]
ends = []
for untrusted in (table, table[: len(table) // 2]):
    with (
        sealed_memory("units", lambda file: file.write(members)) as units,
        sealed_memory("frame", lambda file: file.write(untrusted)) as frame,
    ):
        one = Round(members=(units,), frames=(frame,))
        try:
            with clean_frame([one], analysis=analysis, confinement=examine_host().best,
                             frame_bytes=len(untrusted)) as fresh:
                ends.append(os.fstat(fresh).st_size > 0)
        except QueryFailedError as refused:
            ends.append(refused.code)
print(json.dumps([ends, sorted({"pyarrow", "pandas", "polars"} & set(sys.modules))]))
"""


def test_the_runner_loads_no_reader_of_tables_even_when_tables_cross():
    """What was mutated two hundred thousand times is read by the throw-away process alone."""
    paths = json.dumps(places.import_path())
    done = subprocess.run(
        [sys.executable, "-I", "-c", CROSSING, paths, str(len(MEMBERS))],
        input=MEMBERS + written(GOOD.select(["unit"])),
        capture_output=True,
        check=True,
        timeout=300,
    )
    ends, readers = json.loads(done.stdout)
    assert ends in ([True, "crossing.malformed"], [True, "crossing.values"])
    assert readers == []
