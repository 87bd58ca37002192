# SPDX-License-Identifier: Apache-2.0
"""Expressions of a plan: closed functions only, and nobody looks into an identifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from cleanroom.bound_plan.functions import (
    CAST,
    COMPARISONS,
    CONCATENATED,
    DIGEST,
    HASH,
    SYSTEM,
    Place,
    scalars,
)
from cleanroom.bound_plan.node import Fields, Node, Unread, open_node, path_of, type_of
from cleanroom.bound_plan.refusal import refuse_plan, require
from cleanroom.bound_plan.relation import Lineage, Meaning, Origins, Relation
from cleanroom.kernel.record import dataclass

_CHILDREN = Fields(used=frozenset({"children"}))
_REFERENCE = Fields(used=frozenset({"index"}))
_CONSTANT = Fields(used=frozenset({"value"}))
_PARAMETER = Fields(used=frozenset({"identifier", "parameter_data"}))
_FUNCTION = Fields(used=frozenset({"children", "qname", "is_operator"}))
_DECIMAL = Fields(used=_FUNCTION.used | {"function_data"})
_CAST = Fields(used=frozenset({"children", "qname", "is_operator", "function_data"}))
_CASE = Fields(used=frozenset({"case_checks", "else_expr"}))
_WHEN = Fields(used=frozenset({"when_expr", "then_expr"}))
_OPERATORS = frozenset(
    {"OPERATOR_NOT", "OPERATOR_TRY", "COMPARE_IN", "COMPARE_NOT_IN"}
    | {"OPERATOR_NULLIF", "OPERATOR_COALESCE"}
)
_PRESENCE = frozenset({"OPERATOR_IS_NOT_NULL", "OPERATOR_IS_NULL"})
_PAIR = 2
_CLOSED = "functions of the closed list"
_OPAQUE = "identifiers that are only counted, joined and grouped by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads expressions over one table.

    Attributes:
        relation: The table whose columns are referred to.
        place: Which functions may be called.
        origins: Numbers for new columns.
        salt: How the parameters start that a fingerprint is salted with.
    """

    relation: Relation
    place: Place
    origins: Origins
    salt: str

    def read(self, node: Unread) -> Lineage:
        """Check an expression and tell what it gives.

        Raises:
            AdmissionRefusedError: A function that is not listed, or an identifier looked into.
        """
        known: Mapping[object, Callable[[Unread], Lineage]] = {
            "BOUND_REF": self._reference,
            "BOUND_CONSTANT": self._constant,
            "BOUND_PARAMETER": self._parameter,
            "BOUND_FUNCTION": self._function,
            "BOUND_OPERATOR": self._operator,
            "BOUND_CONJUNCTION": self._conjunction,
            "BOUND_CASE": self._case,
        }
        read = known.get(node.get("expression_class") if isinstance(node, dict) else None)
        if read is None:
            refuse_plan("expression", "an expression of another kind", agreed=_CLOSED)
        return read(node)

    def _reference(self, node: Unread) -> Lineage:
        index = open_node(node, _REFERENCE).get("index", 0)
        require(
            isinstance(index, int) and 0 <= index < len(self.relation.columns),
            "shape",
            "a reference to no column",
            agreed="references to columns below",
        )
        return self.relation.columns[index]

    def _constant(self, node: Unread) -> Lineage:
        value = open_node(node, _CONSTANT)["value"]
        text = "" if value.get("is_null") else str(value.get("value"))
        return self.origins.new(Meaning.CONSTANT, name=text)

    def _parameter(self, node: Unread) -> Lineage:
        identifier = str(open_node(node, _PARAMETER)["identifier"])
        return self.origins.new(Meaning.PARAMETER, name=identifier)

    def _conjunction(self, node: Unread) -> Lineage:
        return self._plain(open_node(node, _CHILDREN)["children"])

    def _plain(self, children: Iterable[Unread]) -> Lineage:
        """Read children none of which may be an identifier."""
        for child in children:
            self._require_plain(self.read(child))
        return self.origins.new()

    def _require_plain(self, found: Lineage) -> None:
        require(not found.is_identifier, "identifier", "an identifier looked into", agreed=_OPAQUE)

    def _function(self, node: Unread) -> Lineage:
        path = path_of(node)
        if path == (CAST,):
            return self._cast(open_node(node, _CAST))
        opened = open_node(node, _DECIMAL if path == (*SYSTEM, "*") else _FUNCTION)
        if "function_data" in opened:
            # Wide decimals: what the engine notes of them is that it fails beyond their range.
            require(
                opened["function_data"].get("check_overflow") is True,
                "function",
                "arithmetic that overflows unseen",
                agreed=_CLOSED,
            )
        children = opened["children"]
        if len(path) == 1:
            require(
                path[0] in COMPARISONS and opened.get("is_operator") is True,
                "function",
                f"the function {'.'.join(path)}",
                agreed=_CLOSED,
            )
            return self._plain(children)
        require(
            path[:-1] == SYSTEM and path[-1] in scalars(self.place),
            "function",
            f"the function {'.'.join(path)}",
            agreed=_CLOSED,
        )
        named = {HASH: self._print, DIGEST: self._token}
        return named.get(path[-1], self._plain)(children)

    def _cast(self, node: Node) -> Lineage:
        [child] = node["children"]
        found = self.read(child)
        if found.meaning is Meaning.CONSTANT:
            return found
        if not found.is_identifier:
            return self.origins.new(found.meaning, name=found.name)
        # As text, two identifiers are equal exactly if they are; in a narrower type they might
        # become equal.
        require(
            node["return_type"] == {"id": "VARCHAR"},
            "identifier",
            "an identifier in another type",
            agreed=_OPAQUE,
        )
        return found

    def _print(self, children: Sequence[Unread]) -> Lineage:
        """Read a fingerprint: a salted one of an identifier, or one of such a fingerprint."""
        first, *others = [self.read(child) for child in children]
        salted = first.meaning is Meaning.PARAMETER and first.name.startswith(self.salt)
        if not salted:
            require(
                first.meaning is Meaning.PRINT,
                "fingerprint",
                "a fingerprint without a secret salt",
                agreed="salted fingerprints",
            )
            for other in others:
                self._require_plain(other)
        return self.origins.new(Meaning.PRINT)

    def _token(self, children: Sequence[Unread]) -> Lineage:
        """Read a token: a digest of a secret salt with an identifier behind it."""
        [text] = children
        found = []
        if isinstance(text, dict) and path_of(text) == (*SYSTEM, CONCATENATED):
            found = [self.read(child) for child in open_node(text, _FUNCTION)["children"]]
        require(
            len(found) == _PAIR
            and found[0].meaning is Meaning.PARAMETER
            and found[0].name.startswith(self.salt),
            "fingerprint",
            "a token without a secret salt",
            agreed="salted fingerprints",
        )
        return self.origins.new(Meaning.PRINT)

    def _operator(self, node: Unread) -> Lineage:
        kind = type_of(node)
        children = open_node(node, _CHILDREN)["children"]
        if kind in _PRESENCE:
            self.read(children[0])
            return self.origins.new()
        require(kind in _OPERATORS, "function", f"the operator {kind}", agreed=_CLOSED)
        if kind == "OPERATOR_COALESCE":
            return self._coalesced([self.read(child) for child in children])
        return self._plain(children)

    def _coalesced(self, found: Sequence[Lineage]) -> Lineage:
        """Read coalesce; of two keys only where one stands for whoever lacks the other."""
        if not any(column.is_identifier for column in found):
            return self.origins.new()
        pair = frozenset(column.origin for column in found)
        if len(found) == _PAIR and self._stands_in(*found):
            # Who has no such key has no partner by it, and is only counted as themselves.
            return replace(self.origins.new(Meaning.KEY), units=found[0].units, nullable=False)
        require(
            pair in self.relation.outer_pairs,
            "identifier",
            "one identifier in place of another",
            agreed="keys that an outer join made equal",
        )
        one, other = found
        return replace(
            self.origins.new(Meaning.KEY),
            units=one.units | other.units,
            references=one.references | other.references,
            nullable=False,
        )

    def _stands_in(self, one: Lineage, other: Lineage) -> bool:
        """Tell whether the other is the own key of the unit that one is a function of."""
        return (
            one.meaning is other.meaning is Meaning.KEY
            and one.determined_by == other.origin
            and not other.nullable
        )

    def _case(self, node: Unread) -> Lineage:
        """Read CASE: an identifier may be left out by it, and is then one no more."""
        opened = open_node(node, _CASE)
        results = [self.read(opened["else_expr"])]
        for check in opened["case_checks"]:
            when = open_node({"type": "WHEN", **check}, _WHEN)
            self._require_plain(self.read(when["when_expr"]))
            results.append(self.read(when["then_expr"]))
        chosen = [found for found in results if found.is_identifier]
        if not chosen:
            return self.origins.new()
        others = [found for found in results if not found.is_identifier]
        require(
            len(chosen) == 1 and all(_is_null(found) for found in others),
            "identifier",
            "an identifier chosen among others",
            agreed="an identifier or nothing",
        )
        # It may still be counted, but no longer stands for everybody in the row.
        return self.origins.new(Meaning.ROW_ID)


def _is_null(found: Lineage) -> bool:
    return found.meaning is Meaning.CONSTANT and found.name == ""


def columns_present(nodes: Iterable[Unread], reader: Reader) -> Iterable[Lineage]:
    """Name the columns that a condition lets pass only with a value."""
    for node in nodes:
        if type_of(node) == "OPERATOR_IS_NOT_NULL":
            [child] = open_node(node, _CHILDREN)["children"]
            if type_of(child) == "BOUND_REF":
                yield reader.read(child)
