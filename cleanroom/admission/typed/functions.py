# SPDX-License-Identifier: Apache-2.0
"""The functions that an analyst may call, each with its one canonical name.

Deny by default: the engine has 814 scalar functions, among them some that read files,
sleep, raise errors with a cell in them, or hash rows into arbitrary subsets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cleanroom.kernel.record import dataclass

# Kinds of parameters; a trailing ``!`` asks for a constant.
NUMBER, INTEGER, STRING, TIME, ANY = "number", "integer", "string", "time", "any"
SAME = "same"  # the result has the common type of the arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function that may be called.

    Attributes:
        name: Canonical name, which is what the engine is given.
        params: Kinds of its parameters.
        optional: How many of the last may be left out.
        variadic: Whether the last one may be repeated.
        type: Type of the result, or ``SAME``.
        row: Whether it may be applied to single rows, and not to released values only.
        compares: Whether it compares its first argument with the second one.
    """

    name: str
    params: tuple[str, ...]
    type: str
    optional: int = 0
    variadic: bool = False
    row: bool = True
    compares: bool = False


def _strings(*names: str) -> list[Function]:
    return [Function(name=name, params=(STRING,), type="string") for name in names]


def _numbers(*names: str) -> list[Function]:
    return [Function(name=name, params=(NUMBER,), type="double", row=False) for name in names]


_ALL = (
    *_strings("upper", "lower", "trim", "ltrim", "rtrim"),
    Function(name="left", params=(STRING, "integer!"), type="string"),
    Function(name="right", params=(STRING, "integer!"), type="string"),
    Function(name="substr", params=(STRING, "integer!", "integer!"), type="string", optional=1),
    Function(name="concat", params=(ANY,), type="string", variadic=True),
    Function(name="starts_with", params=(STRING, "string!"), type="boolean", compares=True),
    Function(name="ends_with", params=(STRING, "string!"), type="boolean", compares=True),
    Function(name="contains", params=(STRING, "string!"), type="boolean", compares=True),
    Function(name="round", params=(NUMBER, "integer!"), type="round", optional=1),
    Function(name="floor", params=(NUMBER,), type="integer"),
    Function(name="ceil", params=(NUMBER,), type="integer"),
    Function(name="least", params=(ANY,), type=SAME, variadic=True),
    Function(name="greatest", params=(ANY,), type=SAME, variadic=True),
    Function(name="date_trunc", params=("string!", TIME), type="timestamp"),
    Function(name="date_part", params=("string!", TIME), type="integer"),
    Function(name="date_diff", params=("string!", TIME, TIME), type="integer"),
    Function(name="time_bucket", params=("interval!", TIME), type=SAME),
    Function(name="make_date", params=(INTEGER, INTEGER, INTEGER), type="date"),
    Function(name="strftime", params=(TIME, "string!"), type="string"),
    Function(name="dayname", params=(TIME,), type="string"),
    Function(name="monthname", params=(TIME,), type="string"),
    *_numbers("sqrt", "ln", "log10", "exp"),
    Function(name="abs", params=(NUMBER,), type=SAME, row=False),
    Function(name="pow", params=(NUMBER, NUMBER), type="double", row=False),
)
# What strftime may write: parts of a moment that no setting of a machine changes, and plain text.
FORMAT = re.compile(r"(?:%(?:[YymbBdjaAuwGVHIpM]|-[ymdjHIM])|[A-Za-z0-9 ./:_-])+")
_ALIASES = {
    "ucase": "upper",
    "lcase": "lower",
    "substring": "substr",
    "prefix": "starts_with",
    "suffix": "ends_with",
    "ceiling": "ceil",
    "datetrunc": "date_trunc",
    "datepart": "date_part",
    "datediff": "date_diff",
    "log": "log10",
    "power": "pow",
}
_BY_NAME = {function.name: function for function in _ALL}
FUNCTIONS: Mapping[str, Function] = {
    **_BY_NAME,
    **{alias: _BY_NAME[name] for alias, name in _ALIASES.items()},
}

# ``year(x)`` is ``date_part('year', x)``.
PARTS = frozenset(
    {
        "year",
        "quarter",
        "month",
        "week",
        "day",
        "hour",
        "minute",
        "second",
        "dayofweek",
        "isodow",
        "dayofyear",
        "isoyear",
        "decade",
        "century",
    }
)
PART_ALIASES: Mapping[str, str] = {
    **{part: part for part in PARTS},
    "dow": "dayofweek",
    "weekday": "dayofweek",
    "doy": "dayofyear",
    "weekofyear": "week",
    "dayofmonth": "day",
    "years": "year",
    "months": "month",
    "days": "day",
    "weeks": "week",
    "hours": "hour",
    "minutes": "minute",
}
# Steps that a moment can be cut to, or counted in.
STEPS = frozenset(
    {"year", "quarter", "month", "week", "day", "hour", "minute", "second", "decade", "century"}
)

# Aggregates over the rows of one unit, or over released rows: function to result type.
GROUP_AGGREGATES: Mapping[str, str] = {
    "count_star": "integer",
    "count": "integer",
    "count_if": "integer",
    "sum": NUMBER,
    "avg": "double",
    "min": SAME,
    "max": SAME,
    "bool_or": "boolean",
    "bool_and": "boolean",
}
# Of a person's rows these pick a value; any other number depends on how many rows there are.
PICKING = frozenset(
    {"min", "max", "bool_or", "bool_and", "lag", "lead", "first_value", "last_value"}
)
RELEASED_AGGREGATES: Mapping[str, str] = {
    **GROUP_AGGREGATES,
    "median": "double",
    "stddev_samp": "double",
    "stddev_pop": "double",
    "var_samp": "double",
    "var_pop": "double",
}
AGGREGATE_ALIASES: Mapping[str, str] = {
    "mean": "avg",
    "countif": "count_if",
    "stddev": "stddev_samp",
    "variance": "var_samp",
    "logical_or": "bool_or",
    "logical_and": "bool_and",
}
PAIRED = frozenset(
    {
        "covar_pop",
        "covar_samp",
        "corr",
        "regr_slope",
        "regr_intercept",
        "regr_r2",
        "regr_count",
        "regr_avgx",
        "regr_avgy",
        "regr_sxx",
        "regr_syy",
        "regr_sxy",
    }
)
SQUARED = frozenset({"var_pop", "var_samp", "stddev_pop", "stddev_samp"})
RELEASES = (
    frozenset({"count_star", "count", "count_if", "sum", "avg", "approx_count_distinct"})
    | SQUARED
    | PAIRED
)
# Known aggregates that could return an input value, for a refusal that says so.
VALUE_AGGREGATES = frozenset(
    {
        "min", "max", "first", "last", "any_value", "arbitrary", "arg_min", "arg_max", "min_by",
        "max_by", "mode", "median", "quantile", "quantile_cont", "quantile_disc", "list",
        "array_agg", "string_agg", "group_concat", "listagg", "histogram", "bool_or", "bool_and",
        "bit_and", "bit_or", "bit_xor", "product", "mad", "skewness", "kurtosis", "entropy",
        "approx_quantile", "reservoir_quantile", "lttb", "bitstring_agg", "fsum", "kahan_sum",
        "sumkahan", "favg", "sem", "geomean", "geometric_mean", "approx_top_k", "wavg",
        "weighted_avg", "json_group_array", "json_group_object", "json_group_structure",
        "logical_or", "logical_and", "kurtosis_pop", "argmin", "argmax", "arg_min_null",
        "arg_max_null",
    }
)  # fmt: skip

_NO_DIVISION = "write a / b: division by zero gives NULL"
_NO_CLOCK = "write the moment as a literal, or declare a parameter"
# What analysts of other systems write, and what to write here.
INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(("safe_divide", "div0", "div0null"), _NO_DIVISION),
    **dict.fromkeys(("nvl", "zeroifnull", "isnull"), "write coalesce(a, b)"),
    **dict.fromkeys(("now", "getdate", "current_date", "current_timestamp", "today"), _NO_CLOCK),
    **dict.fromkeys(("dateadd", "date_add", "timestamp_add"), "write a + INTERVAL 7 DAY"),
    **dict.fromkeys(("timestamp_diff", "timestampdiff"), "write date_diff('day', a, b)"),
    **dict.fromkeys(("to_char", "format_date"), "write strftime(a, '%Y-%m')"),
    "iff": "write CASE WHEN a THEN b ELSE c END",
    "hll": "write approx_count_distinct(key)",
    "width_bucket": "write floor((a - 10) / 5)",
}

WINDOW_FUNCTIONS: Mapping[str, str] = {
    "row_number": "integer",
    "rank": "integer",
    "dense_rank": "integer",
    "percent_rank": "double",
    "cume_dist": "double",
    "ntile": "integer",
    "lag": SAME,
    "lead": SAME,
    "first_value": SAME,
    "last_value": SAME,
}


def is_aggregate(name: str) -> bool:
    """Tell whether a function computes one value of many rows."""
    canonical = AGGREGATE_ALIASES.get(name, name)
    return (
        canonical in RELEASES or canonical in RELEASED_AGGREGATES or canonical in VALUE_AGGREGATES
    )
