# SPDX-License-Identifier: Apache-2.0
"""What a query reads, counts and releases, in words and in JSON that cannot disagree."""

from __future__ import annotations

import json

from cleanroom.admission.explain import explain
from cleanroom.contract.rules import strictest
from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import CATALOG, admitted
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
output    chapter (string): from ref.dx_codes.chapter (public)
output    n (integer): from rows only
output    spent (double): from hospital.encounters.cost (measure)
after     nothing: the released table is the result
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
