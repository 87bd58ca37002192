# SPDX-License-Identifier: Apache-2.0
"""A query: code by digest, parameters with their whole domain, columns, output, receivers.

Parameters are enumerated, never free text: a parameter that takes any value is
a way to ask about any one person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cleanroom.contract.types import ColumnType, ParameterType
from cleanroom.kernel.digest import Digest

FORMAT = "cleanroom.query.v0"
ParameterValue: TypeAlias = str | int


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
class Resources:
    """What the runner may spend on one run; more is a refusal, never a slower answer."""

    memory_mib: int
    seconds: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryTerms:
    """Everything a query document says, before it has bytes.

    Attributes:
        name: Name of the query in the room.
        author: Party that signs it.
        kind: ``sql`` for now.
        receivers: Parties that may receive its results.
        code: Files of code by digest.
        datasets: Columns used, by lineage.
        parameters: Parameters by name.
        output: Columns of the result in order.
        resources: What one run may spend.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(QueryTerms):
    """A query document as its author signed it."""

    raw: bytes = field(repr=False)
    digest: Digest


def parse_query(data: bytes, *, what: str = "query.toml") -> Query:
    """Read a query document from its exact bytes.

    Raises:
        MalformedError: Not a query document, or one that contradicts itself.
    """
    raise NotImplementedError
