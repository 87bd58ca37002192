# SPDX-License-Identifier: Apache-2.0
"""Name what an expression is when it is not what the gate admits.

Most refusals are here: an analyst who writes CASE or arithmetic should read that
word and what to write instead, and not that a parser was unhappy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from cleanroom.admission.node import class_of, unknown
from cleanroom.admission.refusal import Place, refuse

_KNOWN: Mapping[str, tuple[str, str, str]] = {
    "STAR": ("star", "a star", "name every column, and aggregate it"),
    "SUBQUERY": ("subquery", "a subquery", "join the dataset on its key instead"),
    "WINDOW": ("window", "a window function", "aggregate with GROUP BY instead"),
    "CASE": ("case", "CASE", "filter with WHERE, or group by the column itself"),
    "CAST": ("cast", "a cast", "use the column as its owner declared it"),
    "CONJUNCTION": ("expression", "AND or OR here", "join comparisons with AND in WHERE"),
    "COMPARISON": ("expression", "a comparison here", "write comparisons in WHERE"),
    "BETWEEN": ("expression", "BETWEEN here", "write comparisons in WHERE"),
    "OPERATOR": ("expression", "an operator", "write a bare column"),
    "LAMBDA": ("expression", "a lambda", "write a bare column"),
    "CONSTANT": ("constant", "a constant", "write a column, or count(*)"),
    "PARAMETER": ("constant", "a parameter here", "use parameters in WHERE only"),
    "POSITIONAL_REFERENCE": ("positional", "a column by position", "name the column"),
    "DEFAULT": ("expression", "DEFAULT", "write a bare column"),
    "COLUMN_REF": ("expression", "a column here", "compare a column with a value"),
}


def refuse_expression(node: object, *, place: Place) -> NoReturn:
    """Refuse an expression by what it is.

    Raises:
        QueryRefusedError: Always.
    """
    kind = class_of(node)
    if isinstance(node, dict) and kind == "FUNCTION":
        _refuse_function(node, place=place)
    if kind in _KNOWN:
        rule, found, fix = _KNOWN[kind]
        refuse(rule, found, fix=fix, place=place)
    unknown("an expression that this gate does not know", place=place)


def _refuse_function(node: Mapping[str, object], *, place: Place) -> NoReturn:
    if node.get("is_operator"):
        refuse(
            "arithmetic",
            "arithmetic or an operator",
            fix="release the plain aggregates and compute with the result",
            place=place,
        )
    refuse(
        "function",
        f"the function {shown(node.get('function_name'))}",
        fix="use count, count(DISTINCT key), sum and avg of a bare column",
        place=place,
    )


def shown(name: object) -> str:
    """Quote a name from the query so that it cannot disturb a terminal."""
    text = name if isinstance(name, str) else "?"
    return ascii(text[:63])
