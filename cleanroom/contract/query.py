# SPDX-License-Identifier: Apache-2.0
"""A query: code by digest, parameters with their whole domain, columns, output, receivers.

Parameters are enumerated, never free text: a parameter that takes any value is
a way to ask about any one person.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from cleanroom.contract.analysis import (
    PER_UNIT,
    REVIEWED,
    Analysis,
    PythonWire,
    SqlAnalysis,
    read_analysis,
)
from cleanroom.contract.resources import Resources, ResourcesWire, read_resources
from cleanroom.contract.types import CODE_FILE, ColumnType, ParameterType
from cleanroom.contract.wire import (
    ColumnName,
    DigestText,
    Domain,
    Lineage,
    Name,
    Type,
    malformed,
    read_document,
    unique,
    with_bytes,
)
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import (
    MAX_CODE_FILES,
    MAX_COLUMNS,
    MAX_CONTRACT_DATASETS,
    MAX_PARAMETERS,
    MAX_PARTIES,
    MAX_QUERY_BYTES,
)
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.remembered import remembered
from cleanroom.kernel.strict_toml import parse_toml
from cleanroom.kernel.wire_model import WireModel

ParameterValue: TypeAlias = str | int

_KIND = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFile:
    """A file of code that belongs to the query, by digest."""

    file: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter and every value that it may take; dates are ``2026-01-31`` strings."""

    name: str
    type: ParameterType
    values: tuple[ParameterValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputColumn:
    """One column of the result."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryTerms:
    """Everything a query document says, before it has bytes.

    Attributes:
        name: Name of the query in the room.
        author: Party that signs it.
        kind: ``sql``, ``python_per_unit`` or ``python_reviewed``.
        receivers: Parties that may receive its results.
        code: Files of code by digest.
        datasets: Columns used, by lineage.
        parameters: Parameters by name.
        output: Columns of the result in order.
        resources: What one run may spend.
        analysis: What Python code hands over; of SQL, admission finds that out.
    """

    name: str
    author: str
    kind: str
    receivers: frozenset[str]
    code: tuple[CodeFile, ...]
    datasets: Mapping[str, tuple[str, ...]]
    parameters: Mapping[str, Parameter]
    output: tuple[OutputColumn, ...]
    resources: Resources
    analysis: Analysis = field(default_factory=SqlAnalysis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(QueryTerms):
    """A query document as its author signed it."""

    raw: bytes = field(repr=False)
    digest: Digest


class CodeWire(WireModel):
    """One file of code."""

    file: Annotated[str, Field(pattern=f"^{CODE_FILE}$")]
    digest: DigestText


class UsedDatasetWire(WireModel):
    """One dataset and the columns used."""

    lineage: Lineage
    columns: Annotated[list[ColumnName], Field(min_length=1, max_length=MAX_COLUMNS)]


class ParameterWire(WireModel):
    """One parameter and its domain."""

    name: ColumnName
    type: Literal["string", "integer", "date"]
    values: Domain


class OutputWire(WireModel):
    """One column of the result."""

    name: ColumnName
    type: Type


class AnyQueryWire(WireModel):
    """What every query document says."""

    format: Literal["cleanroom.query.v0"]
    name: Name
    author: Name
    receivers: Annotated[list[Name], Field(min_length=1, max_length=MAX_PARTIES)]
    code: Annotated[list[CodeWire], Field(min_length=1, max_length=MAX_CODE_FILES)]
    datasets: Annotated[
        list[UsedDatasetWire], Field(min_length=1, max_length=MAX_CONTRACT_DATASETS)
    ]
    parameters: Annotated[list[ParameterWire], Field(max_length=MAX_PARAMETERS)]
    output: Annotated[list[OutputWire], Field(min_length=1, max_length=MAX_COLUMNS)]
    resources: ResourcesWire


class QueryWire(AnyQueryWire):
    """An SQL query; admission finds out from its text what it reads and releases."""

    kind: Literal["sql"]


class PythonQueryWire(AnyQueryWire):
    """A Python query, which says what its code hands over."""

    kind: Literal["python_per_unit", "python_reviewed"]
    python: PythonWire


@remembered(64)
def parse_query(data: bytes, *, what: str = "query.toml") -> Query:
    """Read a query document from its exact bytes.

    Raises:
        MalformedError: Not a query document, or one that contradicts itself.
    """
    document = parse_toml(data, what=what, limit=MAX_QUERY_BYTES)
    wire: QueryWire | PythonQueryWire
    if document.get("kind") in (PER_UNIT, REVIEWED):  # not a set: it may be a list
        wire = read_document(PythonQueryWire, document, what=what, kind=_KIND)
    else:
        wire = read_document(QueryWire, document, what=what, kind=_KIND)
    _unique((used.lineage for used in wire.datasets), what=what, clause="datasets")
    _unique((parameter.name for parameter in wire.parameters), what=what, clause="parameters")
    _unique((column.name for column in wire.output), what=what, clause="output")
    _require_code(wire, what=what)
    terms = QueryTerms(
        name=wire.name,
        author=wire.author,
        kind=wire.kind,
        receivers=_unique(wire.receivers, what=what, clause="receivers"),
        code=tuple(_code(code) for code in wire.code),
        datasets={used.lineage: _columns(used, what=what) for used in wire.datasets},
        parameters={item.name: _parameter(item, what=what) for item in wire.parameters},
        output=tuple(_output(column) for column in wire.output),
        resources=read_resources(wire.resources),
        analysis=_analysis(wire, what=what),
    )
    _require_output(terms, what=what)
    return with_bytes(Query, terms, data=data)


def require_value(value: object, kind: ParameterType, *, what: str, clause: str) -> None:
    """Refuse a value of another type than its parameter's, without quoting it.

    Raises:
        MalformedError: Another type, a boolean, or a day that does not exist.
    """
    agreed = {
        ParameterType.INTEGER: "a whole number",
        ParameterType.DATE: "a day such as '2026-01-31'",
        ParameterType.STRING: "text",
    }[kind]
    # True is an int in Python and would bind as 1.
    fits = type(value) is (int if kind is ParameterType.INTEGER else str)
    if kind is ParameterType.DATE:
        fits = isinstance(value, str) and _is_day(value)
    if not fits:
        raise malformed(
            what, clause, found="another type", agreed=agreed, code="query.parameter-type"
        )


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _require_code(wire: QueryWire | PythonQueryWire, *, what: str) -> None:
    suffix = ".sql" if isinstance(wire, QueryWire) else ".py"
    if len(wire.code) != 1 or not wire.code[0].file.endswith(suffix):
        raise malformed(
            what,
            "code",
            found="other files",
            agreed=f"exactly one file that ends in {suffix}",
            code="query.code",
        )


def _analysis(wire: QueryWire | PythonQueryWire, *, what: str) -> Analysis:
    if isinstance(wire, QueryWire):
        return SqlAnalysis()
    analysis = read_analysis(wire.python, kind=wire.kind, what=what)
    if analysis.unit not in {used.lineage for used in wire.datasets}:
        raise malformed(
            what,
            "python.unit",
            found=f"{analysis.unit}, which the query does not use",
            agreed="one of its datasets",
            code="query.python-unit",
        )
    return analysis


def _require_output(terms: QueryTerms, *, what: str) -> None:
    """Hold the output that approvers read to what the analysis releases."""
    if isinstance(terms.analysis, SqlAnalysis):
        return  # the runner compares, since only admission knows what SQL releases
    declared = tuple((column.name, column.type) for column in terms.output)
    if declared != terms.analysis.output:
        raise malformed(
            what,
            "output",
            found="other columns",
            agreed="the groups and aggregates of the python clause, or its statistics",
            code="query.python-output",
        )


def _code(wire: CodeWire) -> CodeFile:
    return CodeFile(file=wire.file, digest=Digest.parse(wire.digest))


def _columns(wire: UsedDatasetWire, *, what: str) -> tuple[str, ...]:
    _unique(wire.columns, what=what, clause=f"datasets.{wire.lineage}.columns")
    return tuple(wire.columns)


def _parameter(wire: ParameterWire, *, what: str) -> Parameter:
    kind = ParameterType(wire.type)
    clause = f"parameters.{wire.name}.values"
    for value in wire.values:
        require_value(value, kind, what=what, clause=clause)
    if len(set(wire.values)) != len(wire.values):
        raise malformed(
            what, clause, found="a value twice", agreed="each one once", code="query.duplicate"
        )
    return Parameter(name=wire.name, type=kind, values=tuple(wire.values))


def _output(wire: OutputWire) -> OutputColumn:
    return OutputColumn(name=wire.name, type=ColumnType(wire.type))


def _unique(values: Iterable[str], *, what: str, clause: str) -> frozenset[str]:
    return unique(values, what=what, clause=clause, kind=_KIND)


def typed_values(query: Query, given: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
    """Give values as a person typed them the types that the query declares.

    Unknown names are kept: whether a value is approved is decided elsewhere.

    Raises:
        MalformedError: Text that is no integer for a parameter that is one.
    """
    return {name: _typed(query.parameters.get(name), name, value) for name, value in given.items()}


def _typed(parameter: Parameter | None, name: str, value: ParameterValue) -> ParameterValue:
    if parameter is None or parameter.type is not ParameterType.INTEGER or isinstance(value, int):
        return value
    if not re.fullmatch(r"-?[0-9]{1,16}", value):
        raise malformed(
            "run.toml",
            f"parameters.{name}",
            found="text",
            agreed="an integer",
            code="run.parameter-type",
            hint=f"one of {', '.join(str(item) for item in parameter.values[:8])}",
        )
    return int(value)
