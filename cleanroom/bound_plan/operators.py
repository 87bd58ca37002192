# SPDX-License-Identifier: Apache-2.0
"""The operators that a plan may have, and what each does to whose rows are where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from cleanroom.bound_plan.aggregates import Aggregator
from cleanroom.bound_plan.claim import DatasetClaim, StatementClaim
from cleanroom.bound_plan.expressions import Reader, columns_present
from cleanroom.bound_plan.functions import WINDOWS, Place
from cleanroom.bound_plan.joins import Joiner, require_joinable
from cleanroom.bound_plan.node import Fields, Node, Unread, open_node, path_of, type_of
from cleanroom.bound_plan.refusal import refuse_plan, require
from cleanroom.bound_plan.relation import Lineage, Meaning, Origins, Relation
from cleanroom.contract.policy_terms import Column, Role

_CHILDREN = Fields(used=frozenset({"children"}))
_EXPRESSIONS = Fields(used=frozenset({"children", "expressions"}))
_GET = Fields(
    used=frozenset({"qname", "function_data", "names", "column_indexes", "returned_types"}),
    fixed={
        "projection_ids": [],
        "table_filters": {},
        "parameters": [],
        "named_parameters": [],
        "input_table_types": [],
        "input_table_names": [],
        "projected_input": [],
        "table_filters_by_projection": True,
    },
)
_TABLE = Fields(
    used=frozenset({"qualified_name", "catalog", "schema", "table"}),
    fixed={"is_index_scan": False, "is_create_index": False},
)
_INDEX = Fields(used=frozenset({"index"}))
_CTE = Fields(used=frozenset({"children", "ctename", "materialize"}))
_CTE_REF = Fields(used=frozenset({"cte_index", "chunk_types", "bound_columns"}))
_DISTINCT = Fields(used=frozenset({"children", "distinct_type", "distinct_targets", "order_by"}))
_WINDOW = Fields(
    used=frozenset({"children", "partitions", "orders", "start", "end", "start_expr", "end_expr"})
    | {"offset_expr", "default_expr", "qname", "filter_expr"},
    fixed={
        "ignore_nulls": False,
        "exclude_clause": "NO_OTHER",
        "distinct": False,
        "arg_orders": [],
    },
)
_CATALOG = "memory"
# The engine reads this column when a statement counts rows and reads none.
_ROW_NUMBER = 18_446_744_073_709_551_615
_MEANINGS = {Role.KEY: Meaning.KEY, Role.ROW_ID: Meaning.ROW_ID}
_SCANS = "scans of the datasets and columns that the query declared"


class Walker:
    """Reads one plan from its leaves to its root.

    Attributes:
        scans: Protected scans found, with their lineages.
    """

    def __init__(self, claim: StatementClaim) -> None:
        """Take what the statement may do."""
        self._claim = claim
        self._origins = Origins()
        self._joiner = Joiner(claim, self._origins)
        self._aggregator = Aggregator(origins=self._origins, salt=claim.salt)
        self._tables: dict[int, Relation] = {}
        self.scans: list[str] = []

    def define(self, node: Unread) -> Unread:
        """Read the definition of a common table, and return what follows it."""
        opened = open_node(node, _CTE)
        definition, rest = opened["children"]
        self._tables[opened.get("table_index", 0)] = self.read(definition)
        return rest

    def read(self, node: Unread) -> Relation:
        """Read an operator and everything below it.

        Raises:
            AdmissionRefusedError: An operator that is not listed, or one that loses somebody.
        """
        match type_of(node):
            case "LOGICAL_GET":
                return self._scan(node)
            case "LOGICAL_DUMMY_SCAN":
                return Relation(columns=())
            case "LOGICAL_CTE_REF":
                return self._reference(open_node(node, _CTE_REF))
            case "LOGICAL_MATERIALIZED_CTE":
                return self.read(self.define(node))
            case "LOGICAL_FILTER":
                return self._filter(*self._opened(node, _EXPRESSIONS))
            case "LOGICAL_PROJECTION":
                return self._project(*self._opened(node, _EXPRESSIONS))
            case "LOGICAL_AGGREGATE_AND_GROUP_BY":
                return self._aggregator.aggregate(node, self._child(node))
            case _ as kind:
                return self._combined(kind, node)

    def _combined(self, kind: str, node: Unread) -> Relation:
        match kind:
            case "LOGICAL_COMPARISON_JOIN":
                return self._joiner.join(node, *self._both(node))
            case "LOGICAL_CROSS_PRODUCT":
                return self._joiner.cross(*self._both(open_node(node, _CHILDREN)))
            case "LOGICAL_UNION":
                children = open_node(node, _CHILDREN)["children"]
                return reduce(self._union, [self.read(child) for child in children])
            case "LOGICAL_DISTINCT":
                return self._distinct(*self._opened(node, _DISTINCT))
            case "LOGICAL_WINDOW":
                return self._window(*self._opened(node, _EXPRESSIONS))
            case _:
                return refuse_plan("operator", f"the operator {kind}", agreed="a closed list")

    def _opened(self, node: Unread, fields: Fields) -> tuple[Node, Relation]:
        return open_node(node, fields), self._child(node)

    def _child(self, node: Node) -> Relation:
        [child] = node["children"]
        return self.read(child)

    def _both(self, node: Node) -> tuple[Relation, Relation]:
        left, right = node["children"]
        return self.read(left), self.read(right)

    def _scan(self, node: Unread) -> Relation:
        opened = open_node(node, _GET)
        require(path_of(opened) == ("seq_scan",), "scan", "a table function", agreed=_SCANS)
        table = open_node({"type": "TABLE", **opened["function_data"]}, _TABLE)
        path = tuple(table["qualified_name"]["path"])
        lineage = ".".join(path[1:])
        require(
            path[:1] == (_CATALOG,) and lineage in self._claim.datasets,
            "scan",
            f"a scan of {lineage}",
            agreed=_SCANS,
        )
        dataset = self._claim.datasets[lineage]
        columns = self._columns(opened, lineage, dataset)
        if not dataset.unit:
            return Relation(columns=columns)
        scan = len(self.scans)
        self.scans.append(lineage)
        return self._identified(columns, lineage, dataset, scan=scan)

    def _columns(self, node: Node, lineage: str, dataset: DatasetClaim) -> tuple[Lineage, ...]:
        columns = []
        for entry in node["column_indexes"]:
            index = open_node({"type": "INDEX", **entry}, _INDEX).get("index", 0)
            if index == _ROW_NUMBER:
                # A row's number in its table may be counted and nothing else.
                columns.append(self._origins.new(Meaning.ROW_ID))
                continue
            name = node["names"][index]
            require(name in dataset.types, "scan", f"a scan of {lineage}.{name}", agreed=_SCANS)
            columns.append(self._named(dataset.column(name), lineage))
        return tuple(columns)

    def _named(self, column: Column, lineage: str) -> Lineage:
        require(
            column.role is not Role.BLOCKED,
            "scan",
            f"a scan of the blocked {lineage}.{column.name}",
            agreed=_SCANS,
        )
        found = self._origins.new(_MEANINGS.get(column.role, Meaning.PLAIN))
        if column.role is not Role.KEY:
            return found
        return replace(found, references=frozenset({f"{lineage}.{column.name}"}))

    def _identified(
        self, columns: tuple[Lineage, ...], lineage: str, dataset: DatasetClaim, *, scan: int
    ) -> Relation:
        """Say which columns identify the unit of each row."""
        unit = f"{lineage}.{dataset.unit}"
        [own] = [column.origin for column in columns if unit in column.references] or [-1]

        def change(column: Lineage) -> Lineage:
            [reference] = column.references or [""]
            name = reference.rpartition(".")[2]
            if not name or not dataset.identifies_unit(dataset.column(name)):
                return column
            return replace(
                column,
                units=frozenset({scan}),
                determined_by=-1 if column.origin == own else own,
            )

        relation = Relation(columns=columns, scans=frozenset({scan}), nameless=frozenset({scan}))
        return relation.changed(change)

    def _reference(self, node: Node) -> Relation:
        index = node.get("cte_index", 0)
        require(index in self._tables, "operator", "an unknown common table", agreed="known ones")
        found = self._tables[index]
        require(
            len(node["chunk_types"]) == len(found.columns),
            "shape",
            "a common table of another width",
            agreed="the columns of its definition",
        )
        return found

    def _filter(self, node: Node, child: Relation) -> Relation:
        reader = self._reader(child)
        for condition in node["expressions"]:
            found = reader.read(condition)
            require(
                not found.is_identifier, "identifier", "a filter by one", agreed="plain conditions"
            )
        present = {column.origin for column in columns_present(node["expressions"], reader)}
        kept = child.changed(
            lambda column: replace(
                column, nullable=column.nullable and column.origin not in present
            )
        )
        named = frozenset(
            scan
            for scan in child.nameless
            if any(
                column.origin in present and self._is_own(column, scan) for column in child.columns
            )
        )
        return replace(kept, nameless=child.nameless - named)

    def _is_own(self, column: Lineage, scan: int) -> bool:
        lineage = self.scans[scan]
        return column.references == {f"{lineage}.{self._claim.datasets[lineage].unit}"}

    def _project(self, node: Node, child: Relation) -> Relation:
        reader = self._reader(child)
        columns = tuple(reader.read(expression) for expression in node["expressions"])
        return replace(child, columns=columns)

    def _union(self, left: Relation, right: Relation) -> Relation:
        require_joinable(left, right)
        require(
            len(left.columns) == len(right.columns),
            "shape",
            "a union of other widths",
            agreed="columns one to one",
        )
        pairs = zip(left.columns, right.columns, strict=True)
        columns = tuple(self._either(one, other) for one, other in pairs)
        return Relation(columns=columns, scans=left.scans | right.scans)

    def _either(self, one: Lineage, other: Lineage) -> Lineage:
        if not (one.is_identifier or other.is_identifier):
            return self._origins.new()
        # A key stands for both sides' people only if it does so on each side.
        both = one.meaning is other.meaning is Meaning.KEY and one.units and other.units
        return replace(
            self._origins.new(Meaning.KEY if both else Meaning.ROW_ID),
            units=one.units | other.units if both else frozenset(),
            references=one.references & other.references if both else frozenset(),
            nullable=one.nullable or other.nullable,
        )

    def _distinct(self, node: Node, child: Relation) -> Relation:
        reader = self._reader(child)
        targets = [reader.read(target) for target in node["distinct_targets"]]
        # Without the key among them, one row would stand for several people.
        units = child.scans - frozenset(scan for target in targets for scan in target.units)
        require(
            not units, "distinct", "DISTINCT over people", agreed="the unit's key among its columns"
        )
        whole = node["distinct_type"] == "DISTINCT"
        return replace(child, grain=tuple(targets) if whole and not child.is_statistics else ())

    def _window(self, node: Node, child: Relation) -> Relation:
        reader = self._reader(child)
        for call in node["expressions"]:
            self._call(call, reader)
        columns = (*child.columns, *self._origins.many(len(node["expressions"])))
        return replace(child, columns=columns)

    def _call(self, call: Unread, reader: Reader) -> None:
        opened = open_node(call, _WINDOW)
        require(
            type_of(call) in WINDOWS, "function", "another window function", agreed="known ones"
        )
        partitions = [reader.read(partition) for partition in opened.get("partitions", [])]
        known = frozenset(scan for column in partitions for scan in column.units)
        require(
            known >= reader.relation.scans,
            "window",
            "a window over several people",
            agreed="windows partitioned by the unit's key",
        )
        for child in _inputs(opened):
            found = reader.read(child)
            require(
                not found.is_identifier, "identifier", "a window of one", agreed="plain columns"
            )

    def _reader(self, relation: Relation) -> Reader:
        place = Place.STATISTIC if relation.grain or relation.is_statistics else Place.ROW
        return Reader(relation=relation, place=place, origins=self._origins, salt=self._claim.salt)


def _inputs(node: Node) -> Sequence[Unread]:
    single = [
        node[name]
        for name in ("start_expr", "end_expr", "offset_expr", "default_expr")
        if name in node
    ]
    orders = [order["expression"] for order in node.get("orders", [])]
    return [*node["children"], *single, *orders]
