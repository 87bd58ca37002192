# SPDX-License-Identifier: Apache-2.0
"""What a statement may do according to the signed documents; nothing of it comes from the query."""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.contract.policy_terms import Column, Policy, Role, Unit
from cleanroom.contract.types import ColumnType
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetClaim:
    """One dataset that the statement may read.

    Attributes:
        policy: The owner's policy.
        types: The columns that may be read, with their declared types.
    """

    policy: Policy
    types: Mapping[str, ColumnType]

    @property
    def unit(self) -> str:
        """The key column that is never NULL in a counted row; empty if nobody is protected."""
        return self.policy.unit.column if isinstance(self.policy.unit, Unit) else ""

    def column(self, name: str) -> Column:
        """Return a column with its role."""
        return self.policy.columns[name]

    def identifies_unit(self, column: Column) -> bool:
        """Tell whether equal values are equal units, so that counting values never counts more.

        A key beside the unit's own is a function of the unit where each unit has one row.
        """
        unit = self.policy.unit
        if not isinstance(unit, Unit):
            return False
        return column.name == unit.column or (unit.one_row and column.role is Role.KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementClaim:
    """What one statement of statistics may do.

    Attributes:
        datasets: Lineage to what may be read of it; nothing else may.
        links: Pairs of ``owner.table.column`` that the contract declares to identify alike.
        keys: How many group keys each row of the result starts with, after the unit's index.
        salt: How the parameters start that keep fingerprints of units secret.
    """

    datasets: Mapping[str, DatasetClaim]
    links: frozenset[frozenset[str]]
    keys: int
    salt: str
