# SPDX-License-Identifier: Apache-2.0
"""Generate the statistics that the rules are decided on: one pass over (group, unit) partials.

Row level is read once. Everything a rule asks about a unit is in one row of the
per-unit table, and everything about a group is an aggregate of that table.
"""

from __future__ import annotations

from collections.abc import Iterable

from cleanroom.contract.rules import Rules
from cleanroom.disclosure.layout import Layout, VectorKind, VectorPlan, plan_layout
from cleanroom.disclosure.shape import ReleaseShape

MAX_GROUPS = 100_000
SHARED = -1  # the unit index of rows that hold totals over a whole group


def statistics_sql(
    base_sql: str, *, shape: ReleaseShape, rules: Rules, prefix: str, max_groups: int = MAX_GROUPS
) -> str:
    """Write one statement over the row-level columns; it uses ``$<prefix>salt<unit>``.

    Raises:
        DisclosureRefusedError: The shape and the rules do not belong together.
    """
    layout = plan_layout(shape, rules)
    writer = _Writer(layout, prefix)
    units = range(max(1, len(shape.units)))
    tables = [f"{writer.name('base')} AS MATERIALIZED (\n{base_sql}\n)"]
    tables += [f"{writer.per(unit)} AS (\n{writer.per_unit(unit)}\n)" for unit in units]
    selects = [writer.per_group(unit) for unit in units]
    if layout.shared:
        selects.append(writer.shared_totals())
    # One more than the limit, so that too many groups are seen and never cut off silently.
    limit = max_groups * layout.selects + 1
    return f"WITH {', '.join(tables)}\n{' UNION ALL '.join(selects)}\nLIMIT {limit}"


def salt_parameter(prefix: str, unit: int) -> str:
    """Name the parameter to which the salt (a string) of one unit's fingerprints is bound.

    Each owner's units have a salt of their own that no other party knows: with a
    known one, a party could make up an identifier that collides with a victim's (T-13).
    """
    return f"{prefix}salt{unit}"


class _Writer:
    """Writes the parts of one statement behind one prefix."""

    def __init__(self, layout: Layout, prefix: str) -> None:
        self._layout = layout
        self._prefix = prefix
        self._keys = [self.name(f"k{index}") for index in range(len(layout.shape.keys))]

    def name(self, name: str) -> str:
        """Quote an internal name; nothing else is ever named here."""
        return f'"{self._prefix}{name}"'

    def per(self, unit: int) -> str:
        return self.name(f"per{unit}")

    def per_unit(self, unit: int) -> str:
        """Write the partials: one row for each group and unit."""
        named = bool(self._layout.shape.units)
        column = self.name(f"u{unit}") if named else "0"
        salt = f"${salt_parameter(self._prefix, unit)}::VARCHAR"
        outputs = [
            *self._keys,
            f"hash({salt}, {column}::VARCHAR) AS {self.name('h')}",
            f"count(*) AS {self.name('n')}",
        ]
        outputs += [
            f"{self._contribution(plan, unit)} AS {self.name(plan.name)}"
            for plan in self._layout.vectors
        ]
        for index in range(self._layout.shape.branches):
            # What is neither true nor false is on neither side, so it is an error upstream.
            outputs.append(f"bool_or({self.name(f'b{index}')}) AS {self.name(f'bt{index}')}")
            outputs.append(f"bool_or(NOT {self.name(f'b{index}')}) AS {self.name(f'bf{index}')}")
        groups = [*self._keys, *([column] if named else [])]
        return _select(outputs, source=self.name("base"), groups=groups)

    def per_group(self, unit: int) -> str:
        """Write the statistics of every group about one kind of unit."""
        outputs = [str(unit), *self._keys, "count(*)"]
        for plan in self._layout.vectors:
            outputs += self._vector(plan)
        outputs += self._masks()
        for index in self._layout.measures:
            outputs += self._usual(index)
        for index in range(self._layout.shape.branches):
            outputs.append(f"count_if({self.name(f'bt{index}')})")
            outputs.append(f"count_if({self.name(f'bf{index}')})")
        return _select(outputs, source=self.per(unit), groups=self._keys)

    def shared_totals(self) -> str:
        """Write totals of what several units can share, such as a row id in a join."""
        outputs = [str(SHARED), *self._keys, "count(*)"]
        for plan in self._layout.vectors:
            total = "NULL"
            if plan.kind is VectorKind.DISTINCT:
                total = f"count(DISTINCT {self.name(f'a{plan.index}')})"
            outputs += ["NULL"] if plan.kind is VectorKind.MEMBERS else [total, *["NULL"] * 4]
        empty = 2 + 3 * len(self._layout.measures) + 2 * self._layout.shape.branches
        outputs += ["NULL"] * empty
        return _select(outputs, source=self.name("base"), groups=self._keys)

    def _contribution(self, plan: VectorPlan, unit: int) -> str:
        argument = self.name(f"a{plan.index}")
        if plan.kind is VectorKind.UNITS:
            same = plan.index == unit
            return "1" if same else f"count(DISTINCT {self.name(f'u{plan.index}')})"
        return {
            VectorKind.MEMBERS: "1",
            VectorKind.ROWS: "count(*)",
            VectorKind.PRESENT: f"count({argument})",
            VectorKind.SUM: f"coalesce(sum({argument}), 0)",
            VectorKind.DISTINCT: f"count(DISTINCT {argument})",
        }[plan.kind]

    def _vector(self, plan: VectorPlan) -> list[str]:
        column = self.name(plan.name)
        # The fingerprint of a zero is left out: contributing nothing is not contributing.
        # A double tells contributions apart to 53 bits, whatever type they were summed in.
        # The highest bit is set so that every fingerprint has 16 hexadecimal digits.
        prints = f"hex(hash({self.name('h')}, {column}::DOUBLE) | {1 << 63}::UBIGINT)"
        joined = (
            f"CASE WHEN count(*) >= {self._layout.threshold} "
            f"THEN string_agg({prints}, '') FILTER (WHERE {column} <> 0) END"
        )
        if plan.kind is VectorKind.MEMBERS:
            return [joined]
        return [
            f"sum({column})",
            f"sum(abs({column}))",
            f"max(abs({column}), {self._layout.largest})",
            f"count_if({column} <> 0)",
            joined,
        ]

    def _masks(self) -> list[str]:
        """Write how many units contribute to which arguments: one bit an argument."""
        bits = [
            f"(CASE WHEN {self.name(plan.name)} > 0 THEN {1 << plan.index} ELSE 0 END)"
            for plan in self._layout.vectors
            if plan.kind in {VectorKind.PRESENT, VectorKind.DISTINCT}
        ]
        mask = f"histogram(({' + '.join(bits) or '0'})::BIGINT)"
        return [f"map_keys({mask})", f"map_values({mask})"]

    def _usual(self, index: int) -> list[str]:
        """Write what tells how many units differ from the usual contribution to a sum.

        What a unit adds counts, not its rows: an absent value beside a present one, or
        two rows that add up, must not make everybody unusual. The threshold's number of
        smallest and largest contributions suffice: nothing is sorted or hashed.
        """
        total = self.name(VectorPlan(kind=VectorKind.SUM, index=index).name)
        present = self.name(VectorPlan(kind=VectorKind.PRESENT, index=index).name)
        added = f"CASE WHEN {present} > 0 THEN {total} END"
        threshold = self._layout.threshold
        return [
            f"count({added})",
            f"min({added}, {2 * threshold})",
            f"max({added}, {threshold})",
        ]


def _select(outputs: Iterable[str], *, source: str, groups: Iterable[str]) -> str:
    # Without keys the engine would make up a group of nobody, hence the HAVING.
    by = ", ".join(groups)
    grouped = f"GROUP BY {by}" if by else "HAVING count(*) > 0"
    return f"SELECT {', '.join(outputs)} FROM {source} {grouped}"  # noqa: S608 - internal names
