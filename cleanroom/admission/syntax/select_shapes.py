# SPDX-License-Identifier: Apache-2.0
"""The complete field lists of statements, SELECTs and set operations."""

from __future__ import annotations

from cleanroom.admission.syntax.node import Shape

STATEMENT = Shape(used=frozenset({"node", "named_param_map"}), neutral={})
SELECT = Shape(
    used=frozenset(
        {
            "type",
            "from_table",
            "where_clause",
            "group_sets",
            "cte_map",
            "aggregate_handling",
            "having",
            "qualify",
            "sample",
        }
    ),
    lists=frozenset({"select_list", "group_expressions", "modifiers"}),
    neutral={},
)
SET_OPERATION = Shape(
    used=frozenset({"setop_type", "setop_all", "cte_map"}),
    lists=frozenset({"children", "modifiers"}),
    neutral={"type": "SET_OPERATION_NODE", "left": None, "right": None},
)
CTE_MAP = Shape(used=frozenset(), lists=frozenset({"map"}), neutral={})
CTE_ENTRY = Shape(used=frozenset({"key", "value"}), neutral={})
CTE = Shape(
    used=frozenset({"query_node", "materialized"}),
    lists=frozenset({"aliases"}),
    neutral={"key_targets": [], "payload_aggregates": []},
    rules={
        "key_targets": ("recursive", "a recursive query", "aggregate without recursion"),
        "payload_aggregates": ("recursive", "a recursive query", "aggregate without recursion"),
    },
)
