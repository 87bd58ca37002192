# SPDX-License-Identifier: Apache-2.0
"""What a query may name: datasets, their policies, their columns, the contract's links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from cleanroom.contract.policy_terms import Policy
from cleanroom.contract.types import ColumnType
from cleanroom.kernel.record import dataclass

Schema: TypeAlias = tuple[tuple[str, ColumnType], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything outside the query text that admission depends on.

    Attributes:
        datasets: Lineage to its policy and its columns in file order.
        links: Pairs of ``owner.table.column`` whose identifiers the contract declares equal.
    """

    datasets: Mapping[str, tuple[Policy, Schema]]
    links: frozenset[frozenset[str]]
