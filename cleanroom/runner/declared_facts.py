# SPDX-License-Identifier: Apache-2.0
"""What policies declare about their data and a query relies on, as statements that must be true.

A party that brings data can weigh people: a person with a million rows moves a joint count by a
million, and a person under two identifiers counts twice. Its policy says that neither happens,
the others agreed to that, and only the runner can see whether it is so (T-13).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cleanroom.contract.policy_terms import Policy, Role, Unit
from cleanroom.contract.types import split_lineage
from cleanroom.runner.child_job import DeclaredFact


def declared_facts(
    read: Mapping[str, tuple[str, ...]], policies: Mapping[str, Policy]
) -> tuple[DeclaredFact, ...]:
    """List the facts that a query relies on; none if it reads one protected dataset by its key.

    Rows a unit matter where two datasets meet: within one they are its owner's own business, and
    the rules look at what they add up to. Keys are without NULL and measures within bounds by
    the way they are read, so there is nothing to verify.

    Args:
        read: Lineage to the columns that the query document declares.
        policies: Lineage to policy, for at least these.
    """
    units = {
        lineage: policies[lineage].unit
        for lineage in sorted(read)
        if isinstance(policies[lineage].unit, Unit)
    }
    facts: list[DeclaredFact] = []
    for lineage, unit in units.items():
        if isinstance(unit, Unit):
            keys = _other_keys(policies[lineage], unit, read[lineage])
            facts += _facts(lineage, unit, keys, joined=len(units) > 1)
    return tuple(facts)


def _other_keys(policy: Policy, unit: Unit, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Name the keys beside the unit's own that stand for a unit: those of one row a unit."""
    if not unit.one_row:
        return ()
    keys = [name for name in columns if policy.columns[name].role is Role.KEY]
    return tuple(name for name in keys if name != unit.column)


def _facts(
    lineage: str, unit: Unit, keys: tuple[str, ...], *, joined: bool
) -> Iterator[DeclaredFact]:
    if joined or keys:
        yield _at_most(1 if unit.one_row else unit.max_rows, lineage, unit.column)
    for name in keys:
        # Two units under one of these identifiers would be one person who counts twice.
        yield _at_most(1, lineage, name)


def _at_most(most: int, lineage: str, column: str) -> DeclaredFact:
    owner, table = split_lineage(lineage)
    name = _quoted(column)
    return DeclaredFact(
        sql=(
            "SELECT coalesce(max(n), 0) <= "  # noqa: S608 - names of signed documents, quoted
            f"{most} FROM (SELECT count(*) AS n FROM {_quoted(owner)}.{_quoted(table)} "
            f"WHERE {name} IS NOT NULL GROUP BY {name})"
        ),
        sentence=(
            f"{lineage}: found more rows with one {column} than its policy declares, "
            f"agreed at most {most}"
        ),
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
