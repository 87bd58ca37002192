# SPDX-License-Identifier: Apache-2.0
"""Name what an expression is when it is not what the gate admits.

An analyst who writes a list or a lambda should read that word and what to write instead,
and not that a parser was unhappy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.node import class_of, unknown

_KNOWN: Mapping[str, tuple[str, str, str]] = {
    "STAR": ("star", "a star here", "name every column"),
    "SUBQUERY": ("subquery", "a subquery here", "write it in FROM, or as a WITH query"),
    "WINDOW": ("window", "a window function here", "compute it in a subquery, then use its column"),
    "CASE": ("expression", "CASE here", "write a bare column"),
    "CAST": ("cast", "a cast here", "write a bare column"),
    "CONJUNCTION": ("expression", "AND or OR here", "write a bare column"),
    "COMPARISON": ("expression", "a comparison here", "write a bare column"),
    "BETWEEN": ("expression", "BETWEEN here", "write a bare column"),
    "OPERATOR": ("expression", "an operator that this gate does not know", "write a bare column"),
    "LAMBDA": ("expression", "a lambda", "write a bare column"),
    "CONSTANT": ("constant", "a constant here", "write a column"),
    "PARAMETER": ("constant", "a parameter here", "write a column"),
    "POSITIONAL_REFERENCE": ("positional", "a column by position", "name the column"),
    "DEFAULT": ("expression", "DEFAULT", "write a bare column"),
    "FUNCTION": ("function", "a function here", "write a bare column"),
}


def refuse_expression(node: object, *, place: Place) -> NoReturn:
    """Refuse an expression by what it is.

    Raises:
        QueryRefusedError: Always.
    """
    kind = class_of(node)
    if kind in _KNOWN:
        rule, found, fix = _KNOWN[kind]
        refuse(rule, found, fix=fix, place=place)
    unknown("an expression that this gate does not know", place=place)


def shown(name: object) -> str:
    """Quote a name from the query so that it cannot disturb a terminal."""
    text = name if isinstance(name, str) else "?"
    return ascii(text[:63])
