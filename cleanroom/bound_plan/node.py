# SPDX-License-Identifier: Apache-2.0
"""Read nodes of a plan so that nothing in them is overlooked.

Default values are left out by the engine, so each known node lists the fields that may be
there: those that are read, those that mean nothing here, those with the one value they may have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeAlias

from cleanroom.bound_plan.refusal import refuse_plan
from cleanroom.kernel.record import dataclass

Node: TypeAlias = Mapping[str, Any]
Unread: TypeAlias = Any  # a part of the engine's JSON that nobody has looked at yet

# Where in the text, under which name, with which number: none of it changes what runs.
_IGNORED = frozenset(
    {"alias", "query_location", "query_location_length", "table_index", "window_index"}
    | {"group_index", "aggregate_index", "groupings_index", "has_serialize", "arguments"}
    | {"return_type", "column_count"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The complete field list of one kind of node.

    Attributes:
        used: Fields that the caller reads; absent ones have their default.
        fixed: Fields with the one value that they may have.
    """

    used: frozenset[str] = frozenset()
    fixed: Mapping[str, object] = field(default_factory=dict)


def open_node(node: object, fields: Fields) -> Node:
    """Return a node once every field of it is accounted for.

    Raises:
        AdmissionRefusedError: A field that is unknown or has another value.
    """
    if not isinstance(node, dict):
        refuse_plan("shape", "something that is no node", agreed="a plan of known nodes")
    for name, value in node.items():
        if name in fields.used or name in _IGNORED or name in {"type", "expression_class"}:
            continue
        if name not in fields.fixed or fields.fixed[name] != value:
            refuse_plan("shape", f"a field {name} with a meaning of its own", agreed="known fields")
    return node


def type_of(node: object) -> str:
    """Name the kind of a node.

    Raises:
        AdmissionRefusedError: It has none.
    """
    kind = node.get("type") if isinstance(node, dict) else None
    if not isinstance(kind, str):
        refuse_plan("shape", "a node without a type", agreed="a plan of known nodes")
    return kind


def path_of(node: Node) -> tuple[str, ...]:
    """Give the full name of the function that a node calls."""
    return tuple(node.get("qname", {}).get("path", ()))
