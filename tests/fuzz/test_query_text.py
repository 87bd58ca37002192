# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ISC004 - texts in a table
"""T-10, T-11: whatever text comes, the gate admits it or refuses it in its own words, soon.

Bytes are changed in texts that parse, and a grammar nests clauses that parsers find hard. No
engine's word, no traceback, no unbounded time.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cleanroom.admission.admit import admit
from cleanroom.errors import AdmissionRefusedError, CleanroomError
from cleanroom.second_reading.agree import require_one_reading
from tests.support.gate_policies import corpus_catalog
from tests.support.query_grammar import queries

CATALOG = corpus_catalog()
MOST_SECONDS = 10  # of the processor; an honest text takes hundredths
SEEDS = (
    b"SELECT region, count(*) AS n FROM hospital.patients WHERE zip <> '1' GROUP BY region",
    b"WITH a AS (SELECT patient_id FROM hospital.encounters WHERE los > 2) SELECT count(*) FROM a",
    b"SELECT ward, avg(CASE WHEN los > 3 THEN cost ELSE 0 END) AS c FROM hospital.encounters "
    b"GROUP BY ROLLUP (ward) HAVING count(*) > 3 ORDER BY 2 DESC LIMIT 3",
    b"SELECT count(*) FILTER (WHERE status IN ('paid', 'x')) FROM insurer.claims c SEMI JOIN "
    b"insurer.members m USING (person_key) -- a comment /* in it */",
    b"SELECT plan, sum(n) OVER () FROM (SELECT plan, count(*) AS n FROM insurer.members GROUP BY "
    b"ALL) t",
)
TOKENS = st.sampled_from(
    [b"(", b")", b",", b"'", b'"', b";", b"--", b"/*", b"*/", b"$$", b"$x", b"$1", b"?", b"::",
     b"SELECT ", b" FROM ", b" WITH ", b" RECURSIVE ", b" OVER ", b" IN ", b" NOT ", b" CASE ",
     b" WHEN ", b" END ", b" LATERAL ", b" PIVOT ", b" VALUES ", b" lambda x: ", b"[", b"]", b"{",
     b"}", b"->", b"0x10", b"1e400", b"1_0", b"\x00", b"\xff", b"\xe2\x80\xae", b"E'\\x39'",
     b"U&'\\0039'", b".", b"*", b"#2", b" QUALIFY ", b" UNION ALL ", b" INTERVAL 1 DAY "]
)  # fmt: skip
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), TOKENS), min_size=1, max_size=6)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(
    max_examples=6000,
    derandomize=False,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


def answers(sql: bytes) -> None:
    started = time.process_time()
    try:
        admit(sql, catalog=CATALOG, parameters={})
        require_one_reading(sql)
    except CleanroomError as error:
        assert isinstance(error, AdmissionRefusedError)
        assert error.hint
        assert error.__context__ is None or "duckdb" not in type(error.__context__).__module__
        assert "Error:" not in error.message
    assert time.process_time() - started < MOST_SECONDS


def edited(sql: bytes, changes) -> bytes:
    for where, length, token in changes:
        place = int(where * len(sql))
        sql = sql[:place] + token + sql[place + length :]
    return sql


@given(seed=st.sampled_from(SEEDS), changes=edits)
@QUICK
def test_changed_bytes_are_answered(seed, changes):
    answers(edited(seed, changes))


@pytest.mark.slow
@given(seed=st.sampled_from(SEEDS), changes=edits)
@LONG
def test_many_changed_bytes_are_answered(seed, changes):
    answers(edited(seed, changes))


@pytest.mark.slow
@given(query=queries(), changes=edits)
@LONG
def test_many_changed_queries_are_answered(query, changes):
    answers(edited(query.sql.encode(), changes))


HARD = ["({})", "(SELECT {})", "CASE WHEN {} THEN 1 END", "NOT {}", "- {}", "{}::INT", "f({})",
        "[{}]", "{{'a': {}}}", "{} IN (SELECT {})", "EXISTS (SELECT {})", "{} OR {}", "{}.{}",
        "({}, {})", "x -> {}", "INTERVAL ({}) DAY", "{} BETWEEN {} AND {}"]  # fmt: skip
nested = st.recursive(
    st.sampled_from(["1", "a", "'x'", "count(*)", "*", "$p", "ward", "los", "patient_id"]),
    lambda inner: st.builds(
        lambda shape, parts: shape.format(*(parts * 3)[:3]),
        st.sampled_from(HARD),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=12,
)


@given(expression=nested, table=st.sampled_from(["hospital.encounters", "(SELECT 1)", "range(3)"]))
@QUICK
def test_nested_expressions_are_answered(expression, table):
    answers(f"SELECT {expression} FROM {table} GROUP BY {expression}".encode())  # noqa: S608


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT " + b"(" * 10_000 + b"1" + b")" * 10_000,
        b"SELECT '" + b"x" * 1_000_000 + b"'",
        b"SELECT " + b", ".join(b"sum(los * %d) AS s%d" % (n, n) for n in range(120))
        + b" FROM hospital.encounters",
        b"SELECT " + b"NOT " * 5_000 + b"TRUE",
        b"SELECT " + b"- " * 5_000 + b"1",
        b"SELECT count(*) FROM hospital.patients WHERE " + b" OR ".join([b"sex = 'F'"] * 3_000),
        b"SELECT 1" + b" UNION ALL SELECT 1" * 3_000,
        b"SELECT " + b"CASE WHEN a THEN " * 300 + b"1" + b" END" * 300,
        b"WITH a AS (" * 30 + b"SELECT 1",
        b"SELECT * FROM " + b"(SELECT * FROM " * 60 + b"a" + b")" * 60,
        b"SELECT a" + b"[1]" * 5_000,
        b"SELECT a" + b".b" * 5_000,
        b"",
        b"\xff\xfe",
        b";" * 1000,
    ],
    ids=lambda sql: f"{sql[:12]!r}{len(sql)}",
)  # fmt: skip
def test_texts_without_measure_are_refused_soon(sql):
    started = time.process_time()
    with pytest.raises(AdmissionRefusedError):
        admit(sql, catalog=CATALOG, parameters={})
    assert time.process_time() - started < MOST_SECONDS
