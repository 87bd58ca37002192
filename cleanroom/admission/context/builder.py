# SPDX-License-Identifier: Apache-2.0
"""What lowering one query accumulates: column numbers and their facts, stages, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cleanroom.admission.catalog import Catalog
from cleanroom.admission.context.facts import ColumnFacts
from cleanroom.admission.refusal import Locator, Place, refuse
from cleanroom.admission.syntax.node import block_place, place_of
from cleanroom.admission.typed.tree import SourceColumn, Stage
from cleanroom.contract.policy_terms import Policy
from cleanroom.contract.types import ParameterType

MAX_SOURCES = 32  # datasets and subqueries in all, each use of a WITH query counted
MAX_BLOCKS = 64
MAX_STAGES = 8
MAX_COLUMN_NUMBERS = 20_000


class Builder:
    """The state of lowering one query.

    Attributes:
        catalog: What the query may name.
        locator: Turns offsets into lines and columns.
        parameters: Declared parameters and their types.
        columns: Facts of every column by number.
        stages: Releases so far.
        used_parameters: Parameters met so far.
        granted: What owners and contract granted that was made use of so far.
    """

    def __init__(
        self, *, catalog: Catalog, locator: Locator, parameters: Mapping[str, ParameterType]
    ) -> None:
        """Begin with nothing."""
        self.catalog = catalog
        self.locator = locator
        self.parameters = parameters
        self.columns: dict[int, ColumnFacts] = {}
        self.stages: list[Stage] = []
        self.used_parameters: set[str] = set()
        self.granted: set[str] = set()
        self._identities: dict[str, int] = {}
        self._sources = 0
        self._blocks = 0

    def new(self, facts: ColumnFacts) -> int:
        """Number a new column.

        Raises:
            QueryRefusedError: More columns than any honest query has.
        """
        number = len(self.columns)
        if number >= MAX_COLUMN_NUMBERS:
            refuse("size", f"more than {MAX_COLUMN_NUMBERS} columns", fix="select fewer columns")
        self.columns[number] = facts
        return number

    def place(self, node: Any, near: Place) -> Place:  # noqa: ANN401 - the engine's JSON
        """Find where a node stands."""
        return place_of(node, locator=self.locator, near=near)

    def block_place(self, node: Any, near: Place) -> Place:  # noqa: ANN401 - the engine's JSON
        """Find where a SELECT or set operation begins."""
        return block_place(node, locator=self.locator, near=near)

    def policy_of(self, column: SourceColumn) -> Policy:
        """Return the policy of a column's dataset."""
        return self.catalog.datasets[column.lineage][0]

    def protected(self, lineages: frozenset[str]) -> frozenset[str]:
        """Return those of some datasets whose rows belong to units."""
        datasets = self.catalog.datasets
        return frozenset(name for name in lineages if not datasets[name][0].is_public)

    def count_source(self, place: Place) -> None:
        """Count one dataset or subquery that is read.

        Raises:
            QueryRefusedError: WITH queries that use each other often multiply without end.
        """
        self._sources += 1
        if self._sources > MAX_SOURCES:
            refuse(
                "sources",
                f"more than {MAX_SOURCES} datasets and subqueries, each use of a WITH counted",
                fix="use each WITH query once or twice",
                place=place,
            )

    def count_block(self, place: Place) -> None:
        """Count one SELECT.

        Raises:
            QueryRefusedError: More than the limit.
        """
        self._blocks += 1
        if self._blocks > MAX_BLOCKS:
            refuse(
                "blocks", f"more than {MAX_BLOCKS} SELECTs", fix="ask several queries", place=place
            )

    def add_stage(self, stage: Stage, *, identity: str, place: Place) -> int:
        """Add a release and return its number; an identical one is the same release.

        Raises:
            QueryRefusedError: More than the limit.
        """
        if identity in self._identities:
            return self._identities[identity]
        if len(self.stages) >= MAX_STAGES:
            refuse(
                "releases",
                f"more than {MAX_STAGES} releases in one query",
                fix="ask several queries",
                place=place,
            )
        self.stages.append(stage)
        self._identities[identity] = len(self.stages) - 1
        return self._identities[identity]
