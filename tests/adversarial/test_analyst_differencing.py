# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - attacks under test
"""T-08, T-13: an analyst subtracts one release from another, in one query or over many."""

from __future__ import annotations

import pytest

from cleanroom.disclosure.past import decode_cells, encode_cells
from tests.support.gate_data import RARE, VIP, Health, health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

CATALOG = corpus_catalog(k=4)
P, E = "hospital.patients", "hospital.encounters"


@pytest.fixture(scope="module")
def connection():
    with health().connect() as made:
        yield made


def ask(connection, *queries):
    """Ask in order, as one lineage's history; return the rows of the last."""
    history = ()
    for sql in queries:
        released = run_gates(connection, sql, catalog=CATALOG, history=history)
        # The state is sealed and opened between two runs.
        history = (*history, *decode_cells(encode_cells(released.cells)))
    return released.rows


PAIRS = [
    (
        f"SELECT count(*) AS n FROM {P}",
        f"SELECT count(*) AS n FROM {P} WHERE zip <> '99950'",
    ),
    (
        f"SELECT count(*) AS n FROM {P} WHERE zip <> '99950'",
        f"SELECT count(*) AS other FROM {P}",
    ),
    (  # another name and another aggregate of the same thing
        f"SELECT count(*) AS n FROM {P}",
        f"SELECT count(DISTINCT person_key) AS people FROM {P} WHERE zip <> '99950'",
    ),
    (  # the person stays in the group and only some of his rows go
        f"SELECT avg(los) AS m FROM {E} WHERE dx <> 'J45'",
        f"SELECT count(los) AS n FROM {E} WHERE dx <> 'J45' AND dx <> 'Z99'",
    ),
    (  # through a join that a few people do not have
        f"SELECT count(*) AS n FROM {P}",
        f"SELECT count(DISTINCT p.patient_id) AS n FROM {P} p "
        f"JOIN {E} e ON p.patient_id = e.patient_id WHERE e.dx <> 'I10' AND e.dx <> 'Z99'",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_second_of_two_close_releases_is_withheld(connection, first, second):
    assert ask(connection, first)
    assert ask(connection, second)
    assert ask(connection, first, second) == ()


def test_the_same_question_is_answered_the_same(connection):
    sql = f"SELECT region, count(*) AS n FROM {P} GROUP BY region"
    assert ask(connection, sql, sql, sql.replace("AS n", "AS m")) == ask(connection, sql)


def test_questions_about_other_people_do_not_disturb_each_other(connection):
    first = f"SELECT count(*) AS n FROM {P} WHERE region = 'north'"
    second = f"SELECT count(*) AS n FROM {P} WHERE region = 'south'"
    assert ask(connection, first, second) == ask(connection, second)


def test_groups_of_one_query_that_overlap_through_a_public_table_are_compared(connection):
    # A public table maps every diagnosis to "all", and all but one rare one to "most".
    data = health()
    lists = tuple(
        (dx, "x", chapter)
        for chapter, kept in (
            ("all", ("I10", "E11", "J45", "Z99")),
            ("most", ("I10", "E11", "J45")),
        )
        for dx in kept
    )
    rigged = Health(rows={**data.rows, "ref.dx_codes": lists}, people=data.people)
    sql = (
        f"SELECT d.chapter, count(DISTINCT e.encounter_id) AS n FROM {E} e "
        "JOIN ref.dx_codes d ON e.dx = d.dx GROUP BY d.chapter"
    )
    with rigged.connect() as rigged_connection:
        assert run_gates(rigged_connection, sql, catalog=CATALOG).rows == ()


def test_data_that_changed_by_one_person_is_no_second_question(connection):
    sql = f"SELECT count(*) AS n FROM {P}"
    first = run_gates(connection, sql, catalog=CATALOG)
    for person in (VIP, RARE):
        with health().without(person).connect() as refreshed:
            again = run_gates(refreshed, sql, catalog=CATALOG, history=first.cells)
            assert again.rows == ()
