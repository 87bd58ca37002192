# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""What a query reads, counts and releases, in words and in JSON that cannot disagree."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cleanroom.admission.catalog import Catalog
from cleanroom.admission.explain import explain
from cleanroom.contract.rules import strictest
from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import CATALOG, admitted, refused
from tests.support.gate_runs import rules_of

EXPECTED = """\
reads     hospital.encounters: cost, dx, patient_id, ward
reads     ref.dx_codes: chapter, dx
parameter $w
joins     look-up of hospital.encounters.dx
filters   hospital.encounters.dx is not null
filters   hospital.encounters.ward in ($w, 'onco')
counts    distinct hospital_pid of hospital.encounters by hospital.encounters.patient_id
groups    chapter: ref.dx_codes.chapter (public)
releases  n (integer): number of rows
releases  spent (double): sum of hospital.encounters.cost, clamped to 0 to 20000
empty     cells of hospital.encounters.cost leave rows out of some numbers: where few people \
lack it, the row is withheld (splits); WHERE cost IS NOT NULL keeps it
output    chapter (string): from ref.dx_codes.chapter (public)
          group chapter of release 1, counting hospital_pid of hospital.encounters, \
under threshold, splits, difference
output    n (integer): from rows only
          number n of release 1, counting hospital_pid of hospital.encounters, \
under threshold, support, splits, dominance, p-percent, difference, rounding
output    spent (double): from hospital.encounters.cost (measure)
          number spent of release 1, counting hospital_pid of hospital.encounters, \
under threshold, support, splits, dominance, p-percent, non-modal, difference, rounding
after     nothing: the released table is the result
needs     [compare] column += dx in the policy of hospital.encounters
needs     [compare] literal += dx in the policy of hospital.encounters
needs     [compare] literal += ward in the policy of hospital.encounters
needs     [joins] hospital.encounters in the policy of ref.dx_codes
needs     [joins] ref.dx_codes in the policy of hospital.encounters
needs     kinds = ["sql"] in the policy of hospital.encounters
needs     kinds = ["sql"] in the policy of ref.dx_codes
rule      threshold: at least 10 units of every kind behind each row
rule      support: at least 10 units that contribute to each number
rule      splits: two numbers of a row differ in no unit or in at least 10, and \
every condition inside a number holds for none or at least 10 units, and fails for none or as many
rule      dominance: the 2 largest may not hold more than 9/10 of a number
rule      p-percent: no unit can be estimated to within 10 %
rule      non-modal: 0 or at least 10 units differ from the usual value
rule      difference: at least 10 units between any two rows ever released
rule      rounding: counts to multiples of 5, other numbers to 4 significant digits
"""
ALL_KINDS = """
WITH first_visit AS (SELECT patient_id, min(admit_date) AS t0 FROM hospital.encounters
                     GROUP BY patient_id)
SELECT f.t0 >= DATE '2025-07-01' AS late, count(*) AS n, count(DISTINCT p.patient_id) AS people,
       avg(CASE WHEN p.smoker THEN 1 ELSE 0 END) AS smokers,
       count(*) * 1.0 / (SELECT count(*) FROM hospital.patients) AS share
FROM hospital.patients p JOIN first_visit f ON p.patient_id = f.patient_id
WHERE p.person_key IN (SELECT person_key FROM insurer.members)
GROUP BY late HAVING count(*) > 20 ORDER BY n DESC
"""


def test_an_explanation_is_complete_and_in_plain_words():
    query = admitted(
        "SELECT chapter, count(*) AS n, sum(cost) AS spent FROM hospital.encounters e "
        "JOIN ref.dx_codes d ON e.dx = d.dx WHERE ward IN ($w, 'onco') AND e.dx IS NOT NULL "
        "GROUP BY chapter",
        w=ParameterType.STRING,
    )
    explanation = explain(query, rules=rules_of(query, CATALOG))
    assert explanation.text == EXPECTED
    assert json.loads(json.dumps(explanation.data)) == explanation.data
    for item in explanation.data["outputs"]:
        assert item["output"] in explanation.text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(cost) AS spent FROM hospital.encounters",
        "SELECT count(*) AS n, count(DISTINCT patient_id) AS people FROM hospital.encounters",
        "SELECT count(*) AS n, sum(cost) AS spent FROM hospital.encounters WHERE cost IS NOT NULL",
    ],
    ids=["one number", "whole rows", "left out"],
)
def test_empty_cells_are_no_matter_where_they_set_no_two_numbers_apart(sql):
    explanation = explain(query := admitted(sql), rules=rules_of(query, CATALOG))
    assert explanation.data["releases"][0]["empty_cells"] == []


def test_public_data_is_said_to_be_public():
    query = admitted("SELECT count(*) AS many FROM ref.numbers")
    rules = strictest([CATALOG.datasets["ref.numbers"][0]])
    text = explain(query, rules=rules).text
    assert "reads     ref.numbers: rows only" in text
    assert "rule      public: every dataset is public" in text


def test_every_kind_of_part_has_words():
    query = admitted(ALL_KINDS)
    text = explain(query, rules=rules_of(query, CATALOG)).text
    for words in (
        "release 1",
        "release 2",
        "joins     inner join on (hospital.patients.patient_id = hospital.encounters.patient_id)",
        "joins     semi join by key",
        "min of a unit's(hospital.encounters.admit_date)",
        "counts    distinct pk of insurer.members by hospital.patients.person_key",
        "releases  r1 (integer): number of distinct hospital.patients.patient_id",
        "splits by hospital.patients.smoker",
        "after     the result is computed from the released values of release 1, 2",
        "output    share (double): from rows only",
    ):
        assert words in text, text


def behind(sql):
    """Of which parts of which releases each output is made."""
    query = admitted(sql)
    outputs = explain(query, rules=rules_of(query, CATALOG)).data["outputs"]
    return {
        item["output"]: [(part["release"], part["is"], part["part"]) for part in item["releases"]]
        for item in outputs
    }


def test_every_output_is_followed_to_the_releases_behind_it():
    by_plan = "SELECT plan, count(*) AS n FROM insurer.members GROUP BY plan"
    everybody = "SELECT count(*) AS n FROM hospital.patients"
    assert behind(
        "SELECT plan AS p, n * 1.0 / sum(n) OVER () AS share, rank() OVER (ORDER BY n) AS place, "
        f"count(*) OVER () AS rows, ({everybody}) + n AS more FROM ({by_plan})"
    ) == {
        "p": [(1, "group", "k0")],
        "share": [(1, "number", "r0")],
        "place": [(1, "number", "r0")],
        "rows": [(1, "rows", ""), (2, "rows", "")],
        "more": [(1, "number", "r0"), (2, "number", "r0")],
    }
    assert behind(
        f"SELECT plan AS p, count(*) AS rows, max(n) AS most FROM ({by_plan} UNION ALL "
        f"SELECT 'all', ({everybody})) WHERE plan IN (SELECT plan FROM ({by_plan})) GROUP BY plan"
    ) == {
        "p": [(1, "group", "k0")],
        "rows": [(1, "rows", ""), (2, "rows", "")],
        "most": [(1, "number", "r0"), (2, "number", "r0")],
    }


def test_the_test_for_a_partner_is_of_the_rows_that_are_looked_at():
    by_plan = "SELECT plan, count(*) AS n FROM insurer.members GROUP BY plan"
    found = behind(f"SELECT plan IN (SELECT plan FROM ({by_plan}) WHERE n > 50) AS large "
                   f"FROM ({by_plan})")  # fmt: skip
    assert found == {"large": [(1, "rows", "")]}


def test_grouping_sets_are_named_and_what_tells_them_apart_obeys_no_rule():
    query = admitted(
        "SELECT region, GROUPING(region) AS whole, stddev(birth_year) AS spread "
        "FROM hospital.patients GROUP BY ROLLUP (region)"
    )
    explained = explain(query, rules=rules_of(query, CATALOG))
    counted = "hospital_pid of hospital.patients"
    for line in (
        "grouped   by all rows together",
        "grouped   by region",
        "tells     whole: groupings of region",
        f"{' ' * 10}grouping whole of release 1, counting {counted}, under no rule",
    ):
        assert line in explained.text.splitlines()


def test_what_a_query_needs_is_just_what_was_granted():
    needs = explain(
        admitted("SELECT round(cost, -3) AS about, count(*) AS n FROM hospital.encounters "
                 "GROUP BY about"), rules=strictest([CATALOG.datasets["hospital.encounters"][0]])
    ).data["needs"]  # fmt: skip
    assert needs == [
        "[compare] literal += cost in the policy of hospital.encounters",
        'kinds = ["sql"] in the policy of hospital.encounters',
    ]
    rules = strictest([CATALOG.datasets["ref.numbers"][0]])
    public = explain(admitted("SELECT n, count(*) AS m FROM ref.numbers GROUP BY n"), rules=rules)
    assert "counting nobody, under no rule" in public.text


def without(grant):
    """The catalog of an owner who did not grant this, and the contract of nobody else."""
    what, _, lineage = grant.rpartition(" in the policy of ")
    policy, types = CATALOG.datasets[lineage]
    name = what.split()[-1]
    if what.startswith("kinds"):
        less = replace(policy, kinds=frozenset())
    elif what.startswith("[joins]"):
        less = replace(policy, joins=policy.joins - {name})
    elif "literal" in what:
        less = replace(policy, compare_literal=policy.compare_literal - {name})
    else:
        less = replace(policy, compare_column=policy.compare_column - {name})
    return Catalog(datasets={**CATALOG.datasets, lineage: (less, types)}, links=CATALOG.links)


def test_without_any_grant_that_a_query_needs_it_is_refused_and_named():
    sql = (
        "SELECT m.plan, round(e.cost, -3) AS about, count(*) AS n FROM hospital.encounters e "
        "JOIN hospital.patients p ON p.patient_id = e.patient_id JOIN insurer.members m "
        "ON m.person_key = p.person_key WHERE m.premium > 300 GROUP BY m.plan, about"
    )
    query = admitted(sql)
    needs = explain(query, rules=rules_of(query, CATALOG)).data["needs"]
    assert len(needs) == 15
    for grant in needs:
        error = refused(sql, without(grant))
        assert error.grant.startswith(grant)
