# SPDX-License-Identifier: Apache-2.0
"""T-23: what an analysis returns is taken apart where it can hurt nobody."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from cleanroom.errors import QueryFailedError
from cleanroom.runner.crossing import accepted_table
from cleanroom.runner.sandbox import places
from tests.support.confined.mutated_tables import Mutator
from tests.support.crossing_tables import COLUMNS, DECLARED, GOOD, written
from tests.support.sandboxes import host

POISON = {
    "a pickle that runs a program": pickle.dumps((subprocess.run, ["true"])),
    "two hundred megabytes": bytes(200 << 20),
    "another schema": written(GOOD.select(["unit"])),
    "json": json.dumps({"rows": []}).encode(),
    "a table cut in two": written(GOOD)[:600],
}


@pytest.mark.parametrize("kind", POISON)
def test_each_is_a_named_outcome_and_nothing_crosses(kind):
    with (
        pytest.raises(QueryFailedError, match="^returned table: ") as refused,
        accepted_table(POISON[kind], declared=DECLARED, confinement=host().best),
    ):
        pytest.fail("something crossed")
    assert refused.value.code.startswith("crossing.")
    assert refused.value.__context__ is None


def test_mutated_tables_cross_the_whole_way_as_valid_ones_or_not_at_all():
    mutator, crossed = Mutator(7), 0
    for _ in range(5):
        try:
            with accepted_table(
                mutator.mutated(written(GOOD)), declared=DECLARED, confinement=host().best
            ) as table:
                stream = pa.ipc.open_stream(pa.OSFile(f"/proc/self/fd/{table}"))
                stream.read_all().validate(full=True)
                crossed += 1
        except QueryFailedError as refused:
            assert refused.code.startswith("crossing.")
    assert crossed < 5


CROSSING = """
import json, os, sys
sys.path[:0] = json.loads(sys.argv[1])
import cleanroom.runner.__main__, cleanroom.runner.analysis.task, cleanroom.runner.analysis.frames
from cleanroom.contract.types import ColumnType
from cleanroom.errors import QueryFailedError
from cleanroom.runner.crossing import DeclaredTable, accepted_table
from cleanroom.runner.sandbox.host import examine_host

columns = tuple((name, ColumnType(kind)) for name, kind in json.loads(sys.argv[2]))
declared, table = DeclaredTable(columns=columns, most_rows=100), sys.stdin.buffer.read()
ends = []
for untrusted in (table, table[:600]):
    try:
        with accepted_table(untrusted, declared=declared, confinement=examine_host().best) as fresh:
            ends.append(os.fstat(fresh).st_size > 0)
    except QueryFailedError as refused:
        ends.append(refused.code)
print(json.dumps([ends, sorted({"pyarrow", "pandas", "polars"} & set(sys.modules))]))
"""


def test_the_runner_loads_no_reader_of_tables_even_when_tables_cross():
    """What was mutated two hundred thousand times is read by the throw-away process alone."""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            CROSSING,
            json.dumps(places.import_path()),
            json.dumps(COLUMNS),
        ],
        input=written(GOOD),
        capture_output=True,
        check=True,
        timeout=300,
    )
    ends, readers = json.loads(done.stdout)
    assert ends in ([True, "crossing.malformed"], [True, "crossing.values"])
    assert readers == []


def test_text_hidden_between_values_does_not_cross():
    name = pa.array(["kept", "SECRET-BEHIND-A-NULL", "kept"])
    hidden = pa.StringArray.from_buffers(
        3, name.buffers()[1], name.buffers()[2], pa.py_buffer(b"\x05")
    )
    table = GOOD.set_column(1, "name", hidden)
    assert b"SECRET" in written(table)
    with (
        accepted_table(written(table), declared=DECLARED, confinement=host().best) as descriptor,
        Path(f"/proc/self/fd/{descriptor}").open("rb") as fresh,
    ):
        assert b"SECRET" not in fresh.read()
