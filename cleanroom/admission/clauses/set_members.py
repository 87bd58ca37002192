# SPDX-License-Identifier: Apache-2.0
"""INTERSECT and EXCEPT of people: those of one list who are, or are not, on another one too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cleanroom.admission.clauses.unit_level import distinct_rows
from cleanroom.admission.context.clause import Clause, Environment
from cleanroom.admission.context.facts import Level
from cleanroom.admission.context.lowered import Block, ref
from cleanroom.admission.context.scope import NOWHERE
from cleanroom.admission.expressions.semijoins import match
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.node import Node
from cleanroom.admission.typed.relation import MatchKind

MEMBERS: Mapping[str, MatchKind] = {"INTERSECT": MatchKind.SEMI, "EXCEPT": MatchKind.ANTI}


def members(opened: Node, blocks: Sequence[Block], env: Environment, *, place: Place) -> Block:
    """Keep the units of the first input that are, or are not, in the second one.

    Each input is a list of one unit's keys, so this is the SEMI or ANTI JOIN of distinct units.

    Raises:
        QueryRefusedError: Anything but two lists of keys.
    """
    keyed = (
        len(blocks) == 2  # noqa: PLR2004 - as the engine nests them
        and opened["setop_all"] is False
        and blocks[0].lowered.level is Level.PROTECTED
        and len(blocks[0].outputs) == 1
        and all(_is_identifier(block, env) for block in blocks)
    )
    if not keyed:
        refuse(
            "set-operation",
            "INTERSECT or EXCEPT of more than lists of one unit's key",
            fix="select the key alone in both inputs; of released rows, join them",
            place=place,
        )
    one, other = blocks
    clause = Clause(env, NOWHERE, Level.PROTECTED)
    pairs = [(ref(env.builder, one.outputs[0][1]), other.outputs[0][1])]
    kind = MEMBERS[opened["setop_type"]]
    match(clause, other.lowered, pairs, kind=kind, unknown=False, place=place)
    kept = Block(lowered=clause.apply(one.lowered), outputs=one.outputs)
    return distinct_rows(kept, env.builder, place=place)


def _is_identifier(block: Block, env: Environment) -> bool:
    return bool(env.builder.columns[block.outputs[0][1]].identifiers)
