# SPDX-License-Identifier: Apache-2.0
"""Admit or expect a refusal, against the policies of the corpora."""

from __future__ import annotations

import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.refusal import QueryRefusedError
from cleanroom.admission.typed.columns import everything, expressions
from cleanroom.admission.typed.expr import Call
from cleanroom.admission.typed.relation import Filter
from cleanroom.admission.typed.tree import AdmittedQuery
from cleanroom.contract.types import ParameterType
from cleanroom.errors import AdmissionRefusedError
from tests.support.gate_policies import corpus_catalog, policy, schema

CATALOG = corpus_catalog()
JOIN = "hospital.patients p JOIN insurer.members m ON p.person_key = m.person_key"


def admitted(sql: str, **parameters: ParameterType) -> AdmittedQuery:
    return admit(sql.encode(), catalog=CATALOG, parameters=parameters)


def refused(sql: str | bytes, catalog: Catalog = CATALOG, **parameters) -> QueryRefusedError:
    text = sql if isinstance(sql, bytes) else sql.encode()
    with pytest.raises(QueryRefusedError) as caught:
        admit(text, catalog=catalog, parameters=parameters)
    error = caught.value
    assert isinstance(error, AdmissionRefusedError)
    assert error.__context__ is None or "duckdb" not in type(error.__context__).__module__
    assert error.hint
    assert error.message.startswith(error.code.removeprefix("admission.") + ": ")
    return error


def condition_of(query: AdmittedQuery) -> Call:
    """The one WHERE condition of a query."""
    found = [item for item in everything(query.stages[0].base) if isinstance(item, Filter)]
    [condition] = [expr for item in found for expr in expressions(item)]
    return condition


def only(dataset: str, columns, types, **options) -> Catalog:
    """A catalog of one dataset, plus the corpus datasets."""
    made = policy(dataset, columns, **options)
    return Catalog(datasets={dataset: (made, schema(**types))}, links=frozenset())


TYPED = only(
    "a.t",
    {
        "id": "key:x",
        "flag": "dimension",
        "small": "dimension",
        "price": "dimension",
        "rate": "dimension",
        "seen": "dimension",
        "born": "dimension",
        "word": "dimension",
    },
    {
        "id": "integer",
        "flag": "boolean",
        "small": "integer",
        "price": "decimal(6,2)",
        "rate": "double",
        "seen": "timestamp",
        "born": "date",
        "word": "string",
    },
    unit="id",
    namespace="x",
)
