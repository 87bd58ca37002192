# SPDX-License-Identifier: Apache-2.0
"""Resolve names: every name of a query to one column of one source, or refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, NoReturn

from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.describe import shown
from cleanroom.admission.syntax.node import PLACED, Shape, open_node
from cleanroom.admission.typed.functions import INSTEAD
from cleanroom.contract.types import COLUMN
from cleanroom.kernel.record import dataclass

COLUMN_REF = Shape(
    used=PLACED,
    lists=frozenset({"column_names"}),
    neutral={"alias": "", "class": "COLUMN_REF", "type": "COLUMN_REF"},
    rules={"alias": ("alias", "an alias here", "write the column alone")},
)
_IDENTIFIER = re.compile(COLUMN)
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One source of a FROM clause under its name.

    Attributes:
        alias: The name that columns may be qualified with.
        lineage: ``owner.table`` if it is a dataset without an alias, else empty.
        columns: Name to column number, in order.
        blocked: Names that its owner blocks, with their reference.
    """

    alias: str
    lineage: str
    columns: tuple[tuple[str, int], ...]
    blocked: Mapping[str, str] = field(default_factory=dict)

    def answers_to(self, qualifier: list[str]) -> bool:
        """Tell whether a qualified name may mean this source."""
        if not qualifier:
            return True
        if len(qualifier) == 1:
            return self.alias == qualifier[0]
        # An alias hides the dataset's own name, as in the engine.
        return bool(self.lineage) and self.lineage == ".".join(qualifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The sources that names of one clause may refer to.

    Attributes:
        bindings: The sources in order.
        merged: Names of USING columns, which are one column for an unqualified name.
        hidden: Columns that only a qualified name means, because USING merged them.
        aliases: Names of the SELECT list, for a refusal that helps.
    """

    bindings: tuple[Binding, ...] = ()
    merged: Mapping[str, int] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()
    aliases: frozenset[str] = frozenset()

    def find(self, qualifier: list[str], name: str) -> list[int]:
        """Return every column that a name may mean."""
        if not qualifier and name in self.merged:
            return [self.merged[name]]
        return [
            number
            for binding in self.bindings
            if binding.answers_to(qualifier)
            for column, number in binding.columns
            if column == name
        ]

    def has(self, name: str) -> bool:
        """Tell whether any source has a column of this name."""
        return any(name == column for item in self.bindings for column, _ in item.columns)

    def visible(self) -> tuple[tuple[str, int], ...]:
        """Return what an unqualified star means: USING columns once."""
        return tuple(
            (name, self.merged.get(name, number))
            for binding in self.bindings
            for name, number in binding.columns
            if number not in self.hidden
        )


NOWHERE = Scope()


def fold(name: object, *, what: str, place: Place, form: re.Pattern[str] = _IDENTIFIER) -> str:
    """Fold a name as the engine does, for plain names only.

    Raises:
        QueryRefusedError: Not a plain name: lower case and no look-alikes are left to guess.
    """
    if not isinstance(name, str) or not name.isascii() or not form.fullmatch(name.lower()):
        refuse(
            "name",
            f"the {what} {shown(name)}",
            fix=f"use letters a-z, digits and underscores, at most 63{_plainer(name, form)}",
            place=place,
        )
    return name.lower()


def _plainer(name: object, form: re.Pattern[str]) -> str:
    """Suggest the nearest plain name, if there is one."""
    text = name.lower() if isinstance(name, str) and name.isascii() else ""
    plain = _NOT_PLAIN.sub("_", text[:63]).strip("_")
    return f": {plain}, for example" if form.fullmatch(plain) else ""


def column_name(node: Any, *, place: Place) -> tuple[list[str], str]:  # noqa: ANN401
    """Read a bare column reference into its qualifier and its name.

    Raises:
        QueryRefusedError: Another expression, or a name of too many parts.
    """
    reference = open_node(node, COLUMN_REF, place=place)
    names = [fold(name, what="column", place=place) for name in reference["column_names"]]
    if not 0 < len(names) <= 3:  # noqa: PLR2004 - owner, table and column
        refuse(
            "unknown-column",
            f"a name of {len(names)} parts",
            fix="write dataset_alias.column",
            place=place,
        )
    return names[:-1], names[-1]


def resolve(node: Any, *, scope: Scope, place: Place) -> int:  # noqa: ANN401
    """Resolve a bare column reference to a column number.

    Raises:
        QueryRefusedError: Not a bare column, unknown, ambiguous or blocked.
    """
    qualifier, name = column_name(node, place=place)
    found = scope.find(qualifier, name)
    if not found:
        _refuse_unknown(qualifier, name, scope=scope, place=place)
    if len(set(found)) > 1:
        refuse(
            "ambiguous-name",
            f"the column {name}, which several sources have",
            fix=f"write source_alias.{name}",
            place=place,
        )
    return found[0]


def _refuse_unknown(qualifier: list[str], name: str, *, scope: Scope, place: Place) -> NoReturn:
    for binding in scope.bindings:
        if name in binding.blocked and binding.answers_to(qualifier):
            refuse(
                "blocked-column",
                f"the column {binding.blocked[name]}, which its owner blocks",
                fix="leave the column out",
                place=place,
                column=binding.blocked[name],
                grant=f"the owner gives {binding.blocked[name]} another role",
            )
    if not qualifier and name in scope.aliases:
        refuse(
            "alias",
            f"the alias {name} where it stands for nothing yet",
            fix="write the expression itself, or name it in a subquery or WITH",
            place=place,
        )
    known = ", ".join(sorted({item.lineage or item.alias for item in scope.bindings}))
    refuse(
        "unknown-column",
        f"no column {'.'.join([*qualifier, name])} in {known or 'a query without FROM'}",
        fix=_instead(scope, qualifier, name),
        place=place,
    )


def _instead(scope: Scope, qualifier: list[str], name: str) -> str:
    """Say what to write instead of a column that is not there."""
    if not qualifier and name in INSTEAD:
        return INSTEAD[name]
    if qualifier and not any(binding.answers_to(qualifier) for binding in scope.bindings):
        return (
            "a subquery sees its own tables only: join them by the key, group the inner one by it "
            "first, or write EXISTS or IN by the key"
        )
    return "look the columns up in the datasets' policies"
