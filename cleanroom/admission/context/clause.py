# SPDX-License-Identifier: Apache-2.0
"""Where an expression stands: what its names mean, and what it adds to the relation below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, TypeAlias

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.facts import Level
from cleanroom.admission.context.lowered import Block, Lowered, Sources, ref
from cleanroom.admission.context.scope import NOWHERE, Scope, column_name, resolve
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.describe import refuse_expression, shown
from cleanroom.admission.syntax.node import Node
from cleanroom.admission.typed.expr import Expr
from cleanroom.admission.typed.functions import VALUE_AGGREGATES
from cleanroom.admission.typed.relation import Window, WindowCall
from cleanroom.kernel.record import dataclass

Select: TypeAlias = "Callable[[Any, Environment, Place], Block]"
From: TypeAlias = "Callable[[Any, Environment, Place], Sources]"
Attachment: TypeAlias = Callable[[Lowered], Lowered]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What is known where a SELECT stands.

    Attributes:
        builder: The state of the whole query.
        select: Lowers a SELECT or a set operation.
        sources: Lowers a FROM clause.
        queries: WITH queries by name, each with the environment that it stands in.
    """

    builder: Builder
    select: Select
    sources: From
    queries: Mapping[str, tuple[Node, Environment]] = field(default_factory=dict)


class Clause:
    """One clause over the rows of a relation.

    Attributes:
        env: Where the SELECT stands.
        scope: What names mean.
        level: What the rows are about.
        outer: What names mean in the query around an EXISTS, for a refusal that helps.
        aliases: Outputs of the SELECT list that are known so far; those after them, HAVING and
            QUALIFY may use them.
        attachments: What expressions of the clause add below it: subqueries.
        windows: Window functions that expressions of the clause use.
        described: What writes down their facts, once those of the rows below are known.
    """

    def __init__(
        self, env: Environment, scope: Scope, level: Level, outer: Scope = NOWHERE
    ) -> None:
        """Begin a clause."""
        self.env = env
        self.scope = scope
        self.level = level
        self.outer = outer
        self.aliases: dict[str, Expr] = {}
        self.attachments: list[Attachment] = []
        self.windows: list[WindowCall] = []
        self.described: list[Callable[[Lowered], None]] = []

    @property
    def builder(self) -> Builder:
        """The state of the whole query."""
        return self.env.builder

    def column(self, node: Any, *, place: Place) -> Expr:  # noqa: ANN401 - the engine's JSON
        """Resolve a column."""
        qualifier, name = column_name(node, place=place)
        aliased = None if qualifier else self.aliases.get(name)
        if aliased is not None and not self.scope.find([], name):
            return aliased
        if not self.scope.find(qualifier, name) and self.outer.find(qualifier, name):
            refuse(
                "correlated",
                f"the column {name} of the query around a subquery",
                fix="correlate with WHERE inner.key = outer.key alone, in EXISTS; with further "
                "conditions JOIN both by the key, and count(DISTINCT key)",
                place=place,
            )
        return ref(self.builder, resolve(node, scope=self.scope, place=place))

    def known(self, node: Any, *, place: Place) -> Expr | None:  # noqa: ANN401, ARG002
        """Return what a whole expression is already known to be, a group key for example."""
        return None

    def aggregate(self, node: Node, name: str, *, place: Place) -> Expr:  # noqa: ARG002
        """Lower an aggregate, which has no place in most clauses.

        Raises:
            QueryRefusedError: Always, here.
        """
        found = "a value of single rows in" if name in VALUE_AGGREGATES else "an aggregate in"
        refuse(
            "aggregate-here",
            f"{found} {shown(name)} where rows have not been grouped yet",
            fix="aggregate in a subquery, or filter groups with HAVING",
            place=place,
        )

    def window(self, node: Any, *, place: Place) -> Expr:  # noqa: ANN401 - the engine's JSON
        """Lower a window function, which has no place in most clauses.

        Raises:
            QueryRefusedError: Always, here.
        """
        refuse_expression(node, place=place)

    def attach(self, attachment: Attachment) -> None:
        """Add something to the relation below the clause."""
        self.attachments.append(attachment)

    def apply(self, lowered: Lowered) -> Lowered:
        """Add to a relation what the clause's expressions need; only once."""
        for attachment in self.attachments:
            lowered = attachment(lowered)
        self.attachments.clear()
        return lowered

    def apply_windows(self, lowered: Lowered) -> Lowered:
        """Add the clause's window functions to a relation; only once."""
        if not self.windows:
            return lowered
        for describe in self.described:
            describe(lowered)
        self.described.clear()
        calls = tuple(self.windows)
        self.windows.clear()
        return lowered.on(Window(input=lowered.relation, calls=calls))
