# SPDX-License-Identifier: Apache-2.0
"""An engine that opens before there is a query is held like any other, and serves one."""

from dataclasses import replace

import duckdb
import pytest

from cleanroom.engine.query import EarlyEngine, QueryOutput, opened_now, run_query_if
from cleanroom.errors import QueryFailedError
from tests.support import sealed_tables
from tests.support.sealed_tables import LIMITS, encounters, readers, view

EVERY_SETTING = "SELECT name, value FROM duckdb_settings() ORDER BY name"
TABLE = "hospital.encounters"


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    directory = tmp_path_factory.mktemp("parts")
    sealed = sealed_tables.seal(encounters(1000), destination=directory)
    with readers(sealed, directory) as opened:
        yield opened


def asked(sql, parts, *, limits=LIMITS, early=None):
    return run_query_if(
        (),
        views=[view(parts)],
        sql=sql,
        parameters={},
        limits=limits,
        opening=(early or EarlyEngine(threads=2)).limited,
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_every_setting_is_that_of_an_engine_opened_for_the_query(threads):
    limits = replace(LIMITS, memory_mib=300, threads=threads)
    with EarlyEngine(threads=2).limited(limits) as early, opened_now(limits) as now:
        expected = now.execute(EVERY_SETTING).fetchall()
        assert early.execute(EVERY_SETTING).fetchall() == expected
    assert ("memory_limit", "300.0 MiB") in expected


def test_it_answers_what_another_engine_answers(parts):
    output = asked(f"SELECT count(*) FROM {TABLE}", parts)  # noqa: S608 - our own name
    assert isinstance(output, QueryOutput)
    assert output.rows == [(1000,)]


@pytest.mark.parametrize(
    ("sql", "limits", "code"),
    [
        ("SELECT list(a.range) FROM range(30000000) a", {"memory_mib": 64}, "engine.memory"),
        ("SELECT count(*) FROM range(10000000000000)", {"seconds": 0.3}, "engine.time"),
        ("SET memory_limit = '8GiB'", {}, "engine.statement"),
        ("FROM read_text('/etc/hostname')", {}, "engine.failed"),
        ("SELECT 1", {"threads": -1}, "engine.failed"),
    ],
)
def test_it_is_held_to_the_limits_and_locked(parts, sql, limits, code):
    with pytest.raises(QueryFailedError) as failed:
        asked(sql, parts, limits=replace(LIMITS, **limits))
    assert failed.value.code == code
    assert failed.value.__context__ is None


def test_it_serves_one_query(parts):
    early = EarlyEngine(threads=2)
    asked("SELECT 1", parts, early=early)
    with pytest.raises(duckdb.ConnectionException):
        early.limited(LIMITS)
    with pytest.raises(QueryFailedError):
        asked("SELECT 1", parts, early=early)
