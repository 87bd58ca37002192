# SPDX-License-Identifier: Apache-2.0
"""The functions that a generated statement may call, by the name that the engine bound.

A macro or a function of somebody else has another path than ``system.main``, whatever it
calls itself. A new name comes here with the code that generates it, or nothing runs.
"""

from __future__ import annotations

from enum import Enum

SYSTEM = ("system", "main")
CAST = "__cast"

# Written without a path, because the engine builds them in.
COMPARISONS = frozenset(
    {"=", "!=", "<", ">", "<=", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"}
)


class Place(Enum):
    """Where in a statement an expression stands."""

    ROW = "row"
    STATISTIC = "statistic"


_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "abs", "sign"})
_NUMBERS = frozenset(
    {"round", "floor", "ceil", "ceiling", "least", "greatest", "isfinite", "isnan", "isinf"}
)
_TEXT = frozenset(
    {"||", "concat", "upper", "lower", "left", "right", "substr", "substring", "trim", "ltrim"}
    | {
        "rtrim",
        "starts_with",
        "prefix",
        "suffix",
        "ends_with",
        "contains",
        "~~",
        "!~~",
        "~~*",
        "!~~*",
    }
)
_TIME = frozenset(
    {"date_trunc", "datetrunc", "date_part", "datepart", "time_bucket", "make_date", "year"}
    | {"quarter", "month", "week", "weekofyear", "day", "dayofmonth", "dayofweek", "weekday"}
    | {"isodow", "isoyear", "dayofyear", "yearweek", "hour", "minute", "second", "date_diff"}
    | {"datediff", "to_years", "to_months", "to_weeks", "to_days", "to_hours", "to_minutes"}
    | {"to_seconds", "to_microseconds", "trunc", "monthname", "dayname", "last_day", "strftime"}
)
CONCATENATED = "||"
DIGEST = "sha256"
ROW_SCALARS = _ARITHMETIC | _NUMBERS | _TEXT | _TIME | {DIGEST}
STATISTIC_SCALARS = ROW_SCALARS | {"hash", "hex", "&", ">>"}
HASH = "hash"

COUNT_ROWS = "count_star"
COUNTS = frozenset({"count", COUNT_ROWS})
UNIT_AGGREGATES = COUNTS | {"count_if", "sum", "min", "max", "avg", "bool_or", "bool_and"}
STATISTIC_AGGREGATES = UNIT_AGGREGATES | {"string_agg"}
# Of statistics, only text is made, and the largest are listed.
OF_STATISTICS = frozenset({"string_agg", "max"})
WINDOWS = frozenset(
    {"WINDOW_LAG", "WINDOW_LEAD", "WINDOW_ROW_NUMBER", "WINDOW_RANK", "WINDOW_RANK_DENSE"}
    | {"WINDOW_FIRST_VALUE", "WINDOW_LAST_VALUE", "WINDOW_AGGREGATE", "WINDOW_NTILE"}
    | {"WINDOW_PERCENT_RANK", "WINDOW_CUME_DIST"}
)


def scalars(place: Place) -> frozenset[str]:
    """Give the scalar functions of one place."""
    return ROW_SCALARS if place is Place.ROW else STATISTIC_SCALARS
