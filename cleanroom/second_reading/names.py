# SPDX-License-Identifier: Apache-2.0
"""The names in a query text, as each of two parsers sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from sqlglot import expressions as exp

from cleanroom.kernel.record import dataclass

# How the second parser calls what the engine calls otherwise.
_ALSO = {
    "approx_distinct": "approx_count_distinct",
    "count_star": "count",
    "datepart": "date_part",
    "extract": "date_part",
    "datetrunc": "date_trunc",
    "timestamp_trunc": "date_trunc",
    "day_of_month": "day",
    "dayofmonth": "day",
    "day_of_week": "dayofweek",
    "weekday": "dayofweek",
    "dayofweek_iso": "isodow",
    "log10": "log",
    "log2": "log",
    "pad": "lpad",
    "rpad": "lpad",
    "today": "current_date",
    "time_to_unix": "epoch",
    "time_to_str": "strftime",
    "day_of_year": "dayofyear",
    "week_of_year": "week",
    "weekofyear": "week",
    "year_of_week": "isoyear",
    "ceiling": "ceil",
    "mean": "avg",
    "stddev": "stddev_samp",
    "variance": "var_samp",
    "variance_pop": "var_pop",
    "is_nan": "isnan",
    "is_inf": "isinf",
    "countif": "count_if",
    "logical_or": "bool_or",
    "logical_and": "bool_and",
    "substr": "substring",
    "ltrim": "trim",
    "rtrim": "trim",
    "lcase": "lower",
    "ucase": "upper",
    "position": "instr",
    "strpos": "instr",
    "str_position": "instr",
    "datediff": "date_diff",
    "prefix": "starts_with",
    "suffix": "ends_with",
    "date_bin": "time_bucket",
    "date_from_parts": "make_date",
}
# Syntax to one parser and a function to the other; the gate reads it from the engine's tree.
_SYNTAX = frozenset(
    {"and", "or", "xor", "not", "cast", "try_cast", "case", "if", "exists", "coalesce", "ifnull"}
    | {
        "nullif",
        "trunc",
        "array",
        "grouping",
        "grouping_id",
        "like_escape",
        "ilike_escape",
        "try",
        "concat",
    }
    | {"pow", "power", "mod", "in_search"}
)
_INTERVALS = frozenset(
    {"to_years", "to_months", "to_weeks", "to_days", "to_hours", "to_minutes", "to_seconds"}
    | {"to_milliseconds", "to_microseconds", "to_quarters", "to_decades", "to_centuries"}
)
_INTERVAL = "interval"
_NAMED = frozenset({"FUNCTION", "WINDOW"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What is named in a text.

    Attributes:
        tables: Schema and name of each table and how often; common ones have no schema.
        columns: Dotted names of columns as they are written; not how often, because the engine
            keeps a column of several grouping sets once.
        functions: Functions, in the engine's words.
        parameters: Names of parameters.
    """

    tables: Counter[str] = field(default_factory=Counter)
    columns: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    parameters: set[str] = field(default_factory=set)

    def add_function(self, name: str) -> None:
        """Note a function under the engine's word for it."""
        lower = name.lower()
        word = _INTERVAL if lower in _INTERVALS else _ALSO.get(lower, lower)
        if word not in _SYNTAX:
            self.functions.add(word)


def names_of_engine(tree: Any) -> Names:  # noqa: ANN401 - the engine's JSON
    """Collect names from the engine's syntax tree."""
    names = Names()
    for node in _nodes(tree):
        _note(node, names)
    return names


def _note(node: Mapping[str, Any], names: Names) -> None:
    kind = node.get("class")
    if node.get("type") == "BASE_TABLE":
        names.tables[_dotted(node.get("schema_name", ""), node["table_name"])] += 1
    elif kind == "COLUMN_REF":
        names.columns.add(_dotted(*node["column_names"]))
    elif kind == "STAR" and node.get("relation_name"):
        names.columns.add(_dotted(node["relation_name"], "*"))
    elif kind in _NAMED and not node.get("is_operator"):
        names.add_function(node["function_name"])
    elif kind == "PARAMETER":
        names.parameters.add(str(node.get("identifier", "")).lower())
    # Columns that a join merges, or that a star leaves out.
    for column in (*(node.get("using_columns") or ()), *(node.get("exclude_list") or ())):
        names.columns.add(_dotted(column))


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - the engine's JSON
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def names_of_second(tree: exp.Expr) -> Names:
    """Collect names from the second parser's syntax tree."""
    names = Names()
    for node in tree.walk():
        if isinstance(node, exp.Func | exp.Interval):
            names.add_function(_called(node))
        else:
            _note_second(node, names)
    return names


def _called(node: exp.Func | exp.Interval) -> str:
    if isinstance(node, exp.Interval):
        return _INTERVAL
    return node.name if isinstance(node, exp.Anonymous) else node.sql_names()[0]


def _note_second(node: exp.Expr, names: Names) -> None:
    match node:
        case exp.Table():
            names.tables[_dotted(node.db, node.name)] += 1
        case exp.Column():
            names.columns.add(_dotted(*(part.name for part in node.parts)))
        case exp.Join():
            names.columns.update(column.name.lower() for column in node.args.get("using") or ())
        case exp.Parameter() | exp.Placeholder():
            names.parameters.add(node.name.lower())


def _dotted(*parts: str) -> str:
    return ".".join(part.lower() for part in parts if part)
