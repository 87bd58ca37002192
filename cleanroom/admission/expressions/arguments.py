# SPDX-License-Identifier: Apache-2.0
"""What the aggregates of a release need of each row: exact, linear, and with known branches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.facts import (
    NOT_LOOKED_UP,
    Degree,
    Level,
    adds_up,
    counted_of,
    look_ups_of,
    sources_of,
)
from cleanroom.admission.context.influence import (
    branches_of,
    degree_of,
    owners_of_value,
    product_owners,
    range_of,
)
from cleanroom.admission.context.lowered import Lowered
from cleanroom.admission.context.meetings import Meeting, meeting, require_few
from cleanroom.admission.context.parts import parts_of
from cleanroom.admission.context.tallies import SEVERAL, counted_where, only_counts, summands
from cleanroom.admission.expressions.aggregates import Call
from cleanroom.admission.refusal import START, Place, refuse
from cleanroom.admission.typed.expr import TRUE, Case, Expr, Literal, Param, Ref, call, walk
from cleanroom.admission.typed.expr import Call as Operation
from cleanroom.admission.typed.functions import PAIRED, SQUARED
from cleanroom.admission.typed.measures import NO_GRID, MeasureGrid, grid_of
from cleanroom.admission.typed.ranges import MOST
from cleanroom.admission.typed.tree import (
    Aggregate,
    AggregateKind,
    Argument,
    ArgumentKind,
)
from cleanroom.contract.types import ColumnType

MAX_ARGUMENTS = 48  # of aggregates, and columns that they are computed of
ACROSS_OWNERS = "product_across_owners"  # the policy function that allows such products
_MOMENTS = SQUARED | (PAIRED - {"regr_count"})
# What is added to every value changes none of these.
_CENTRED = SQUARED | frozenset(
    {"covar_pop", "covar_samp", "corr", "regr_slope", "regr_r2", "regr_sxx", "regr_syy", "regr_sxy"}
)
_PAIR = 2
_ONE = Literal(value=1, type="integer")
_NO_INTEGER = Literal(value=None, type="integer")


class Arguments:
    """Numbers the arguments of a release: equal ones are one column.

    Attributes:
        arguments: What was needed so far.
        branches: Conditions that change a contribution to any of them.
        meetings: Those of one number that rows of several inputs of a union add up.
    """

    def __init__(self, builder: Builder, lowered: Lowered, *, places: Mapping[Call, Place]) -> None:
        """Begin with the rows that are released."""
        self.arguments: list[Argument] = []
        self.branches: frozenset[Expr] = frozenset()
        self.meetings: set[Meeting] = set()
        self._builder = builder
        self._lowered = lowered
        self._places = places
        self._place = START
        # One grid for a number wherever it is used: two of them would differ in last digits only.
        self._squared = frozenset(
            arg for made in places if made.function in _MOMENTS for arg in _centred(made).args
        )

    def aggregate(self, made: Call, *, name: str) -> Aggregate:
        """Describe one aggregate.

        Raises:
            QueryRefusedError: Its argument may not be aggregated so.
        """
        self._place = self._places[made]
        made = _centred(made)
        kind = self._kind(made)
        self._require_protected(made)
        arguments, unit = self._arguments(made, kind)
        columns = self._builder.columns
        sources = sources_of(columns, *made.args, made.filter)
        return Aggregate(
            name=name,
            kind=kind,
            type=ColumnType(made.type),
            arguments=arguments,
            unit=unit,
            sources=tuple(sorted(sources, key=lambda column: column.reference)),
        )

    def _kind(self, made: Call) -> AggregateKind:
        if made.distinct:
            return AggregateKind.COUNT_DISTINCT
        if made.filter == TRUE and (made.function == "count_star" or self._counts_rows(made)):
            return AggregateKind.COUNT_ROWS
        if made.function in {"count_star", "count", "count_if", "regr_count"}:
            return AggregateKind.COUNT
        return AggregateKind(made.function)

    def _counts_rows(self, made: Call) -> bool:
        """Tell whether an aggregate is ``count(1)``."""
        return made.function == "count" and all(
            isinstance(arg, Literal) and arg.value is not None for arg in made.args
        )

    def _arguments(self, made: Call, kind: AggregateKind) -> tuple[tuple[int, ...], int]:
        if kind is AggregateKind.COUNT_ROWS:
            self._note(frozenset())
            return (), -1
        if kind is AggregateKind.COUNT_DISTINCT:
            return self._distinct(made)
        if kind is AggregateKind.COUNT:
            return (self._number(ArgumentKind.PRESENCE, self._present(made)),), -1
        return tuple(self._measure(arg, made) for arg in made.args), -1

    def _distinct(self, made: Call) -> tuple[tuple[int, ...], int]:
        arg = made.args[0]
        if made.filter == TRUE and isinstance(arg, Ref):
            for number, track in enumerate(self._lowered.tracks):
                if arg.column in track.keys:
                    return (), number
        value = self._folded(arg, made.filter)
        return (self._number(ArgumentKind.DISTINCT, value),), -1

    def _present(self, made: Call) -> Expr:
        """Write 1 for every row that counts, and NULL for others."""
        value: Expr = _ONE
        found: frozenset[Expr] = frozenset()
        if made.function in {"count", "regr_count"}:
            present: Expr = TRUE
            for arg in made.args:
                found |= self._branches(self._folded(arg, made.filter))
                here = call("present", arg)
                present = here if present == TRUE else call("and", present, here)
            value = Case(arms=((present, _ONE),), otherwise=_NO_INTEGER, type="integer")
        # ``count_if(a) FILTER (WHERE b)`` is a CASE in a CASE: the whole path counts.
        inside = made.args[0] if made.function == "count_if" else TRUE
        path = self._folded(self._folded(_ONE, inside), made.filter)
        value = self._folded(self._folded(value, inside), made.filter)
        counted = () if made.function in {"count_if", "count_star"} else made.args
        values = (self._folded(arg, made.filter) for arg in counted)
        self._note(found | self._branches(path), *values)
        return value

    def _measure(self, arg: Expr, made: Call) -> int:
        self._require_linear(arg, made)
        self._require_one_owner(made)
        value = self._folded(arg, made.filter)
        values = [self._folded(item, made.filter) for item in made.args]
        branches = self._branches(value)
        met: Meeting = frozenset()
        added = summands(value, self._builder.columns)
        if added >= SEVERAL and self._lowered.several and not self._lowered.inputs:
            met = counted_where(branches, values)
        if made.function in PAIRED:
            # Only rows that have both numbers count.
            pair = call("and", *(call("present", item) for item in made.args))
            value = self._folded(value, pair)
        named = self._named(arg)
        grid = self._grid(arg, squared=arg in self._squared, named=named)
        if self._lowered.level is Level.PROTECTED:
            parts = parts_of(arg, self._builder.columns)
            counts = {self._component(part, made.filter): part for part in parts}
            met |= {n for n, part in counts.items() if only_counts(part, self._builder.columns)}
        self._note(branches, *values, met=met)
        weight = self._weight(arg)
        return self._index(
            Argument(kind=ArgumentKind.MEASURE, expr=value, grid=grid, weight=weight)
        )

    def rows(self) -> None:
        """Note that a unit's number of rows hangs on values, and is checked like one."""
        self._component(_ONE, TRUE)

    def _component(self, part: Expr, condition: Expr) -> int:
        """Let a part of a number be checked by itself: what is added to it must not hide it."""
        grid = self._grid(part, squared=part in self._squared, named=self._named(part))
        value = self._folded(part, condition)
        weight = self._weight(part)
        same = Argument(kind=ArgumentKind.MEASURE, expr=value, grid=grid, weight=weight)
        other = Argument(kind=ArgumentKind.COMPONENT, expr=value, grid=grid)
        return self._index(same if same in self.arguments else other)

    def _grid(self, arg: Expr, *, squared: bool, named: str) -> MeasureGrid:
        found = range_of(arg, self._builder.columns)
        return grid_of(found, squared=squared, place=self._place, named=named)

    def _weight(self, arg: Expr) -> Fraction | None:
        """Say what a row counts for: a thousand for each would tell the last digit of a count."""
        weight = range_of(arg, self._builder.columns).weight
        if weight == MOST and self._lowered.level is Level.PROTECTED:
            refuse(
                "weight",
                "a sum that counts, with a factor that is not a plain number",
                fix="write the factor as a number, or multiply the released count by it",
                place=self._place,
            )
        return weight

    def _number(self, kind: ArgumentKind, expr: Expr) -> int:
        if kind is ArgumentKind.DISTINCT:
            self._note(self._branches(expr), expr)
        return self._index(Argument(kind=kind, expr=expr, grid=NO_GRID))

    def _index(self, wanted: Argument) -> int:
        if wanted not in self.arguments:
            self.arguments.append(wanted)
            self._require_few()
        return self.arguments.index(wanted)

    def _require_few(self) -> None:
        if len(self.arguments) > MAX_ARGUMENTS:
            refuse(
                "measures",
                f"aggregates of more than {MAX_ARGUMENTS} columns and expressions",
                fix="ask several queries",
                place=self._place,
            )

    def _folded(self, arg: Expr, condition: Expr) -> Expr:
        if condition == TRUE:
            return arg
        none = Literal(value=None, type=arg.type)
        return Case(arms=((condition, arg),), otherwise=none, type=arg.type)

    def _note(self, branches: frozenset[Expr], *values: Expr, met: Meeting = frozenset()) -> None:
        """Note what changes a contribution, and where it meets if rows of a unit are added up."""
        self.branches |= branches
        columns = self._builder.columns
        found: list[Meeting] = [
            meeting(group, branches, columns, values=values, place=self._place)
            for group in self._lowered.inputs
        ]
        if not found and adds_up(columns, *values):
            found = [branches]
        for made in [item | met for item in found] or [met]:
            require_few(made, place=self._place)
            self.meetings |= {made} if len(made) > 1 else set()

    def _branches(self, expr: Expr) -> frozenset[Expr]:
        return branches_of(expr, self._builder.columns)

    def _named(self, arg: Expr) -> str:
        sources = sources_of(self._builder.columns, arg)
        if isinstance(arg, Ref) and len(sources) == 1:
            return next(iter(sources)).reference
        return "the expression"

    def _require_protected(self, made: Call) -> None:
        columns = self._builder.columns
        if self._lowered.level is not Level.PROTECTED:
            return
        if look_ups_of(columns, *made.args, made.filter) - {NOT_LOOKED_UP}:
            refuse(
                "look-up",
                "a public column in an aggregate over protected rows",
                fix="group by the public column and multiply the released numbers around it, or "
                "write the numbers in a CASE",
                place=self._place,
            )

    def _require_linear(self, arg: Expr, made: Call) -> None:
        columns = self._builder.columns
        if self._lowered.level is not Level.PROTECTED:
            return
        moment = made.function in _MOMENTS
        if degree_of(arg, columns) > (Degree.LINEAR if moment else Degree.PRODUCT):
            refuse(
                "linear",
                f"{made.function} of something else than sums and products of columns",
                fix="aggregate columns, sums of them, CASE, or the product of two of them; use "
                "other functions in WHERE and GROUP BY, or on the aggregates",
                place=self._place,
            )
        if moment and parts_of(arg, columns):
            # A million added to everybody's cost makes all squares alike and no deviation smaller.
            refuse(
                "moment",
                f"{made.function} of something that several columns or constants are added up to",
                fix="take it of one column, times a number or inside CASE; the deviation of a sum "
                "follows from those of its parts and their covariance",
                place=self._place,
            )

    def _require_one_owner(self, made: Call) -> None:
        """Refuse a product of columns of two owners.

        Whoever chooses one factor chooses weights: with powers of ten the digits of one sum
        spell out the other factor, person by person.
        """
        columns = self._builder.columns
        pairs = [pair for arg in made.args for pair in product_owners(arg, columns)]
        # A product that a subquery computed is a column by now, of all its factors' owners.
        pairs += [
            (owners_of_value(part, columns), frozenset())
            for arg in made.args
            for part in walk(arg)
            if isinstance(part, Ref) and columns[part.column].degree is Degree.PRODUCT
        ]
        if made.function in PAIRED:
            sides = [owners_of_value(arg, columns) for arg in made.args]
            pairs.append((sides[0], sides[1]))
        for one, other in pairs:
            owners = one | other
            missing = self._without_products(made) if len(owners) > 1 else []
            if missing:
                refuse(
                    "product",
                    f"{made.function} of a product of columns of {' and '.join(sorted(owners))}",
                    fix="multiply columns of one owner only, or group by the other owner's column",
                    place=self._place,
                    grant=f'functions += "{ACROSS_OWNERS}" in the polic'
                    f"{'ies' if len(missing) > 1 else 'y'} of {' and '.join(missing)}",
                )

    def _without_products(self, made: Call) -> list[str]:
        """List the datasets whose owners do not allow products with other owners' columns."""
        columns = self._builder.columns
        lineages = {source.lineage for source in sources_of(columns, *made.args)}
        lineages |= counted_of(columns, *made.args)
        policies = [self._builder.catalog.datasets[lineage][0] for lineage in lineages]
        owners = [policy for policy in policies if not policy.is_public]
        self._builder.granted.update(
            f'functions = ["{ACROSS_OWNERS}"] in the policy of {policy.dataset}'
            for policy in owners
        )
        return sorted(policy.dataset for policy in owners if ACROSS_OWNERS not in policy.functions)


def _centred(made: Call) -> Call:
    """Leave out what is added to every value, where it changes nothing of the number."""
    if made.function not in _CENTRED:
        return made
    return replace(made, args=tuple(_unshifted(arg) for arg in made.args))


def _unshifted(arg: Expr) -> Expr:
    if not isinstance(arg, Operation) or arg.function not in {"+", "-"} or len(arg.args) != _PAIR:
        return arg
    one, other = arg.args
    if _is_number(other):
        return _unshifted(one)
    if _is_number(one):
        rest = _unshifted(other)
        return rest if arg.function == "+" else call("negate", rest, type=rest.type)
    return arg


def _is_number(expr: Expr) -> bool:
    return isinstance(expr, Param) or (isinstance(expr, Literal) and expr.value is not None)
