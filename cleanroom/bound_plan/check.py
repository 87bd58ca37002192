# SPDX-License-Identifier: Apache-2.0
"""Check a generated statement by the engine's own plan before it may meet any data."""

from __future__ import annotations

from collections.abc import Iterator

from cleanroom.bound_plan.claim import StatementClaim
from cleanroom.bound_plan.engine_plan import bound_plan
from cleanroom.bound_plan.node import Fields, Unread, open_node, type_of
from cleanroom.bound_plan.operators import Walker
from cleanroom.bound_plan.refusal import refuse_plan, require
from cleanroom.bound_plan.relation import Meaning, Relation
from cleanroom.kernel.record import dataclass

_LIMIT = Fields(
    used=frozenset({"children", "limit_val"}),
    fixed={"offset_val": {"type": "UNSET", "constant_percentage": -1.0}},
)
_UNION = Fields(used=frozenset({"children"}))
_COUNTED = "units of every protected scan, each counted by its owner's key"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedStatement:
    """Proof that a statement's plan counts everybody; :func:`check_statement` mints it.

    Attributes:
        sql: The statement, byte for byte as it was checked.
    """

    sql: str


def check_statement(sql: str, claim: StatementClaim) -> CheckedStatement:
    """Check a statement of statistics against what the signed documents allow.

    Raises:
        AdmissionRefusedError: Its plan does something that is not listed, or loses somebody.
        UnavailableError: The engine is not the version whose plans are known.
    """
    # 1. One statement that the engine binds on the declared columns alone and can write down:
    # what has no plan is refused (T-10).
    root = bound_plan(sql, claim)
    walker = Walker(claim)
    try:
        # 2. Operators, functions and scans of the closed lists; every row with its unit; people
        # joined by keys; identifiers never looked into (T-08, T-10, T-13).
        branches = list(_branches(root, walker))
    except RecursionError:
        branches = []
    require(
        bool(branches), "nesting", "a plan that nests too deeply", agreed="a plan of bounded depth"
    )
    # 3. Each branch is about groups and starts with its number and the group's keys (T-08).
    counted = [_counted(branch, claim) for branch in branches]
    # 4. Every protected scan is counted in every group by its unit's key: a name that was
    # captured, or a unit that was forged, ends here (T-08, T-13).
    missing = set(range(len(walker.scans))) - set().union(*counted)
    for scan in sorted(missing):
        refuse_plan("unit", f"{walker.scans[scan]} read and nobody counted", agreed=_COUNTED)
    return CheckedStatement(sql=sql)


def _branches(node: Unread, walker: Walker) -> Iterator[Relation]:
    """Read the selects of the statement one by one, below its limit and its common tables."""
    match type_of(node):
        case "LOGICAL_LIMIT":
            opened = open_node(node, _LIMIT)
            require(
                opened["limit_val"]["type"] == "CONSTANT_VALUE",
                "limit",
                "a computed limit",
                agreed="a constant",
            )
            [child] = opened["children"]
            yield from _branches(child, walker)
        case "LOGICAL_MATERIALIZED_CTE":
            yield from _branches(walker.define(node), walker)
        case "LOGICAL_UNION":
            for child in open_node(node, _UNION)["children"]:
                yield from _branches(child, walker)
        case _:
            yield walker.read(node)


def _counted(branch: Relation, claim: StatementClaim) -> frozenset[int]:
    """Check the layout of one branch and name the scans whose units it counts."""
    first, *rest = branch.columns
    require(
        first.meaning is Meaning.CONSTANT and first.name.lstrip("-").isdigit(),
        "layout",
        "a branch without its number",
        agreed="the unit's index first",
    )
    require(
        branch.is_statistics or not branch.is_protected,
        "rows",
        "rows that belong to single units",
        agreed="statistics of groups",
    )
    keys, statistics = rest[: claim.keys], rest[claim.keys :]
    require(
        len(keys) == claim.keys and bool(statistics),
        "layout",
        "fewer columns",
        agreed="the group's keys, then its statistics",
    )
    for column in branch.columns:
        require(
            not column.is_identifier, "identifier", "an identifier in the result", agreed="numbers"
        )
    for key in keys:
        require(
            key.meaning in {Meaning.PLAIN, Meaning.CONSTANT},
            "layout",
            f"a {key.meaning.value} among the group's keys",
            agreed="plain columns",
        )
    if int(first.name) < 0 or not branch.is_protected:
        return frozenset()
    require(
        bool(branch.grain) and statistics[0].meaning is Meaning.UNITS,
        "layout",
        "a branch that does not count units",
        agreed="the number of units after the keys",
    )
    return statistics[0].units
