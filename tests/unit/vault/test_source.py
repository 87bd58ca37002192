# SPDX-License-Identifier: Apache-2.0
"""What can happen to a source between two looks at it."""

import os
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.vault.columns import require_columns
from cleanroom.vault.csv_text import read_header
from cleanroom.vault.plan import plan_parts
from cleanroom.vault.seal_part import seal_part
from cleanroom.vault.session import sealing_session
from cleanroom.vault.source import open_source
from tests.support.sealed_tables import encounters, order


@pytest.fixture(params=["parquet", "csv"])
def path(request, tmp_path):
    path = tmp_path / f"source.{request.param}"
    if request.param == "csv":
        encounters(5000).to_pandas().to_csv(path, index=False)
    else:
        pq.write_table(encounters(5000), path)
    return path


def test_fewer_rows_than_planned_means_that_the_source_changed(path, tmp_path):
    with sealing_session() as connection:
        connection.execute("SET threads = 1")
        source = open_source(path, connection, table="x")
        plan = plan_parts(
            source, order(), destination=tmp_path, entropy=os.urandom, connection=connection
        )
        more = replace(plan, rows=plan.rows + 1)
        with (
            pytest.raises(UnavailableError, match="^source: changed") as refused,
            seal_part(source, more, 1, connection=connection),
        ):
            pass
    assert refused.value.code == "vault.source-changed"
    assert not list(tmp_path.glob("*.tmp"))


def test_a_file_that_vanished_has_no_fingerprint(path):
    with sealing_session() as connection:
        source = open_source(path, connection, table="x")
        path.unlink()
        with pytest.raises(UnavailableError, match="^source: cannot be read"):
            source.fingerprint()


def test_the_fingerprint_notices_a_file_whose_time_was_set_back(path):
    with sealing_session() as connection:
        source = open_source(path, connection, table="x")
        before, status = source.fingerprint(), path.stat()
        data = bytearray(path.read_bytes())
        data[-30] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert source.fingerprint() != before


def test_the_fingerprint_of_a_table_is_what_it_holds():
    with sealing_session() as connection:
        tables = (encounters(100), encounters(100), encounters(101))
        first, same, other = (
            open_source(table, connection, table="x").fingerprint() for table in tables
        )
    assert first == same != other


def test_a_header_of_a_file_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError, match="^source: cannot be read"):
        read_header(tmp_path / "absent.csv")


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(MalformedError, match="two columns share a name"):
        require_columns(["cost", "cost"], agreed=frozenset({"cost"}))
