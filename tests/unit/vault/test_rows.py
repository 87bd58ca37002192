# SPDX-License-Identifier: Apache-2.0
"""Rows that come one after another: slices follow each other, a jump starts anew."""

from itertools import islice

import pyarrow as pa
import pytest

from cleanroom.vault.rows import RowStream

SCHEMA = pa.schema([("row", pa.int64())])
BATCHES = [3, 1, 4, 2]


class Engine:
    # Slices are read here and not by threads of the engine.
    def register(self, _name, reader):
        self.read = reader.read_all().column("row").to_pylist


@pytest.fixture
def opened():
    return []


@pytest.fixture
def take(opened):
    def open_at(start):
        opened.append(start)
        rows, batches = iter(range(start, sum(BATCHES))), []
        for size in BATCHES:
            batch = pa.array(islice(rows, size), pa.int64())
            batches.append(pa.record_batch([batch], schema=SCHEMA))
        return pa.RecordBatchReader.from_batches(SCHEMA, batches)

    engine = Engine()
    stream = RowStream(engine, open_at)

    def read(start, count):
        stream.slice(start, count)
        return engine.read()

    return read


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 10])
def test_slices_that_follow_each_other_are_read_from_one_stream(take, opened, count):
    found = [take(start, count) for start in range(0, sum(BATCHES), count)]
    assert [row for piece in found for row in piece] == list(range(sum(BATCHES)))
    assert opened == [0]


def test_a_jump_starts_anew_at_the_row_asked_for(take, opened):
    assert take(0, 2) == [0, 1]
    assert take(5, 2) == [5, 6]
    assert take(0, 1) == [0]
    assert opened == [0, 5, 0]


def test_a_stream_that_ends_early_gives_what_there_is(take):
    assert take(8, 5) == [8, 9]
