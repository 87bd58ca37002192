# SPDX-License-Identifier: Apache-2.0
"""Write an output policy as TOML with a comment at every clause."""

from __future__ import annotations

from cleanroom.contract.policy import (
    Column,
    DifferentialPrivacy,
    PolicyTerms,
    Role,
    Unit,
)
from cleanroom.contract.toml_text import document, inline, names, quote, ratio

_PUBLIC_UNIT = """
# The dataset protects nobody: its owner declares every column public.
[unit]
kind = "public"
"""


def render_policy(terms: PolicyTerms) -> bytes:
    """Write a policy; reading it again gives the same terms."""
    text = _head(terms)
    if isinstance(terms.unit, Unit):
        text += _output_lists(terms) + _unit(terms.unit) + _columns(terms) + _rules(terms)
    else:
        text += _PUBLIC_UNIT + _columns(terms)
    return document(text + _joins(terms))


def _head(terms: PolicyTerms) -> str:
    return f"""\
# What may leave a query over this dataset. The owner signs exactly these bytes.
# Every clause is mandatory; an empty list lets nothing through.
format = "cleanroom.policy.v0"
owner = {quote(terms.owner)}
dataset = {quote(terms.dataset)}
# Kinds of analysis that may touch it: sql, python_per_unit, python_reviewed, model, dp.
kinds = {names(terms.kinds)}
# Parties that may ever receive a result computed from it.
receivers = {names(terms.receivers)}
"""


def _output_lists(terms: PolicyTerms) -> str:
    return f"""\
# Aggregates beyond the safe list, named one by one.
functions = {names(terms.functions)}
# Cells without any unit: "suppress" hides them, "release" shows a zero.
zeros = {quote(terms.zeros)}
"""


def _unit(unit: Unit) -> str:
    return f"""
# Whom the rules protect, and the column that tells them apart.
[unit]
kind = {quote(unit.kind)}
namespace = {quote(unit.namespace)}
column = {quote(unit.column)}
# At most one row a unit ("one") or several ("many"); more than max_rows are cut off.
rows = {quote("one" if unit.one_row else "many")}
max_rows = {unit.max_rows}
"""


def _columns(terms: PolicyTerms) -> str:
    lines = "".join(f"{name} = {_column(column)}\n" for name, column in terms.columns.items())
    return f"""
# Roles: key:<namespace>, row_id, dimension, quasi, measure (with bounds), blocked, public.
[columns]
{lines}"""


def _column(column: Column) -> str:
    if column.role is Role.KEY:
        return inline({"role": f"key:{column.namespace}"})
    if column.lower is None or column.upper is None:
        return inline({"role": column.role.value})
    return inline(
        {
            "role": column.role.value,
            "lower": str(column.lower),
            "upper": str(column.upper),
            "unit": column.measured_in,
        }
    )


def _rules(terms: PolicyTerms) -> str:
    return f"""
# Columns that may meet a literal or parameter, and columns that may meet another column.
[compare]
literal = {names(terms.compare_literal)}
column = {names(terms.compare_column)}

# Least number of distinct units behind every released value.
[threshold]
units = {terms.threshold}

# The largest contributors may not hold more than this share of a total.
[dominance]
largest = {terms.dominance_largest}
share = {ratio(terms.dominance_share)}

# Nobody may estimate another's contribution more closely than p per cent.
[p_percent]
p = {ratio(terms.p_percent)}

# Counts are rounded to this base, other numbers to this many digits.
[rounding]
counts = {terms.round_counts}
significant_digits = {terms.significant_digits}

# Calibrated noise: "none", or "dp" with a budget.
[noise]
{_noise(terms)}
# Least number of units by which two released values may differ, for ever.
[difference]
units = {terms.difference}

# How many releases one receiver may get, and how many there may be in all.
[releases]
per_receiver = {terms.releases_per_receiver}
total = {terms.releases_total}
"""


def _noise(terms: PolicyTerms) -> str:
    noise = terms.noise
    if not isinstance(noise, DifferentialPrivacy):
        return 'kind = "none"\n'
    return f"""\
kind = "dp"
epsilon_per_release = {ratio(noise.epsilon_per_release)}
epsilon_total = {ratio(noise.epsilon_total)}
delta = {ratio(noise.delta)}
max_rows_per_unit = {noise.max_rows_per_unit}
max_groups_per_unit = {noise.max_groups_per_unit}
"""


def _joins(terms: PolicyTerms) -> str:
    return f"""
# Datasets that it may be joined with.
[joins]
datasets = {names(terms.joins)}
"""
