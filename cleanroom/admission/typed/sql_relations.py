# SPDX-License-Identifier: Apache-2.0
"""Write relations as SQL: one SELECT a node, with opaque names behind a secret prefix.

Columns are renumbered in the order in which they are written, so two queries that mean
the same are the same text, whatever they were called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cleanroom.admission.typed.columns import produced
from cleanroom.admission.typed.expr import TRUE, Call, Expr, refs
from cleanroom.admission.typed.relation import (
    Attach,
    Extend,
    Filter,
    GroupAggregate,
    GroupBy,
    Join,
    LookUp,
    Match,
    MatchKind,
    OneRow,
    Order,
    Relation,
    ReleasedTable,
    Scan,
    ScanColumn,
    Sort,
    Union,
    Window,
    WindowCall,
)
from cleanroom.admission.typed.sql_expressions import ExpressionWriter, engine_type, quote
from cleanroom.contract.types import split_lineage

_LAST_MOMENT = {"date": "9999-12-31", "timestamp": "9999-12-31 23:59:59.999999"}
_AGGREGATES: Mapping[str, str] = {"count_star": "count"}
_TOTALS = frozenset({"sum", "avg"})
_MOST = 2**63 - 1  # of a whole number


class RelationWriter:
    """Writes relations, and expressions over them, behind one prefix."""

    def __init__(self, prefix: str) -> None:
        """Begin with no names given."""
        self._prefix = prefix
        self._numbers: dict[int, int] = {}
        self._sources = 0
        self.expressions = ExpressionWriter(self.column)

    def column(self, number: int) -> str:
        """Name a column, in the order in which columns are written."""
        return self.name("c", self._number(number))

    def name(self, kind: str, number: int) -> str:
        """Name something of this statement."""
        return quote(f"{self._prefix}{kind}{number}")

    def table(self, relation: Relation) -> str:
        """Write a relation as something to select from."""
        text = self.write(relation)
        self._sources += 1
        return f"({text}) AS {self.name('t', self._sources - 1)}"

    def write(  # noqa: C901, PLR0911, PLR0912 - one case a node
        self, relation: Relation
    ) -> str:
        """Write a relation as a SELECT."""
        match relation:
            case Scan():
                return self._scan(relation)
            case ReleasedTable():
                return self._released(relation)
            case OneRow():
                return "SELECT 1"
            case Extend():
                return self._extend(relation)
            case Filter():
                inner = self.table(relation.input)
                condition = self.expressions.write(relation.condition)
                return f"{self._all(relation)} FROM {inner} WHERE {condition}"
            case Join():
                return self._join(relation)
            case LookUp():
                return self._look_up(relation)
            case Match():
                return self._match(relation)
            case Attach():
                return self._attach(relation)
            case GroupBy():
                return self._group(relation)
            case Window():
                inner = self.table(relation.input)
                calls = [(item.column, self._window(item)) for item in relation.calls]
                return f"{self._all(relation.input, calls)} FROM {inner}"
            case Union():
                return self._union(relation)
            case _:
                return self._sort(relation)

    def _all(self, relation: Relation, added: Sequence[tuple[int, str]] = ()) -> str:
        """Write SELECT with every column of a relation, and others."""
        listed = [self.column(number) for number in self._sorted(relation)]
        listed += [f"{text} AS {self.column(number)}" for number, text in added]
        return f"SELECT {', '.join(listed) or '1'}"

    def _sorted(self, relation: Relation) -> list[int]:
        """Return a relation's columns in the order in which they were first written."""
        return sorted(produced(relation), key=lambda number: self._numbers.get(number, -1))

    def _number(self, column: int) -> int:
        return self._numbers.setdefault(column, len(self._numbers))

    def _scan(self, scan: Scan) -> str:
        columns = sorted(scan.columns, key=lambda item: item.name)
        listed = ", ".join(f"{_typed(item)} AS {self.column(item.column)}" for item in columns)
        owner, table = split_lineage(scan.lineage)
        # A NULL unit is counted by nobody although its row would count.
        kept = f" WHERE {_unit(scan)} IS NOT NULL" if scan.unit else ""
        # Every name is quoted and comes from the catalog.
        return f"SELECT {listed or '1'} FROM {quote(owner)}.{quote(table)}{kept}"  # noqa: S608

    def _released(self, table: ReleasedTable) -> str:
        columns = sorted(table.columns, key=lambda item: item.name)
        listed = ", ".join(f"{quote(item.name)} AS {self.column(item.column)}" for item in columns)
        return f"SELECT {listed or '1'} FROM {released_name(self._prefix, table.stage)}"  # noqa: S608

    def _extend(self, relation: Extend) -> str:
        inner = self.table(relation.input)
        outputs = list(relation.outputs)
        computed = {column for column, _ in outputs}
        # An output that reads another one of the same node stands one SELECT further out.
        now: list[tuple[int, Expr]] = []
        later: list[tuple[int, Expr]] = []
        for column, expr in outputs:
            (later if _reads(expr, computed) else now).append((column, expr))
        if later:
            below = Extend(input=relation.input, outputs=tuple(now))
            return self._extend(Extend(input=below, outputs=tuple(later)))
        added = [(column, self.expressions.write(expr)) for column, expr in now]
        return f"{self._all(relation.input, added)} FROM {inner}"

    def _join(self, relation: Join) -> str:
        left, right = self.table(relation.left), self.table(relation.right)
        # One by one, so that the engine sees equalities of keys as what they are.
        parts = [self.expressions.write(part) for part in _conjuncts(relation.condition)]
        condition = " AND ".join(parts)
        kind = relation.kind.value
        return f"{self._all(relation)} FROM {left} {kind} JOIN {right} ON {condition}"

    def _attach(self, relation: Attach) -> str:
        left, right = self.table(relation.left), self.table(relation.right)
        # An aggregate has a row even if nothing was released; then its values are NULL.
        values = ", ".join(
            f"max({self.column(number)}) AS {self.column(number)}"
            for number in self._sorted(relation.right)
        )
        self._sources += 1
        name = self.name("t", self._sources - 1)
        only = f"(SELECT {values or 'count(*)'} FROM {right}) AS {name}"  # noqa: S608 - opaque names
        return f"{self._all(relation)} FROM {left} CROSS JOIN {only}"

    def _look_up(self, relation: LookUp) -> str:
        left, right = self.table(relation.left), self.table(relation.right)
        columns = sorted(relation.columns, key=self._number)
        listed = ", ".join(self.column(number) for number in columns)
        flag = self.column(relation.flag)
        distinct = f"SELECT DISTINCT {listed}, TRUE AS {flag} FROM {right}"  # noqa: S608 - opaque names
        condition = " AND ".join(
            f"{self.expressions.write(expr)} = {self.column(column)}"
            for expr, column in relation.equalities
        )
        kind = "LEFT" if relation.outer else "INNER"
        name = self.name("l", self._number(relation.flag))
        return (
            f"{self._all(relation)} FROM {left} {kind} JOIN ({distinct}) AS {name} ON {condition}"
        )

    def _match(self, relation: Match) -> str:
        left, right = self.table(relation.left), self.table(relation.right)
        keys = [(one, self.column(other)) for one, other in relation.keys]
        found = self.name("f", self._number(relation.flag))
        listed = ", ".join([*(key for _, key in keys), f"TRUE AS {found}"])
        known = " AND ".join(f"{key} IS NOT NULL" for _, key in keys)
        grouped = (
            f"SELECT {listed} FROM {right} WHERE {known} "  # noqa: S608 - opaque names
            f"GROUP BY {', '.join(key for _, key in keys)}"
        )
        condition = " AND ".join(f"{self.column(one)} = {key}" for one, key in keys)
        kind = "INNER" if relation.kind is MatchKind.SEMI else "LEFT"
        name = self.name("m", self._number(relation.flag))
        outputs = [self.column(number) for number in self._sorted(relation.left)]
        flag = f"{found} IS NOT NULL"
        where = f" WHERE {found} IS NULL" if relation.kind is MatchKind.ANTI else ""
        if relation.unknown:
            # A key that is unknown has neither a partner nor a lack of one.
            given = " AND ".join(f"{self.column(one)} IS NOT NULL" for one, _ in relation.keys)
            flag = f"CASE WHEN {given} THEN {flag} END"
            where += f" AND {given}" if where else ""
        outputs.append(f"{flag} AS {self.column(relation.flag)}")
        return (
            f"SELECT {', '.join(outputs)} FROM {left} {kind} "  # noqa: S608 - opaque names
            f"JOIN ({grouped}) AS {name} ON {condition}{where}"
        )

    def _group(self, relation: GroupBy) -> str:
        inner = self.table(relation.input)
        keys = [(column, self.expressions.write(expr)) for column, expr in relation.keys]
        listed = [f"{text} AS {self.column(column)}" for column, text in keys]
        listed += [
            f"{self._aggregate(item)} AS {self.column(item.column)}" for item in relation.aggregates
        ]
        positions = ", ".join(str(number) for number in range(1, len(keys) + 1))
        grouped = f" GROUP BY {positions}" if keys else ""
        if not keys and not relation.always:
            grouped = " HAVING count(*) > 0"
        return f"SELECT {', '.join(listed) or '1'} FROM {inner}{grouped}"  # noqa: S608 - opaque names

    def _aggregate(self, item: GroupAggregate) -> str:
        name = _AGGREGATES.get(item.function, item.function)
        inner = self._aggregated(item)
        distinct = "DISTINCT " if item.distinct else ""
        text = f"{name}({distinct}{inner})"
        if item.filter != TRUE:
            text += f" FILTER (WHERE {self.expressions.write(item.filter)})"
        return _kept(text, item)

    def _aggregated(self, item: GroupAggregate | WindowCall) -> str:
        """Write what is aggregated; totals of decimals as doubles, which do not overflow.

        TRY does not reach into aggregates, and an error would tell about the rows of one unit.
        """
        if item.function == "count_star":
            return "*"
        totals = item.function in _TOTALS
        return ", ".join(
            f"CAST({self.expressions.write(arg)} AS DOUBLE)"
            if totals and arg.type.startswith("decimal(")
            else self.expressions.write(arg)
            for arg in item.args
        )

    def _window(self, item: WindowCall) -> str:
        inner = self._aggregated(item)
        name = _AGGREGATES.get(item.function, item.function)
        parts = []
        if item.partition:
            listed = ", ".join(self.expressions.write(expr) for expr in item.partition)
            parts.append(f"PARTITION BY {listed}")
        if item.order:
            parts.append(f"ORDER BY {self._orders(item.order)}")
        if item.frame:
            parts.append(item.frame)
        over = " ".join(parts)
        return _kept(f"{name}({inner}) OVER ({over})", item)

    def _orders(self, orders: Iterable[Order]) -> str:
        return ", ".join(
            f"{self.expressions.write(order.expr)} {'DESC' if order.descending else 'ASC'} "
            f"NULLS {'FIRST' if order.nulls_first else 'LAST'}"
            for order in orders
        )

    def _union(self, relation: Union) -> str:
        selects = []
        for inner, source in zip(relation.inputs, relation.sources, strict=True):
            table = self.table(inner)
            listed = ", ".join(
                f"TRY_CAST({self.expressions.write(expr)} AS {engine_type(kind)}) "
                f"AS {self.column(column)}"
                for (column, kind), expr in zip(relation.columns, source, strict=True)
            )
            selects.append(f"SELECT {listed or '1'} FROM {table}")  # noqa: S608 - opaque names
        return " UNION ALL ".join(selects)

    def _sort(self, relation: Sort) -> str:
        inner = self.table(relation.input)
        text = f"{self._all(relation)} FROM {inner} ORDER BY {self._orders(relation.orders)}"
        if relation.limit >= 0:
            text += f" LIMIT {relation.limit}"
        return f"{text} OFFSET {relation.offset}" if relation.offset else text


def released_name(prefix: str, stage: int) -> str:
    """Name the table that holds what an earlier stage released."""
    return f"{quote(released_schema(prefix))}.{quote(released_table(stage))}"


def released_schema(prefix: str) -> str:
    """Name the schema of released tables; no owner can be called so."""
    return f"{prefix}released"


def released_table(stage: int) -> str:
    """Name the table of one stage in that schema."""
    return f"stage{stage}"


def _conjuncts(condition: Expr) -> list[Expr]:
    if isinstance(condition, Call) and condition.function == "and":
        return [part for arg in condition.args for part in _conjuncts(arg)]
    return [condition]


def _reads(expr: Expr, columns: set[int]) -> bool:
    return bool(refs(expr) & columns)


def _unit(scan: Scan) -> str:
    """Write a scan's unit as it is counted: what its declared type cannot hold is no unit."""
    read = (item for item in scan.columns if item.name == scan.unit)
    return next((_typed(item) for item in read), quote(scan.unit))


def _typed(item: ScanColumn) -> str:
    """Write a column in its declared type; values that have none are absent.

    Days that the calendar of a receiver cannot tell apart, infinity among them, are absent
    as well: two group keys that arrive as one would make an error that tells about rows.
    Identifiers never arrive anywhere, and nothing looks into them.
    """
    value = f"TRY_CAST({quote(item.name)} AS {engine_type(item.type)})"
    last = _LAST_MOMENT.get(item.type)
    if last is None or item.identifier:
        return value
    first = f"{engine_type(item.type)} '0001-01-01'"
    return (
        f"CASE WHEN {value} BETWEEN {first} AND {engine_type(item.type)} '{last}' THEN {value} END"
    )


def _kept(text: str, item: GroupAggregate | WindowCall) -> str:
    """Write an aggregate in its type; a sum of whole numbers ends at 64 bits and is never absent.

    Absence would tell who has much, by a comparison that nobody wrote and no rule counts.
    """
    if item.function == "sum" and item.type == "integer":
        text = (
            f"CASE WHEN {text} > {_MOST} THEN {_MOST} WHEN {text} < -{_MOST} THEN -{_MOST} "
            f"ELSE {text} END"
        )
    return f"TRY_CAST({text} AS {engine_type(item.type)})"
