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
joins     hospital.encounters.dx = ref.dx_codes.dx
filters   hospital.encounters.ward IN $w and 'onco'
filters   hospital.encounters.dx IS NOT NULL
parameter $w
counts    distinct hospital_pid of hospital.encounters
groups    chapter: ref.dx_codes.chapter (public)
releases  n (integer): number of rows
releases  spent (double): sum of hospital.encounters.cost, clamped to 0 to 20000 EUR
rule      threshold: at least 10 units of every kind behind each row
rule      support: at least 10 units that contribute to each number
rule      splits: two numbers of a row differ in no unit or in at least 10
rule      dominance: the 2 largest may not hold more than 9/10 of a number
rule      p-percent: no unit can be estimated to within 10 %
rule      non-modal: 0 or at least 10 units differ from the usual value
rule      difference: at least 10 units between any two rows ever released
rule      rounding: counts to multiples of 5, other numbers to 4 significant digits
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
    for item in explanation.data["releases"]:
        assert item["output"] in explanation.text


def test_public_data_is_said_to_be_public():
    query = admitted("SELECT count(*) AS many FROM ref.numbers")
    rules = strictest([CATALOG.datasets["ref.numbers"][0]])
    text = explain(query, rules=rules).text
    assert "reads     ref.numbers: rows only" in text
    assert "rule      public: every dataset is public" in text
