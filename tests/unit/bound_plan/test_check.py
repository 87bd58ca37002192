# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - statements in a table
"""What the second check lets pass, and that every change of it that loses somebody is refused."""

from __future__ import annotations

import pytest

from tests.support.plan_statements import (
    ENCOUNTERS,
    LINKED,
    MEMBERS,
    PATIENTS,
    fails,
    linked,
    passes,
    statement,
)

ONE = statement()
TWO = linked()
HALF = f"{PATIENTS} p {{}} JOIN {ENCOUNTERS} e ON p.patient_id = e.patient_id"
OF_PATIENTS = {"key": "p.region", "units": ("p.patient_id",), "argument": "p.birth_year"}
DEFERRED = (
    "(SELECT patient_id, max(los) AS los, count(*) AS n, bool_or(ward = 'a') AS ward FROM "
    f"{ENCOUNTERS} GROUP BY patient_id)"
)


@pytest.mark.parametrize(
    "sql",
    [
        ONE,
        TWO,
        statement(where="WHERE e.ward IN ('a', 'b') AND e.los BETWEEN 2 AND $most"),
        statement(argument="TRY(CASE WHEN e.los > 2 OR e.los IS NULL THEN e.los * 2 END)"),
        statement(key="coalesce(upper(e.ward), 'none')"),
        statement(argument="e.encounter_id", partial="count(a0)", shared="count(DISTINCT a0)"),
        statement(argument="CASE WHEN e.los > 3 THEN e.patient_id END", partial="count(a0)"),
        statement(statistic="string_agg(hex(hash(h, s::DOUBLE)), '')"),
        statement(statistic="sum(s) FILTER (WHERE s > 2)"),
        statement(source=f"{ENCOUNTERS} e JOIN ref.dx_codes d ON e.ward = d.dx", key="d.chapter"),
        statement(source=f"{ENCOUNTERS} e CROSS JOIN ref.numbers"),
        statement(source=f"{ENCOUNTERS} e LEFT JOIN ref.dx_codes d ON e.ward > d.dx", key="d.dx"),
        statement(source=f"{DEFERRED} e"),
        statement(source=f"(SELECT DISTINCT patient_id, ward, los FROM {ENCOUNTERS}) e"),
        statement(
            source="(SELECT patient_id, ward, los - lag(los, 1, 0) OVER (PARTITION BY patient_id "
            f"ORDER BY los) AS los FROM {ENCOUNTERS}) e"
        ),
        statement(
            source=f"(SELECT patient_id, ward, los FROM {ENCOUNTERS} UNION ALL "
            f"SELECT patient_id, sex, birth_year FROM {PATIENTS}) e"
        ),
        statement(source=HALF.format("SEMI"), **OF_PATIENTS),
        statement(source=HALF.format("ANTI"), **OF_PATIENTS),
        statement(source=HALF.format("LEFT"), **OF_PATIENTS),
        statement(source=HALF.format("RIGHT"), units=("e.patient_id",)),
        statement(source=HALF.format("FULL"), units=("coalesce(p.patient_id, e.patient_id)",)),
        # A key beside the unit's own, of a dataset with one row a unit, stands for the unit.
        statement(
            source="(SELECT p.person_key, max(e.los) AS los FROM "
            f"{HALF.format('')} GROUP BY p.person_key) e JOIN {MEMBERS} m "
            "ON e.person_key = m.person_key",
            key="m.plan",
            units=("m.person_key",),
        ),
        # A condition over both sides that is no comparison.
        linked(source=LINKED + " AND (p.sex = m.plan OR e.los = 3)"),
        statement(source="ref.dx_codes d", key="d.chapter", argument="1", units=("0",)),
    ],
)
def test_a_statement_that_counts_everybody_passes(sql):
    passes(sql)


LISTED = (
    " UNION ALL SELECT -1, k0, NULL, string_agg(hex(b), '') FROM "
    "(SELECT k0, h & 127 AS b, sum(s) AS t FROM per0 GROUP BY k0, h & 127) GROUP BY k0 LIMIT 1001"
)


def test_of_statistics_only_text_and_the_largest_are_made():
    one = ONE.replace(" LIMIT 1001", LISTED).replace(
        "sum(s) FROM per0 GROUP BY k0 U", "NULL::VARCHAR FROM per0 GROUP BY k0 U"
    )
    passes(one)
    passes(one.replace("string_agg(hex(b), '')", "max(hex(b))"))
    fails(one.replace("string_agg(hex(b), '')", "min(hex(b))"), "aggregate")
    fails(
        one.replace(") GROUP BY k0 LIMIT", ") GROUP BY GROUPING SETS ((k0), ()) LIMIT"), "aggregate"
    )


def test_public_rows_are_counted_without_a_unit():
    passes("SELECT 0, count(*), sum(1) FROM ref.numbers", keys=0)
    passes("SELECT 0, count(*), 1 HAVING count(*) > 0", keys=0)
    fails("SELECT 0, 1, rowid FROM ref.numbers", "identifier", keys=0)


def test_grouping_sets_keep_the_unit_and_tell_the_sets_apart():
    sets = "GROUP BY GROUPING SETS ((k0, u0), (u0))"
    told = ONE.replace("GROUP BY k0, u0", sets).replace("sum(a0) AS s", "GROUPING(k0) AS s")
    # Grouped by the set as well, nobody is counted in two of them.
    passes(told.replace("SELECT 0, k0, count(*), sum(s) FROM per0 GROUP BY k0",
                        "SELECT 0, k0, count(*), s FROM per0 GROUP BY k0, s"))  # fmt: skip
    fails(told, "unit")
    fails(ONE.replace("GROUP BY k0, u0", sets), "function")
    fails(ONE.replace("GROUP BY k0, u0", "GROUP BY GROUPING SETS ((k0, u0), (k0))"), "aggregate")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        # Another column is counted in place of the unit's: captured, computed, or another key.
        ("e.patient_id AS u0", "e.encounter_id AS u0", "aggregate"),
        ("e.patient_id AS u0", "e.los AS u0", "aggregate"),
        ("e.patient_id AS u0", "e.patient_id + e.los AS u0", "identifier"),
        ("e.patient_id AS u0", "e.patient_id::DOUBLE AS u0", "identifier"),
        ("e.patient_id AS u0", "coalesce(e.patient_id, 0) AS u0", "identifier"),
        ("e.patient_id AS u0", "CASE WHEN e.los > 2 THEN e.patient_id END AS u0", "aggregate"),
        ("e.patient_id AS u0", "CASE WHEN e.los > 2 THEN e.patient_id ELSE 0 END AS u0",
         "identifier"),
        # People are lost or made up between rows and groups.
        (" WHERE patient_id IS NOT NULL", "", "null-unit"),
        (" WHERE patient_id IS NOT NULL", " WHERE los IS NOT NULL", "null-unit"),
        (" WHERE patient_id IS NOT NULL", " WHERE patient_id IS NOT NULL OR los > 2", "null-unit"),
        ("GROUP BY k0, u0", "GROUP BY k0", "serialise"),
        ("GROUP BY k0, u0", "GROUP BY k0, u0, a0", "unit"),
        ("GROUP BY k0, u0", "GROUP BY k0, a0", "serialise"),
        ("count(*), sum(s)", "count(*) + 9, sum(s)", "layout"),
        ("count(*), sum(s)", "sum(s), count(*)", "layout"),
        ("count(*), sum(s)", "count(*) FILTER (WHERE s > 2), sum(s)", "layout"),
        ("count(*), sum(s)", "count(s), sum(s)", "layout"),
        ("SELECT 0, k0, count(*), sum(s)", "SELECT 0, 'x', count(*), sum(s)", None),
        ("sum(s) FROM per0 GROUP BY k0", "sum(a0) FROM base GROUP BY k0", "aggregate"),
        ("sum(s) FROM per0 GROUP BY k0", "count(DISTINCT a0) FROM base GROUP BY k0", "layout"),
        ("SELECT 0, k0, count(*), sum(s) FROM per0 GROUP BY k0",
         "SELECT 0, k0, 10, a0 FROM base", "rows"),
        ("SELECT 0, k0, count(*), sum(s) FROM per0 GROUP BY k0",
         "SELECT 0, k0, 10, s FROM per0", "rows"),
        # Groups that are counted are no people.
        ("FROM per0 GROUP BY k0",
         "FROM (SELECT k0, count(*) AS s FROM per0 GROUP BY k0) GROUP BY k0", "aggregate"),
        ("sum(s) FROM per0 GROUP BY k0", "lag(sum(s)) OVER () FROM per0 GROUP BY k0", "window"),
        ("SELECT 0, k0", "SELECT k0, k0", "layout"),
        ("SELECT 0, k0", "SELECT -1, k0", "unit"),
        (", count(*), sum(s) FROM", " FROM", "layout"),
        # Identifiers leave, or are looked into.
        ("e.ward AS k0", "e.patient_id AS k0", "rows"),
        ("e.ward AS k0", "e.encounter_id AS k0", "aggregate"),
        ("e.los AS a0", "e.encounter_id AS a0", "identifier"),
        ("SELECT 0, k0, count(*), sum(s) FROM per0 GROUP BY k0",
         "SELECT 0, h, count(*), sum(s) FROM per0 GROUP BY h", "layout"),
        (") e ", ") e WHERE e.patient_id = 17 ", "identifier"),
        (") e ", ") e WHERE e.encounter_id IN (17) ", "identifier"),
        (") e ", ") e WHERE e.patient_id BETWEEN 3 AND 4 ", "identifier"),
        (") e ", ") e WHERE NOT (e.patient_id < 3 OR e.los = 2) ", "identifier"),
        ("sum(a0) AS s", "max(u0) AS s", "identifier"),
        ("sum(a0) AS s", "count(*) FILTER (WHERE u0 = 17) AS s", "identifier"),
        ("hash($ssalt0::VARCHAR, u0::VARCHAR)", "hash(u0::VARCHAR)", "fingerprint"),
        ("hash($ssalt0::VARCHAR, u0::VARCHAR)", "hash($other::VARCHAR, u0::VARCHAR)",
         "fingerprint"),
        ("hash($ssalt0::VARCHAR, u0::VARCHAR)", "hash('known', u0::VARCHAR)", "fingerprint"),
        ("hash($ssalt0::VARCHAR, u0::VARCHAR)",
         "hash(hash($ssalt0::VARCHAR, u0::VARCHAR), u0::VARCHAR)", "identifier"),
        # Functions that are not listed, or not there.
        ("sum(a0) AS s", "len(list(a0)) AS s", "function"),
        ("sum(a0) AS s", "first(a0) AS s", "function"),
        ("e.los AS a0", "e.los + random() AS a0", "function"),
        ("e.los AS a0", "hash($ssalt0, e.los) AS a0", "function"),
        ("e.los AS a0", "xor(e.los, 1) AS a0", "function"),
        ("e.los AS a0", "[e.los][1] AS a0", "function"),
        # Other sources and operators.
        ("hospital.encounters", "hospital.patients", "serialise"),
        ("SELECT * FROM hospital.encounters",
         "SELECT patient_id, sex AS ward, birth_year AS los FROM hospital.patients", None),
        (") e ", ") e CROSS JOIN range(3) ", "shape"),
        (") e ", ") e CROSS JOIN (SELECT patient_id AS x FROM hospital.patients) ", "null-unit"),
        (") e ", ") e CROSS JOIN insurer.claims ", "serialise"),
        (" LIMIT 1001", " LIMIT (SELECT 3)", "operator"),
        (" LIMIT 1001", " LIMIT 3 OFFSET 2", "shape"),
        (" LIMIT 1001", " LIMIT 10%", "limit"),
        ("IS NOT NULL)", "IS NOT NULL LIMIT 50)", "operator"),
        ("IS NOT NULL)", "IS NOT NULL ORDER BY los)", "operator"),
        ("IS NOT NULL)", "IS NOT NULL USING SAMPLE 10%)", "operator"),
        (" LIMIT 1001", "; SELECT 1", "serialise"),
        ("SELECT 0, k0", "SELECT 0, unknown", "serialise"),
    ],
)  # fmt: skip
def test_one_change_of_a_statement_is_refused(old, new, rule):
    changed = ONE.replace(old, new, 1)
    assert changed != ONE
    if rule is None:
        passes(changed)  # counted by their own keys all the same
    else:
        fails(changed, rule)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        # A join of people by something else than their keys, or by too little.
        ("ON p.patient_id = e.patient_id", "ON p.sex = e.ward", "join"),
        ("ON p.patient_id = e.patient_id", "ON p.patient_id <= e.patient_id", "join"),
        ("ON p.patient_id = e.patient_id", "ON p.patient_id = e.encounter_id", "join"),
        ("ON p.patient_id = e.patient_id", "ON p.birth_year = e.patient_id", "join"),
        ("ON p.patient_id = e.patient_id", "ON p.patient_id + 0 = e.patient_id", "identifier"),
        ("ON p.patient_id = e.patient_id", "ON p.patient_id = e.patient_id OR e.los = 3",
         "operator"),
        ("ON p.person_key = m.person_key", "ON p.patient_id::VARCHAR = m.person_key", "join"),
        (f"JOIN {MEMBERS} m ON p.person_key = m.person_key", f"CROSS JOIN {MEMBERS} m", "join"),
        ("JOIN (SELECT * FROM insurer", "ASOF JOIN (SELECT * FROM insurer", "serialise"),
        # One owner's people are counted and the other's are not.
        (" UNION ALL SELECT 1, k0, count(*), sum(s) FROM per1 GROUP BY k0", "", "unit"),
        (" UNION ALL SELECT 0", " UNION ALL SELECT 0", None),
        ("GROUP BY k0, u1", "GROUP BY k0, u0", "serialise"),
        ("u1::VARCHAR) AS h, sum(a0) AS s FROM base GROUP BY k0, u1",
         "u0::VARCHAR) AS h, sum(a0) AS s FROM base GROUP BY k0, u0", "unit"),
        ("m.person_key AS u1", "p.patient_id AS u1", "unit"),
        (" WHERE person_key IS NOT NULL", "", "null-unit"),
        # Where the other side may be missing, its key counts a person who is nobody.
        ("JOIN (SELECT * FROM insurer", "LEFT JOIN (SELECT * FROM insurer", "unit"),
        ("JOIN (SELECT * FROM insurer", "FULL JOIN (SELECT * FROM insurer", "unit"),
    ],
)  # fmt: skip
def test_one_change_of_a_join_is_refused(old, new, rule):
    changed = TWO.replace(old, new, 1)
    if rule is None:
        passes(changed)
    else:
        assert changed != TWO
        fails(changed, rule)


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        (
            f"(SELECT *, 1 AS patient_id FROM (SELECT DISTINCT ward, los FROM {ENCOUNTERS})) e",
            "distinct",
        ),
        (
            "(SELECT patient_id, ward, lag(los) OVER (ORDER BY los) AS los "
            f"FROM {ENCOUNTERS}) e",
            "window",
        ),
        (
            "(SELECT patient_id, ward, lag(patient_id) OVER (PARTITION BY patient_id) AS los "
            f"FROM {ENCOUNTERS}) e",
            "identifier",
        ),
        (
            "(SELECT patient_id, ward, nth_value(los, 2) OVER (PARTITION BY patient_id) AS los "
            f"FROM {ENCOUNTERS}) e",
            "function",
        ),
        (
            f"(SELECT patient_id, ward, los FROM {ENCOUNTERS} UNION ALL "
            "SELECT 17, dx, 3 FROM ref.dx_codes) e",
            "aggregate",
        ),
        (
            f"(SELECT patient_id, ward, los FROM {ENCOUNTERS} UNION ALL "
            "SELECT patient_id, sex, birth_year FROM hospital.patients) e",
            "null-unit",
        ),
        (
            f"(SELECT patient_id, ward, los FROM {ENCOUNTERS} INTERSECT "
            f"SELECT patient_id, sex, birth_year FROM {PATIENTS}) e",
            "operator",
        ),
        (
            f"(SELECT ward, avg(los) AS los, 1 AS patient_id FROM {ENCOUNTERS} GROUP BY ward) e",
            "aggregate",
        ),
        (
            f"(WITH x AS MATERIALIZED (SELECT * FROM {ENCOUNTERS}) SELECT a.patient_id, a.ward, "
            "b.los FROM x a JOIN x b ON a.patient_id = b.patient_id) e",
            "join",
        ),
        (
            f"(WITH RECURSIVE x AS (SELECT patient_id, ward, los FROM {ENCOUNTERS} UNION ALL "
            "SELECT patient_id, ward, los + 1 FROM x WHERE los < 3) SELECT * FROM x) e",
            "operator",
        ),
        # A unit that appears under two namespaces in turn stands for nobody.
        (
            f"(SELECT patient_id::VARCHAR AS patient_id, ward, los FROM {ENCOUNTERS} UNION ALL "
            f"SELECT person_key, plan, 3 FROM {MEMBERS}) e JOIN {PATIENTS} p "
            "ON e.patient_id = p.person_key",
            "join",
        ),
    ],
)  # fmt: skip
def test_a_source_that_mixes_people_is_refused(source, rule):
    fails(statement(source=source), rule)


GROUPS = (
    f"(SELECT k, count(*) AS n FROM (SELECT patient_id, ward AS k FROM {ENCOUNTERS} "
    "GROUP BY patient_id, ward) GROUP BY k)"
)


def test_groups_do_not_become_rows_again():
    fails(
        statement(
            source=f"(SELECT patient_id, ward, los FROM {ENCOUNTERS} UNION ALL "
            f"SELECT NULL, k, n FROM {GROUPS}) e"
        ),
        "join",
    )
    fails(statement(source=f"{ENCOUNTERS} e JOIN {GROUPS} g ON e.ward = g.k"), "join")


def test_a_table_without_declared_columns_is_only_counted():
    fails('SELECT 0, 1, count("no column") FROM ref.numbers', "scan", keys=0)


def test_only_declared_columns_are_read():
    read = {"hospital.encounters": ("patient_id", "los")}
    fails(ONE, "serialise", read=read)
    passes(statement(key="'all'"), read=read)


def test_a_link_of_the_contract_joins_namespaces():
    sql = TWO.replace("p.person_key = m.person_key", "p.patient_id::VARCHAR = m.person_key")
    link = frozenset({"hospital.patients.patient_id", "insurer.members.person_key"})
    passes(sql, links=frozenset({link}))


def test_a_filter_by_an_identifier_itself_is_refused():
    fails(statement(where="WHERE e.patient_id::VARCHAR"), "identifier")


def test_a_filter_for_something_computed_drops_nobody():
    passes(ONE.replace("IS NOT NULL)", "IS NOT NULL AND los + 1 IS NOT NULL)"))
    fails(ONE.replace("patient_id IS NOT NULL)", "los + 1 IS NOT NULL)"), "null-unit")


TOKEN = "left(sha256($ssalttoken::VARCHAR || person_key::VARCHAR), 32)"
FRAME = statement(
    source="ref.dx_codes f JOIN (SELECT person_key, "
    f"{TOKEN} AS t FROM {MEMBERS} GROUP BY person_key) m ON f.dx = m.t",
    key="f.chapter",
    argument="1",
    units=("m.person_key",),
)


def test_a_frame_of_tokens_meets_the_units_that_they_stand_for():
    passes(FRAME)


@pytest.mark.parametrize(
    "told",
    [
        "sha256(person_key::VARCHAR)",
        "sha256('known' || person_key::VARCHAR)",
        "sha256($other::VARCHAR || person_key::VARCHAR)",
        "sha256(person_key::VARCHAR || $ssalttoken::VARCHAR)",
        "sha256($ssalttoken::VARCHAR)",
        "sha256(upper('a'))",
    ],
)
def test_a_token_is_salted_with_a_secret_or_refused(told):
    fails(FRAME.replace(TOKEN, told), "fingerprint")


def test_a_token_beside_an_identifier_is_no_way_to_look_into_it():
    looked = f"(CASE WHEN {TOKEN} = 'x' AND person_key = 17 THEN 1 END)"
    fails(FRAME.replace("1 AS a0", "m.a AS a0").replace(TOKEN, f"{looked} AS a, {TOKEN}"),
          "identifier")  # fmt: skip
