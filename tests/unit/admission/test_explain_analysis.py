# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

from cleanroom.admission.analysis import admit_analysis
from cleanroom.admission.explain_analysis import explain_analysis
from cleanroom.contract.analysis import PER_UNIT, REVIEWED, GroupColumn, Statistic
from cleanroom.contract.rules import strictest
from cleanroom.contract.types import ColumnType
from tests.unit.admission.test_analysis import (
    ANALYSIS,
    CATALOG,
    MEMBERS,
    STAYS,
    WARDS,
    datasets,
)
from tests.unit.contract.test_analysis import TABLE

USED = {STAYS: ("email", "ward", "days"), MEMBERS: ("email",), WARDS: ("ward",)}
RULES = strictest(policy for policy, _ in datasets().values())


def explained(analysis, kind=PER_UNIT):
    catalog = CATALOG
    if kind == REVIEWED:
        kinds = {"kinds": '["python_reviewed"]'}
        catalog = replace(CATALOG, datasets=datasets(kinds=kinds))
    admitted = admit_analysis(analysis, kind=kind, datasets=USED, catalog=catalog)
    return explain_analysis(admitted, kind=kind, rules=RULES)


def test_it_says_what_code_is_given_whom_it_counts_and_what_leaves():
    groups = (GroupColumn(name="band", type=ColumnType("string"), values=("young", "old")),)
    aggregates = (*ANALYSIS.aggregates, *replace_columns(TABLE.aggregates[1:]))
    text = explained(replace(ANALYSIS, groups=groups, aggregates=aggregates)).text
    for line in (
        "kind      python_per_unit: the code maps one unit at a time",
        f"gives     {STAYS}: days integer, ward string\n",
        f"gives     {MEMBERS}: units only\n",
        f"gives     {WARDS}: ward string (public, no units)\n",
        f"counts    units of {STAYS}",
        "groups    band: one of young, old\n",
        "releases  n: number of units\n",
        "releases  mean_days: average of d, clamped to 0 to 9\n",
        "rule      threshold: at least 10 units",
    ):
        assert line in text
    assert "ASSERTED" not in text


def test_the_word_of_code_is_said_to_be_one():
    numbers = (Statistic(name="odds", statistic_class="calculated-ratios", digits=3),)
    asked = replace(ANALYSIS, aggregates=(), measures=(), statistics=numbers)
    explanation = explained(asked, REVIEWED)
    assert "SUPPORT ASSERTED BY CODE" in explanation.text
    assert "releases  odds: calculated-ratios, 3 digits, on its word" in explanation.text
    # No other rule can look at such a number, and none is said to.
    assert [rule["rule"] for rule in explanation.data["rules"]] == [
        "support-asserted-by-code",
        "rounding",
    ]
    assert explanation.data["statistics"] == [
        {"output": "odds", "class": "calculated-ratios", "digits": 3}
    ]


def replace_columns(aggregates):
    return tuple(replace(item, column="d") for item in aggregates)
