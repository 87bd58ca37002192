# SPDX-License-Identifier: Apache-2.0
"""Release numbers that reviewed code handed over, as far as anything can be checked of them.

Nobody can tell from a number how many people it is about. What stands behind it is the
code that every owner read and granted as reviewed; the units that it claims are held to
the threshold, digits are cut, and everything that carries it says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from cleanroom.contract.analysis import PythonAnalysis, Statistic
from cleanroom.contract.rules import Rules
from cleanroom.disclosure.bands import band, is_lowest
from cleanroom.disclosure.grid import round_number
from cleanroom.disclosure.released import ResultColumn
from cleanroom.disclosure.result import ResultTable
from cleanroom.receipt.model import CheckRecord
from cleanroom.receipt.rules import ASSERTED_RULE
from cleanroom.runner.analysis.code_job import Number
from cleanroom.runner.gate import Computed

CAUTION = (
    "SUPPORT ASSERTED BY CODE: how many people are behind these numbers is the word of code that "
    "every owner granted as reviewed; no rule of the gate can check it"
)


def released_numbers(
    found: Mapping[str, Number], *, analysis: PythonAnalysis, rules: Rules
) -> Computed:
    """Round numbers, and withhold those that claim fewer units than the threshold."""
    values = [_released(item, found[item.name], rules) for item in analysis.statistics]
    withheld = band(values.count(None), threshold=rules.threshold)
    check = CheckRecord(
        rule=ASSERTED_RULE,
        parameters={"units": rules.threshold},
        verdict="held" if is_lowest(withheld) else "withheld",
        withheld=withheld,
    )
    rounding = CheckRecord(
        rule="rounding",
        parameters={"counts": rules.round_counts, "significant_digits": rules.significant_digits},
        verdict="held",
        withheld=band(0, threshold=rules.threshold),
    )
    result = ResultTable(
        columns=tuple(
            ResultColumn(name=item.name, type="double", statbarn=item.statistic_class)
            for item in analysis.statistics
        ),
        rows=(tuple(values),),
        earlier=((),),
        withheld={ASSERTED_RULE: withheld},
        caution=CAUTION,
    )
    return Computed(result=result, checks=(check, rounding), tables=())


def _released(item: Statistic, number: Number, rules: Rules) -> str | None:
    if number.units < rules.threshold or not math.isfinite(number.value):
        return None
    digits = min(item.digits, rules.significant_digits)
    return round_number(Fraction(number.value), digits=digits)
