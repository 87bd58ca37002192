# SPDX-License-Identifier: Apache-2.0
"""Tables of odd shapes and values through the whole line: what comes out is what plain SQL says."""

# ruff: noqa: S608 - all SQL here is our own

import datetime as dt
from dataclasses import dataclass

import duckdb
import pytest

from cleanroom.cli.sketching import PolicyWishes, suggest_policy
from tests.support.room_simulator import RoomSimulator, Table

PEOPLE, ROWS, FILES = 400, 3600, 60
MEMBERS = f"""SELECT 'p' || i AS person_id, ['n', 's'][(1 + i % 2)::INTEGER] AS region
    FROM range({PEOPLE}) r(i)"""
WIDE = f"""SELECT 'p' || i % {PEOPLE} AS person_id,
    {", ".join(f"i * {n} % 997 AS measure_{n}, i * {n} % 3 AS code_{n}" for n in range(1, 150))}
    FROM range({ROWS}) r(i)"""
MANY = f"""SELECT 'p' || i % {PEOPLE} AS person_id, i % 7 AS spend, i FROM range({ROWS}) r(i)"""
ODD = f"""SELECT 'p' || i % {PEOPLE} AS person_id,
    repeat(chr((97 + i % 2)::INTEGER), CASE WHEN i % 4 = 0 THEN 100000 ELSE 9 END) AS long_text,
    NULL::INTEGER AS nothing, CASE WHEN i % 2 = 0 THEN 'Zürich ''q'' "d" ;,' END AS half,
    [i % 2, NULL] AS list_col, {{'a': i % 2, 'b': NULL::DATE}} AS struct_col,
    MAP {{'k': i % 2}} AS map_col, (i * 1234567.8912345678)::DECIMAL(38, 10) AS exact,
    TIMESTAMPTZ '2024-03-31 01:30:00+01' + INTERVAL (i % 2) DAY AS zoned,
    CASE i % 9 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN 'inf'::DOUBLE ELSE i / 8 END AS odd,
    [DATE '0044-03-15 (BC)', 'infinity', '2024-02-29'][(1 + i // 7 % 3)::INTEGER] AS day,
    i % 2 AS "select", i % 2 AS "order" FROM range({ROWS}) r(i)"""
# Days fall unevenly: what is a multiple of another row would be withheld.
# What the product says of values that ISO 8601 and JSON have no form for.
ODD_SEALED = """SELECT * REPLACE (to_json(list_col)::VARCHAR AS list_col,
    to_json(struct_col)::VARCHAR AS struct_col, to_json(map_col)::VARCHAR AS map_col,
    zoned AT TIME ZONE 'UTC' AS zoned, CASE WHEN isfinite(odd) THEN odd END AS odd,
    CASE WHEN day BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN day END AS day)
    FROM stays"""
NESTED = ("list_col", "struct_col", "map_col")
JOINED = "FROM hospital.stays s JOIN insurer.members m ON s.person_id = m.person_id GROUP BY ALL"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A table, how its file is written, and the query asked about it."""

    select: str
    write: object
    sql: str
    sealed: str = "FROM stays"
    types: tuple[str, ...] = ()


def as_parquet(connection, place):
    connection.execute(f"COPY stays TO '{place / 'stays.parquet'}' (FORMAT parquet)")
    return place / "stays.parquet"


def as_text(connection, place):
    connection.execute(f"COPY stays TO '{place / 'stays.csv'}' (HEADER)")
    return place / "stays.csv"


def as_small_files(connection, place):
    connection.execute("ALTER TABLE stays ADD COLUMN year INTEGER")
    connection.execute("UPDATE stays SET year = 2020 + i % 2")
    for number in range(FILES):
        folder = place / "stays" / f"year={2020 + number % 2}" / f"store={number}"
        folder.mkdir(parents=True)
        rows = f"SELECT person_id, spend FROM stays WHERE i % {FILES} = {number}"
        connection.execute(f"COPY ({rows}) TO '{folder / 'data.parquet'}' (FORMAT parquet)")
    return place / "stays"


def odd(sql):
    return Case(select=ODD, write=as_parquet, sealed=ODD_SEALED, types=NESTED, sql=sql)


# A room each: what sums of earlier answers give away is withheld, and is another test.
CASES = {
    "300 columns": Case(
        select=WIDE,
        write=as_text,
        sql=f"SELECT m.region, s.code_149, count(*) AS n, sum(s.measure_149) AS total {JOINED}",
    ),
    "small files": Case(
        select=MANY,
        write=as_small_files,
        sql=f"SELECT s.year, m.region, count(*) AS n, sum(s.spend) AS total {JOINED}",
    ),
    "nested": odd(f"SELECT s.list_col, s.struct_col, s.map_col, s.zoned, count(*) AS n {JOINED}"),
    "dates": odd(f'SELECT s.day, s."select", s.half, count(*) AS n {JOINED}'),
    "decimals": odd(f'SELECT s."order", count(s.exact) AS n, sum(s.exact) AS total {JOINED}'),
    "long texts": odd(f"SELECT s.long_text, count(s.odd) AS n, sum(s.odd) AS total {JOINED}"),
}


def drafted(source, place, *, owner, table, other):
    policy = place / f"{owner}.toml"
    wishes = PolicyWishes(
        dataset=f"{owner}.{table}",
        unit="person_id",
        namespace="person",
        receivers=("hospital", "insurer"),
        joins=(other,),
    )
    policy.write_bytes(suggest_policy(source, wishes))
    return policy


def in_words(cell):
    return cell.isoformat() if isinstance(cell, dt.date) else cell


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_comes_out_is_what_plain_sql_says_but_for_rounding(tmp_path, case):
    with duckdb.connect() as plain:
        plain.execute("SET TimeZone = 'UTC'")
        plain.execute("CREATE SCHEMA hospital; CREATE SCHEMA insurer")
        plain.execute(f"CREATE TABLE stays AS {case.select}")
        plain.execute(f"CREATE TABLE insurer.members AS {MEMBERS}")
        source = case.write(plain, tmp_path)
        plain.execute(f"CREATE TABLE hospital.stays AS {case.sealed}")
        members = tmp_path / "members.parquet"
        plain.execute(f"COPY insurer.members TO '{members}' (FORMAT parquet)")
        rows = plain.execute(case.sql).fetchall()
    tables = {
        "hospital": (
            Table(
                source=source,
                policy=drafted(
                    source, tmp_path, owner="hospital", table="stays", other="insurer.members"
                ),
                types=dict.fromkeys(case.types, "string"),
            ),
        ),
        "insurer": (
            Table(
                source=members,
                policy=drafted(
                    members, tmp_path, owner="insurer", table="members", other="hospital.stays"
                ),
            ),
        ),
    }
    world = RoomSimulator(tmp_path, tables=tables)
    try:
        world.agree()
        run = world.request(world.approved(case.sql.encode()))
        world.execute(run)
        released = world.result(run)
    finally:
        world.close()
    keys = [column.name for column in released.columns].index("n")
    found = {tuple(row[:keys]): row[keys:] for row in released.rows}
    assert set(found) == {tuple(map(in_words, row[:keys])) for row in rows}
    for row in rows:
        count, *total = found[tuple(map(in_words, row[:keys]))]
        assert abs(count - row[keys]) <= 5 / 2
        for ours, theirs in zip(total, row[keys + 1 :], strict=True):
            assert float(ours) == pytest.approx(float(theirs), rel=5e-4)
