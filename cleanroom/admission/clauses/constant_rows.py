# SPDX-License-Identifier: Apache-2.0
"""VALUES: rows of constants, which are what ``SELECT 1, 'a' UNION ALL SELECT 2, 'b'`` says."""

from __future__ import annotations

from typing import Any

from cleanroom.admission.clauses.rows import fact_of
from cleanroom.admission.clauses.unions import united
from cleanroom.admission.context.clause import Clause, Environment
from cleanroom.admission.context.facts import Level
from cleanroom.admission.context.lowered import NOTHING, Block
from cleanroom.admission.context.scope import NOWHERE
from cleanroom.admission.expressions.lower import lower
from cleanroom.admission.expressions.values import is_constant_node
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.node import PLACED, Shape, open_node, type_of
from cleanroom.admission.typed.expr import Expr

MAX_ROWS = 64
_VALUES = Shape(
    used=PLACED | {"type", "alias"},
    lists=frozenset({"values"}),
    neutral={"sample": None, "expected_types": [], "expected_names": []},
)


def lower_values(node: Any, env: Environment, *, place: Place) -> Block:  # noqa: ANN401
    """Lower VALUES; its columns are called col0, col1 and so on, as in the engine.

    Raises:
        QueryRefusedError: Not rows of constants, of one width, or too many.
    """
    rows = open_node(node, _VALUES, place=place)["values"]
    if len({len(row) for row in rows}) != 1 or not rows[0]:
        refuse(
            "values",
            "VALUES of no known form",
            fix="write (VALUES (1, 'a'), (2, 'b')) AS t(x, y)",
            place=place,
        )
    if len(rows) > MAX_ROWS:
        refuse(
            "values",
            f"VALUES of more than {MAX_ROWS} rows",
            fix="use fewer rows, or a public dataset of the contract",
            place=place,
        )
    blocks = [_row(row, env, place=place) for row in rows]
    return blocks[0] if len(blocks) == 1 else united(blocks, env.builder, place)


def _row(row: list[Any], env: Environment, *, place: Place) -> Block:
    clause = Clause(env, NOWHERE, Level.RELEASED)
    builder = env.builder
    outputs: list[tuple[str, int]] = []
    computed: list[tuple[int, Expr]] = []
    for item in row:
        at = builder.place(item, place)
        # A number below zero is a call of its own.
        if not is_constant_node(item) and type_of(item) not in {"FUNCTION", "OPERATOR_CAST"}:
            refuse("values", "VALUES of more than constants", fix="write literals", place=at)
        expr = lower(item, clause, near=at)
        facts, _ = fact_of(expr, builder, level=Level.RELEASED, place=at)
        column = builder.new(facts)
        outputs.append((f"col{len(outputs)}", column))
        computed.append((column, expr))
    return Block(lowered=NOTHING.extended(computed), outputs=tuple(outputs))
