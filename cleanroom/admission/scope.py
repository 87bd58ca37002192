# SPDX-License-Identifier: Apache-2.0
"""Resolve names: every column of a query to one column of one scan, or refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from cleanroom.admission.catalog import Catalog
from cleanroom.admission.expressions import refuse_expression, shown
from cleanroom.admission.node import PLACED, Shape, class_of, open_node
from cleanroom.admission.refusal import Locator, Place, refuse
from cleanroom.admission.tree import Scan, SourceColumn
from cleanroom.contract.policy_terms import Policy, Role
from cleanroom.contract.types import COLUMN, ColumnType

COLUMN_REF = Shape(
    used=PLACED | {"alias"},
    lists=frozenset({"column_names"}),
    neutral={"class": "COLUMN_REF", "type": "COLUMN_REF"},
)
_IDENTIFIER = re.compile(COLUMN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One scan with what its names may mean."""

    scan: Scan
    alias: str
    aliased: bool
    policy: Policy
    types: Mapping[str, ColumnType]

    def column(self, name: str) -> SourceColumn:
        """Return one column, which must exist."""
        return SourceColumn(
            scan=self.scan.index,
            lineage=self.scan.lineage,
            column=self.policy.columns[name],
            type=self.types[name],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The scans that names of one clause may refer to."""

    sources: tuple[Source, ...]
    catalog: Catalog
    locator: Locator

    def policy_of(self, column: SourceColumn) -> Policy:
        """Return the policy of a column's owner."""
        return self.sources[column.scan].policy


def fold(name: object, *, what: str, place: Place, form: re.Pattern[str] = _IDENTIFIER) -> str:
    """Fold a name as the engine does, for plain names only.

    Raises:
        QueryRefusedError: Not a plain name: lower case and no look-alikes are left to guess.
    """
    if not isinstance(name, str) or not name.isascii() or not form.fullmatch(name.lower()):
        refuse(
            "name",
            f"the {what} {shown(name)}",
            fix="use letters a-z, digits and underscores, at most 63",
            place=place,
        )
    return name.lower()


def resolve_column(node: Any, *, scope: Scope, place: Place) -> SourceColumn:  # noqa: ANN401
    """Resolve a bare column reference.

    Raises:
        QueryRefusedError: Not a bare column, unknown, ambiguous or blocked.
    """
    if class_of(node) != "COLUMN_REF":
        refuse_expression(node, place=place)
    reference = open_node(node, COLUMN_REF, place=place)
    if reference["alias"] != "":
        refuse("alias", "an alias here", fix="write the column alone", place=place)
    names = [fold(name, what="column", place=place) for name in reference["column_names"]]
    found = _candidates(names, scope=scope, place=place)
    if not found:
        _refuse_unknown(names, scope=scope, place=place)
    if len(found) > 1:
        refuse(
            "ambiguous-name",
            f"the column {names[-1]}, which several datasets have",
            fix=f"write dataset_alias.{names[-1]}",
            place=place,
        )
    return _readable(found[0], place=place)


def _candidates(names: list[str], *, scope: Scope, place: Place) -> list[SourceColumn]:
    if not 0 < len(names) <= 3:  # noqa: PLR2004 - owner, table and column
        refuse(
            "unknown-column",
            f"a name of {len(names)} parts",
            fix="write dataset_alias.column",
            place=place,
        )
    qualifier, name = names[:-1], names[-1]
    return [
        source.column(name)
        for source in scope.sources
        if _answers_to(source, qualifier) and name in source.types
    ]


def _answers_to(source: Source, qualifier: list[str]) -> bool:
    if not qualifier:
        return True
    if len(qualifier) == 1:
        return source.alias == qualifier[0]
    # An alias hides the dataset's own name, as in the engine.
    return not source.aliased and source.scan.lineage == ".".join(qualifier)


def _refuse_unknown(names: list[str], *, scope: Scope, place: Place) -> NoReturn:
    datasets = ", ".join(sorted({source.scan.lineage for source in scope.sources}))
    refuse(
        "unknown-column",
        f"no column {'.'.join(names)} in {datasets}",
        fix="look the columns up in the datasets' policies",
        place=place,
    )


def _readable(column: SourceColumn, *, place: Place) -> SourceColumn:
    if column.column.role is Role.BLOCKED:
        refuse(
            "blocked-column",
            f"the column {column.reference}, which its owner blocks",
            fix="leave the column out",
            place=place,
            column=column.reference,
            grant=f"the owner gives {column.reference} another role",
        )
    return column
