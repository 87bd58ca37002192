# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - attacks under test
"""T-08, T-13: an analyst subtracts one release from another, in one query or over many.

The proof is by neighbours: two worlds that differ in one person's attribute, and in nothing
that the first question sees. Whatever is asked next, everything that anybody sees of the
answer is the same in both: rows, marks, the report of what was withheld, the checks of the
receipt, and the size of what is remembered.
"""

from __future__ import annotations

import pytest

from cleanroom.disclosure.past import decode_tables, encode_tables
from cleanroom.disclosure.result import encode_result
from tests.support.gate_data import RARE, VIP, Health, health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

K = 4
CATALOG = corpus_catalog(k=K)
FINE = {"round_counts": 1, "significant_digits": 13}
P, E = "hospital.patients", "hospital.encounters"
HIDDEN = "Z99"


def changed(data: Health, table: str, change) -> Health:
    """The same world but for some values of one table."""
    rows = tuple(change(list(row)) for row in data.rows[table])
    return Health(rows={**data.rows, table: rows}, people=data.people)


def elsewhere(row):
    """The rare person's rare encounter, with a common diagnosis."""
    return tuple("I10" if value == HIDDEN else value for value in row)


def in_town(row):
    """Patients as if the person alone in a zip code lived in town."""
    return tuple("10001" if value == "99950" else value for value in row)


@pytest.fixture(scope="module")
def worlds():
    data = health()
    made = (
        data.connect(),
        changed(data, E, elsewhere).connect(),
        changed(data, P, in_town).connect(),
    )
    yield made
    for connection in made:
        connection.close()


def ask(connection, *queries):
    """Ask in order, as one lineage's history; return every release."""
    history, answers = (), []
    for sql in queries:
        released = run_gates(connection, sql, catalog=CATALOG, history=history, change=FINE)
        # The state is sealed and opened between two runs.
        history = (*history, *decode_tables(encode_tables(released.tables)))
        answers.append(released)
    return answers


def seen(released):
    """Everything that anybody outside sees of one release."""
    checks = [stage.checks for stage in released.stages]
    return encode_result(released), checks, len(encode_tables(released.tables))


BY_DIAGNOSIS = [
    # diff-total: the victim stays in the group and only one of his rows goes
    (f"SELECT count(*) AS n FROM {E}", f"SELECT count(*) AS n FROM {E} WHERE dx <> '{HIDDEN}'"),
    (f"SELECT sum(los) AS s FROM {E}", f"SELECT sum(los) AS s FROM {E} WHERE dx <> '{HIDDEN}'"),
    # diff-agg: the average times the count
    (
        f"SELECT avg(los) AS m, count(los) AS n FROM {E}",
        f"SELECT avg(los) AS m, count(los) AS n FROM {E} WHERE dx <> '{HIDDEN}'",
    ),
    # under another name, and another aggregate of the same thing
    (f"SELECT count(*) AS n FROM {E}", f"SELECT count(los) AS x FROM {E} WHERE dx <> '{HIDDEN}'"),
    (
        f"SELECT count(encounter_id) AS n FROM {E}",
        f"SELECT count(DISTINCT encounter_id) AS n FROM {E} WHERE dx <> '{HIDDEN}'",
    ),
    # the spread of a number, and how it goes with another one
    (
        f"SELECT var_pop(los) AS v, avg(los) AS m FROM {E} WHERE cost < 1000",
        f"SELECT var_pop(los) AS v, avg(los) AS m FROM {E} WHERE cost < 1000 "
        f"AND dx <> '{HIDDEN}'",
    ),
    # by group: a row may neither change nor go
    (
        f"SELECT ward, count(*) AS n, avg(los) AS m FROM {E} GROUP BY ward",
        f"SELECT ward, count(*) AS n, avg(los) AS m FROM {E} WHERE dx <> '{HIDDEN}' GROUP BY ward",
    ),
    (
        f"SELECT p.region, count(*) AS n FROM {P} p JOIN {E} e ON p.patient_id = e.patient_id "
        "GROUP BY p.region",
        f"SELECT p.region, count(*) AS n FROM {P} p JOIN {E} e ON p.patient_id = e.patient_id "
        f"WHERE e.dx <> '{HIDDEN}' GROUP BY p.region",
    ),
]  # fmt: skip
BY_SUBTOTAL = [
    (
        f"SELECT {grouping} AS g, count(*) AS n FROM {E} GROUP BY {sets}",
        f"SELECT {grouping} AS g, count(*) AS n FROM {E} WHERE dx <> '{HIDDEN}' GROUP BY {sets}",
    )
    for grouping, sets in [
        ("ward, GROUPING(ward)", "ROLLUP (ward)"),
        ("ward, los > 3, GROUPING(ward, los > 3)", "CUBE (ward, (los > 3))"),
        ("ward, los > 3, GROUPING(ward)", "GROUPING SETS ((ward), (los > 3))"),
    ]
]
BY_ZIP = [
    # diff-zip, and diff-union and diff-sub as two releases of one query
    (f"SELECT count(*) AS n FROM {P}", f"SELECT count(*) AS n FROM {P} WHERE zip <> '99950'"),
    (
        f"SELECT count(*) AS n FROM {P}",
        f"SELECT count(DISTINCT person_key) AS n FROM {P} WHERE zip <> '99950'",
    ),
    (
        f"SELECT sex, count(*) AS n FROM {P} GROUP BY sex",
        f"SELECT sex, count(*) AS n FROM {P} WHERE zip <> '99950' GROUP BY sex",
    ),
    (  # the rest first, the whole after it, and the rest again
        f"SELECT count(*) AS n FROM {P}",
        f"SELECT count(*) AS n FROM {P} WHERE zip <> '99950'",
        f"SELECT count(*) AS n FROM {P}",
        f"SELECT region, count(*) AS n FROM {P} WHERE zip <> '99950' GROUP BY region",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "queries", [*BY_DIAGNOSIS, *BY_SUBTOTAL], ids=lambda queries: queries[-1][:60]
)
def test_all_and_then_all_but_one_say_the_same_whether_the_one_is_there(worlds, queries):
    whole, other, _ = worlds
    answers = ask(whole, *queries)
    assert answers[0].rows
    assert answers[-1].rows
    assert [*map(seen, answers)] == [*map(seen, ask(other, *queries))]


@pytest.mark.parametrize("queries", BY_ZIP, ids=lambda queries: queries[-1][:60])
def test_a_place_where_one_person_lives_is_left_out_in_vain(worlds, queries):
    whole, _, other = worlds
    answers = ask(whole, *queries)
    assert answers[-1].rows
    assert [*map(seen, answers)] == [*map(seen, ask(other, *queries))]


@pytest.mark.parametrize("queries", [*BY_DIAGNOSIS, *BY_ZIP[:3]])
def test_the_second_answer_is_the_first_and_says_so(worlds, queries):
    first, second = ask(worlds[0], *queries)
    assert [row[-1] for row in second.rows] == [row[-1] for row in first.rows]
    assert not any(first.earlier)
    assert all(second.earlier)


def test_without_the_memory_the_difference_would_be_seen(worlds):
    whole, other, _ = worlds
    alone = [[ask(connection, queries[-1])[0].rows for connection in (whole, other)]
             for queries in BY_DIAGNOSIS]  # fmt: skip
    assert sum(one != two for one, two in alone) >= 5


def test_moving_a_range_past_one_person_answers_as_before(worlds):
    # diff-range: a day adds rows of fewer people than the difference that the policy demands.
    days = [f"SELECT count(*) AS n FROM {E} WHERE admit_date <= DATE '2025-12-{day:02}'"
            for day in (1, 2, 3, 5, 8)]  # fmt: skip
    answers = ask(worlds[0], *days)
    values = [released.rows for released in answers]
    assert values[0]
    assert len({*values}) < len(values)
    for released, before in zip(answers[1:], answers, strict=False):
        assert released.rows != before.rows or released.earlier == (("n",),)


def test_the_same_question_is_answered_the_same(worlds):
    sql = f"SELECT region, count(*) AS n FROM {P} GROUP BY region"
    first, again, renamed = ask(worlds[0], sql, sql, sql.replace("AS n", "AS m"))
    assert first.rows == again.rows == renamed.rows


def test_questions_about_other_people_do_not_disturb_each_other(worlds):
    first = f"SELECT count(*) AS n FROM {P} WHERE region = 'north'"
    second = f"SELECT count(*) AS n FROM {P} WHERE region = 'south'"
    assert ask(worlds[0], first, second)[1].rows == ask(worlds[0], second)[0].rows


def test_a_published_row_does_not_go_when_one_of_its_few_people_is_left_out():
    # Exactly the threshold of people in one ward; without one of them it would not be published.
    base = health()
    made = [(9000 + n, n, base.rows[E][0][2], "tiny", HIDDEN if n == RARE else "I10", 10.0 * n, n)
            for n in range(1, K + 1)]  # fmt: skip
    data = Health(rows={**base.rows, E: (*base.rows[E], *made)}, people=base.people)
    sql = f"SELECT ward, count(*) AS n FROM {E} WHERE dx <> 'E11' {{}}GROUP BY ward"
    queries = sql.format(""), sql.format(f"AND dx <> '{HIDDEN}' ")
    found = []
    for world in (data, changed(data, E, elsewhere)):
        with world.connect() as connection:
            answers = ask(connection, *queries)
            assert "tiny" in {row[0] for row in answers[0].rows}
            found.append([*map(seen, answers)])
            # Asked for the first time, the row is not published without the fourth person.
            (alone,) = ask(connection, queries[1])
            assert ("tiny" in {row[0] for row in alone.rows}) is (world is not data)
    assert found[0] == found[1]


def test_groups_of_one_query_that_overlap_through_a_public_table_are_compared():
    # A public table maps every diagnosis to "all", and all but one rare one to "most".
    data = health()
    lists = tuple(
        (dx, "x", chapter)
        for chapter, kept in (
            ("all", ("I10", "E11", "J45", HIDDEN)),
            ("most", ("I10", "E11", "J45")),
        )
        for dx in kept
    )
    rigged = Health(rows={**data.rows, "ref.dx_codes": lists}, people=data.people)
    sql = (
        f"SELECT d.chapter, count(DISTINCT e.encounter_id) AS n FROM {E} e "
        "JOIN ref.dx_codes d ON e.dx = d.dx GROUP BY d.chapter"
    )
    found = []
    for world in (rigged, changed(rigged, E, elsewhere)):
        with world.connect() as connection:
            (released,) = ask(connection, sql)
            found.append(seen(released))
            assert [row[1] for row in released.rows] == [released.rows[0][1]] * 2
    assert found[0] == found[1]


def test_data_that_changed_by_one_person_is_no_second_question(worlds):
    sql = f"SELECT count(*) AS n FROM {P}"
    first = run_gates(worlds[0], sql, catalog=CATALOG, change=FINE)
    for person in (VIP, RARE):
        with health().without(person).connect() as refreshed:
            again = run_gates(refreshed, sql, catalog=CATALOG, change=FINE, history=first.tables)
            assert again.rows == first.rows
            assert again.earlier == (("n",),)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT (SELECT count(*) FROM {P}) - (SELECT count(*) FROM {P} WHERE zip <> '99950') AS d",
        f"SELECT 'a' AS tag, count(*) AS n FROM {P} "
        f"UNION ALL SELECT 'b', count(*) FROM {P} WHERE zip <> '99950'",
    ],
)
def test_two_stages_of_one_query_are_compared_like_two_queries(worlds, sql):
    whole, _, other = worlds
    (released,) = ask(whole, sql)
    assert released.rows
    assert any(released.earlier)
    assert [seen(released)] == [*map(seen, ask(other, sql))]
