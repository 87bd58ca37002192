# SPDX-License-Identifier: Apache-2.0
"""T-08, T-13: a generator that was led astray is found out by the plan of what it wrote.

Each change of a generated statement is what a captured name or a forgotten filter would make of
it. The check of the plan must refuse every one; it knows neither admission nor the generator.
"""

from __future__ import annotations

import re

import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.typed.generate import generate
from cleanroom.bound_plan.check import check_statement
from cleanroom.disclosure.statistics_sql import statistics_sql
from cleanroom.errors import AdmissionRefusedError
from cleanroom.runner.shapes import shape_of
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import PREFIX, claim_of, rules_of

CATALOG = corpus_catalog()
QUERY = (
    "SELECT m.plan, count(*) AS n, sum(e.los) AS days, count(DISTINCT e.encounter_id) AS e "
    "FROM hospital.patients p JOIN hospital.encounters e ON p.patient_id = e.patient_id "
    "JOIN insurer.members m ON p.person_key = m.person_key GROUP BY m.plan"
)
NAME = r'"' + PREFIX + r'\w+"'
COLUMN = rf'"{PREFIX}c\d+"'
ADMITTED = admit(QUERY.encode(), catalog=CATALOG, parameters={})
[STAGE] = ADMITTED.stages
CLAIM = claim_of(ADMITTED, CATALOG, STAGE)
STATEMENT = statistics_sql(
    generate(STAGE, prefix=PREFIX),
    shape=shape_of(STAGE),
    rules=rules_of(ADMITTED, CATALOG),
    prefix=PREFIX,
)


def column_of(name):
    """Find how the statement names a column of a dataset."""
    return re.search(rf'"{name}" AS \w+\) AS ({COLUMN})', STATEMENT)[1]


ENCOUNTER, REGION = column_of("encounter_id"), column_of("plan")


def test_the_statement_itself_passes():
    assert check_statement(STATEMENT, CLAIM).sql == STATEMENT


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        # The column that is counted is another one.
        (rf'{COLUMN} AS "{PREFIX}u0"', f'{ENCOUNTER} AS "{PREFIX}u0"'),
        (rf'{COLUMN} AS "{PREFIX}u0"', f'{REGION} AS "{PREFIX}u0"'),
        (rf'{COLUMN} AS "{PREFIX}u1"', f'{ENCOUNTER} AS "{PREFIX}u1"'),
        (rf'{COLUMN} AS "{PREFIX}u1"', f'random() AS "{PREFIX}u1"'),
        # Rows of nobody stay.
        (r' WHERE TRY_CAST\("patient_id" AS \w+\) IS NOT NULL', ""),
        (r' WHERE TRY_CAST\("person_key" AS \w+\) IS NOT NULL', ""),
        # Somebody else's rows come in.
        (r'"hospital"\."encounters"', '"insurer"."claims"'),
        (r" FROM \(", " FROM (SELECT unnest([1, 2])) CROSS JOIN ("),
        (r" FROM \(", ' FROM "ref"."numbers" CROSS JOIN ('),
        # People meet by something else than their keys.
        (rf"({COLUMN}) = ({COLUMN})", r"\1 <= \2"),
        (rf"({COLUMN}) = ({COLUMN})", r"\1 = \2 OR TRUE"),
        (rf"({COLUMN}) = ({COLUMN})", "TRUE"),
        # A group's people are not what is counted.
        (rf'(GROUP BY "{PREFIX}k0"), "{PREFIX}u0"', rf'\1, "{PREFIX}a0"'),
        (r"SELECT 0, (.*?), count\(\*\)", r"SELECT 0, \1, count(*) + 10"),
        (r"SELECT 0, (.*?), count\(\*\)", r"SELECT 0, \1, 1000"),
        (r"SELECT 1, .*? UNION ALL ", ""),
        # A function that gives values away, or is not what it was.
        (r"coalesce\(sum\(", "coalesce(any_value("),
        (r"count\(\*\) AS", "max_by(1, 2) AS"),
        (rf'{COLUMN} AS "{PREFIX}k0"', f'{ENCOUNTER} AS "{PREFIX}k0"'),
        (rf'{COLUMN} AS "{PREFIX}k0"', f'md5({REGION}) AS "{PREFIX}k0"'),
    ],
)
def test_a_statement_that_counts_the_wrong_people_is_refused(pattern, replacement):
    changed = re.sub(pattern, replacement, STATEMENT, count=1, flags=re.DOTALL)
    assert changed != STATEMENT
    with pytest.raises(AdmissionRefusedError) as caught:
        check_statement(changed, CLAIM)
    assert caught.value.code.startswith("plan.")
