# SPDX-License-Identifier: Apache-2.0
"""Read nodes of the engine's tree so that nothing in them is overlooked.

Each known node lists every field it has: the ones the gate uses, and the
neutral value of the others. A field that is new, missing or not neutral is a refusal,
so an engine that learns new syntax cannot smuggle it past the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, NoReturn, TypeAlias

from cleanroom.admission.refusal import Locator, Place, refuse
from cleanroom.kernel.record import dataclass

Node: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The complete field list of one kind of node.

    Attributes:
        used: Fields that the caller reads and checks.
        lists: Fields that the caller walks through.
        neutral: Every other field with the one value it may have.
        rules: Field to (rule, what was found, fix) for a helpful refusal.
    """

    used: frozenset[str]
    lists: frozenset[str] = frozenset()
    neutral: Mapping[str, object]
    rules: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)


PLACED = frozenset({"query_location", "query_location_length"})


def open_node(node: object, shape: Shape, *, place: Place) -> Node:
    """Return the node once every field of it is accounted for.

    Raises:
        QueryRefusedError: A field that is unknown, missing or not neutral.
    """
    if not isinstance(node, dict):
        unknown("an unknown construct", place=place)
    for name, neutral in shape.neutral.items():
        if name in node and node[name] != neutral:
            _refuse_field(name, shape, place=place)
    if set(node) != shape.used | shape.lists | set(shape.neutral) or not all(
        isinstance(node[name], list) for name in shape.lists
    ):
        unknown("syntax that this gate does not know", place=place)
    return node


def type_of(node: object) -> str:
    """Return what kind of node this is; empty for anything that is not one."""
    return _text(node, "type")


def class_of(node: object) -> str:
    """Return what class of expression this is; empty for anything that is not one."""
    return _text(node, "class")


def _text(node: object, name: str) -> str:
    value = node.get(name) if isinstance(node, dict) else None
    return value if isinstance(value, str) else ""


def unknown(found: str, *, place: Place) -> NoReturn:
    """Refuse what the gate has no name for.

    Raises:
        QueryRefusedError: Always.
    """
    refuse(
        "unknown-syntax",
        found,
        fix="use SELECT columns and aggregates FROM datasets WHERE comparisons GROUP BY columns",
        place=place,
    )


def place_of(node: object, *, locator: Locator, near: Place) -> Place:
    """Find where a node stands; one without a place stands where its parent does."""
    offset = _offset(node)
    return near if offset < 0 else locator.place(offset)


def block_place(node: object, *, locator: Locator, near: Place) -> Place:
    """Find where a SELECT or set operation begins; the engine gives places to outputs only."""
    while isinstance(node, dict) and isinstance(node.get("children"), list) and node["children"]:
        node = node["children"][0]
    outputs = node.get("select_list") if isinstance(node, dict) else None
    offset = _offset(outputs[0]) if isinstance(outputs, list) and outputs else -1
    return near if offset < 0 else locator.select(offset)


def _offset(node: object) -> int:
    offset = node.get("query_location") if isinstance(node, dict) else None
    # The engine writes 2**64 - 1 where it has no location.
    return offset if isinstance(offset, int) and 0 <= offset < 1 << 62 else -1


def _refuse_field(name: str, shape: Shape, *, place: Place) -> NoReturn:
    if name in shape.rules:
        rule, found, fix = shape.rules[name]
        refuse(rule, found, fix=fix, place=place)
    unknown(f"the clause {name.replace('_', ' ')}", place=place)
