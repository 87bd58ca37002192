# SPDX-License-Identifier: Apache-2.0
"""Split a condition into what must hold together."""

from __future__ import annotations

from typing import Any

from cleanroom.admission.refusal import Locator, Place, refuse
from cleanroom.admission.syntax.node import PLACED, Shape, open_node, place_of, type_of

MAX_CONDITIONS = 64

_CONJUNCTION = Shape(
    used=PLACED,
    lists=frozenset({"children"}),
    neutral={"alias": "", "class": "CONJUNCTION", "type": "CONJUNCTION_AND"},
)


def conjuncts(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    locator: Locator,
    near: Place,
) -> list[Any]:
    """Split nested ANDs, without recursion.

    Raises:
        QueryRefusedError: More conditions than the limit.
    """
    waiting, found = [node], []
    while waiting:
        node = waiting.pop()
        if type_of(node) == "CONJUNCTION_AND":
            place = place_of(node, locator=locator, near=near)
            waiting.extend(reversed(open_node(node, _CONJUNCTION, place=place)["children"]))
        else:
            found.append(node)
    if len(found) > MAX_CONDITIONS:
        refuse(
            "conditions",
            f"more than {MAX_CONDITIONS} conditions",
            fix="use IN (...) instead of many comparisons",
            place=near,
        )
    return found
