# SPDX-License-Identifier: Apache-2.0
"""The SELECT list: what it names, stars written out, and the names of its outputs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.scope import Scope, fold
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.node import PLACED, Shape, class_of, open_node, unknown
from cleanroom.kernel.record import dataclass

MAX_ITEMS = 256
_STAR = Shape(
    used=PLACED | {"relation_name"},
    lists=frozenset({"exclude_list", "replace_list"}),
    neutral={
        "alias": "",
        "class": "STAR",
        "type": "STAR",
        "columns": False,
        "expr": None,
        "qualified_exclude_list": [],
        "rename_list": [],
    },
    rules=dict.fromkeys(
        ("columns", "expr", "qualified_exclude_list", "rename_list"),
        (
            "star",
            "COLUMNS, or a star with RENAME or a qualified EXCLUDE",
            "name every column, or write * EXCLUDE (column) or * REPLACE (expression AS column)",
        ),
    ),
)
_REPLACED = Shape(used=frozenset({"key", "value"}), neutral={})
_DEFAULTS = {"count_star": "count_rows"}
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a SELECT list, without its alias.

    Attributes:
        node: The engine's tree of the expression.
        alias: The name that the query gives it; empty for none.
        place: Where it stands.
    """

    node: Any
    alias: str
    place: Place


def expand_items(
    nodes: Sequence[Any], scope: Scope, builder: Builder, *, near: Place
) -> tuple[Item, ...]:
    """Read a SELECT list.

    Raises:
        QueryRefusedError: Nothing or too much is selected, or a star has modifiers.
    """
    items: list[Item] = []
    for node in nodes:
        place = builder.place(node, near)
        if class_of(node) == "STAR":
            items += _star(node, scope, builder, place=place)
            continue
        if not isinstance(node, dict) or "alias" not in node:
            unknown("an output of no known form", place=place)
        written = node["alias"]
        alias = "" if written == "" else fold(written, what="alias", place=place)
        items.append(Item(node={**node, "alias": ""}, alias=alias, place=place))
    if not 0 < len(items) <= MAX_ITEMS:
        refuse(
            "outputs",
            f"{'no' if not items else f'more than {MAX_ITEMS}'} outputs",
            fix="select the aggregates that you need",
            place=near,
        )
    return tuple(items)


def _star(node: Any, scope: Scope, builder: Builder, *, place: Place) -> list[Item]:  # noqa: ANN401
    opened = open_node(node, _STAR, place=place)
    named = [(item.alias, name) for item in scope.bindings for name, _ in item.columns]
    if opened["relation_name"] != "":
        wanted = fold(opened["relation_name"], what="source", place=place)
        named = [pair for pair in named if pair[0] == wanted]
    else:
        visible = set(scope.visible())
        named = [
            ("" if name in scope.merged else item.alias, name)
            for item in scope.bindings
            for name, number in item.columns
            if (name, number) in visible or name in scope.merged
        ]
        named = list(dict.fromkeys(named))
    left_out = {fold(name, what="column", place=place) for name in opened["exclude_list"]}
    replaced = _replaced(opened["replace_list"], builder, place=place)
    # What its owner blocks is left out of every star already.
    blocked = {name for item in scope.bindings for name in item.blocked}
    for name in sorted((left_out - blocked | set(replaced)) - {name for _, name in named}):
        refuse(
            "unknown-column",
            f"no column {name} in what the star stands for",
            fix="leave the name out of EXCLUDE or REPLACE",
            place=place,
        )
    return [
        replaced.get(name) or _column_item(alias, name, place=place)
        for alias, name in named
        if name not in left_out
    ]


def _replaced(nodes: Sequence[Any], builder: Builder, *, place: Place) -> dict[str, Item]:
    """Read what stands in REPLACE: the expression of each column that a star gives otherwise."""
    found: dict[str, Item] = {}
    for node in nodes:
        opened = open_node(node, _REPLACED, place=place)
        name = fold(opened["key"], what="column", place=place)
        value = opened["value"]
        found[name] = Item(node=value, alias=name, place=builder.place(value, place))
    return found


def _column_item(alias: str, name: str, *, place: Place) -> Item:
    names = [alias, name] if alias else [name]
    node = {
        "class": "COLUMN_REF",
        "type": "COLUMN_REF",
        "alias": "",
        "query_location": 1 << 63,
        "query_location_length": 0,
        "column_names": names,
    }
    return Item(node=node, alias="", place=place)


def output_name(item: Item, *, position: int) -> str:
    """Name an output: by its alias, its column, or what it computes."""
    if item.alias:
        return item.alias
    kind = class_of(item.node)
    if kind == "COLUMN_REF":
        return fold(item.node["column_names"][-1], what="column", place=item.place)
    if kind == "FUNCTION" and not item.node.get("is_operator"):
        return _function_name(item.node)
    return f"column_{position + 1}"


def _function_name(node: Any) -> str:  # noqa: ANN401 - the engine's JSON
    name = str(node["function_name"]).lower()
    parts = [_DEFAULTS.get(name, name)]
    if node.get("distinct") is True:
        parts.append("distinct")
    for argument in node["arguments"]:
        expression = argument.get("expression")
        if class_of(expression) == "COLUMN_REF":
            parts.append(str(expression["column_names"][-1]).lower())
    made = _NOT_IN_NAMES.sub("_", "_".join(parts)).strip("_")
    return made[:63] or "value"
