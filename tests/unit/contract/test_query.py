# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.document_render import render_query
from cleanroom.contract.query import Parameter, parse_query, require_value, typed_values
from cleanroom.contract.types import ParameterType
from cleanroom.errors import MalformedError
from tests.support.documents import terms_of
from tests.support.room_documents import standard_query

TERMS = standard_query()
VALID = render_query(TERMS).decode()


def test_a_written_query_reads_as_the_same_terms():
    assert terms_of(parse_query(VALID.encode())) == terms_of(TERMS)


def test_a_query_without_parameters_reads_as_the_same_terms():
    terms = dataclasses.replace(TERMS, parameters={})
    assert terms_of(parse_query(render_query(terms))) == terms_of(terms)


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ('kind = "sql"', 'kind = "python"', "kind"),
        ('receivers = ["insurer"]', "receivers = []", "receivers"),
        ('receivers = ["insurer"]', 'receivers = ["insurer", "insurer"]', "receivers"),
        ('file = "query.sql"', 'file = "../query.sql"', r"code\[1\].file"),
        ('file = "query.sql"', 'file = "query.sh"', r"code\[1\].file"),
        ('file = "query.sql"', 'file = "query.py"', "code: found other files"),
        ('lineage = "hospital.patients"', 'lineage = "insurer.members"', "datasets: found"),
        ('"patient_id", "person_key"', '"patient_id", "patient_id"', "datasets.hospital.patients."),
        ('name = "born"', 'name = "region"', "parameters: found 'region' twice"),
        ("values = [1940, 1960, 1980]", "values = [1940, 1940]", "parameters.born.values: found a"),
        ("values = [1940, 1960, 1980]", 'values = ["1940"]', "parameters.born.values: found anoth"),
        ("values = [1940, 1960, 1980]", "values = [true]", r"parameters\[2\].values\[1\]"),
        ('["north", "south"]', '["north", 1]', "parameters.region.values: found another type"),
        ('["2025-01-01", ', '["2025-02-30", ', "parameters.since.values: found another type"),
        ('["2025-01-01", ', '["20250101", ', "parameters.since.values: found another type"),
        ('["2025-01-01", ', "[20250101, ", "parameters.since.values: found another type"),
        ('name = "plan"', 'name = "ward"', "output: found 'ward' twice"),
        ("rows = 10000", "rows = 0", "resources.rows"),
        ("memory_mib = 1024", "memory_mib = 1", "resources.memory_mib"),
    ],
)
def test_one_wrong_clause_is_refused_by_name(old, new, clause):
    assert VALID.count(old) >= 1
    with pytest.raises(MalformedError, match=f"^query.toml: {clause}"):
        parse_query(VALID.replace(old, new, 1).encode())


def test_two_files_of_code_are_refused():
    second = TERMS.code[0]
    terms = dataclasses.replace(
        TERMS, code=(second, dataclasses.replace(second, file="second.sql"))
    )
    with pytest.raises(MalformedError, match="code: found other files, agreed exactly one file"):
        parse_query(render_query(terms))


def test_true_is_no_whole_number():
    value = True
    with pytest.raises(MalformedError, match="^run.toml: parameters.born: found another type"):
        require_value(value, ParameterType.INTEGER, what="run.toml", clause="parameters.born")


def test_a_domain_keeps_its_order_and_types():
    parameter = Parameter(name="n", type=ParameterType.INTEGER, values=(3, 1, 2))
    terms = dataclasses.replace(TERMS, parameters={"n": parameter})
    assert parse_query(render_query(terms)).parameters["n"] == parameter


def test_typed_text_becomes_the_number_that_the_query_declares():
    query = parse_query(VALID.encode())
    given = {"born": "1960", "region": "1960", "since": "2025-01-01", "unknown": "7"}
    assert typed_values(query, given) == {**given, "born": 1960}
    assert typed_values(query, {"born": 1960}) == {"born": 1960}


@pytest.mark.parametrize("text", ["", "1e3", "19.5", "born", "١٩٦٠", "1" * 17])
def test_text_that_is_no_number_is_refused_without_quoting_it(text):
    with pytest.raises(MalformedError) as refused:
        typed_values(parse_query(VALID.encode()), {"born": text})
    assert refused.value.message == "run.toml: parameters.born: found text, agreed an integer"
