# SPDX-License-Identifier: Apache-2.0
"""Mock data: typed, linked and awkward, from documents alone."""

import datetime as dt
import math
from dataclasses import replace
from decimal import Decimal

import pytest

from cleanroom.contract.mock_rows import MockDataset, mock_rows
from tests.support.gate_policies import corpus_catalog, measure, policy, schema

CATALOG = corpus_catalog()
DATASETS = [
    MockDataset(lineage=lineage, policy=made, columns=columns)
    for lineage, (made, columns) in CATALOG.datasets.items()
]


def tables(seed):
    return {dataset.lineage: mock_rows(dataset, seed=seed) for dataset in DATASETS}


TABLES = tables(7)
TYPES = {
    "string": str,
    "integer": int,
    "double": float,
    "boolean": bool,
    "date": dt.date,
    "timestamp": dt.datetime,
}


def column(lineage, name):
    _, columns = CATALOG.datasets[lineage]
    place = [known for known, _ in columns].index(name)
    return [row[place] for row in TABLES[lineage]]


def only(columns, types, **options):
    made = policy("a.t", columns, unit="id", namespace="x", **options)
    return MockDataset(lineage="a.t", policy=made, columns=schema(id="integer", **types))


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.lineage)
def test_every_value_has_its_declared_type(dataset):
    for row in TABLES[dataset.lineage]:
        for value, (_, kind) in zip(row, dataset.columns, strict=True):
            assert value is None or type(value) is TYPES[kind]


def test_everybody_invents_the_same_rows_from_one_seed():
    again = tables(7)
    other = tables(8)
    assert repr(again) == repr(TABLES)
    assert repr(other) != repr(TABLES)


def test_keys_join_and_names_look_up():
    patients = set(column("hospital.patients", "person_key")) - {None}
    members = set(column("insurer.members", "person_key")) - {None}
    assert len(patients & members) > 200
    assert patients != members
    assert set(column("hospital.encounters", "dx")) - {None} <= set(column("ref.dx_codes", "dx"))


def test_declared_facts_hold_and_somebody_has_many_rows():
    patients = [key for key in column("hospital.patients", "patient_id") if key is not None]
    assert len(set(patients)) == len(patients)
    visits = [key for key in column("hospital.encounters", "patient_id") if key is not None]
    assert max(visits.count(key) for key in set(visits)) > 20
    assert len(set(column("hospital.encounters", "encounter_id"))) == len(
        TABLES["hospital.encounters"]
    )


def test_what_breaks_queries_is_there():
    cost = column("hospital.encounters", "cost")
    finite = [value for value in cost if value is not None and math.isfinite(value)]
    assert None in cost
    assert len(finite) < len([value for value in cost if value is not None])
    assert max(finite) > 20_000
    assert None in column("hospital.encounters", "patient_id")
    wards = column("hospital.encounters", "ward")
    assert wards.count("ward-a") > 5 * wards.count("ward-h") > 0


def test_other_keys_are_somebody_else():
    dataset = only({"id": "key:x", "doctor": "key:d"}, {"doctor": "string"})
    doctors = {row[1] for row in mock_rows(dataset, seed=1)}
    assert 5 < len(doctors) <= 12


def test_exact_numbers_keep_their_scale():
    columns = {"id": "key:x", "v": measure("0", "5000"), "p": "dimension"}
    types = {"v": "decimal(6,2)", "p": "decimal(3,1)"}
    values = [row[1:] for row in mock_rows(only(columns, types), seed=1)]
    for number in [value for pair in values for value in pair if value is not None]:
        assert isinstance(number, Decimal)
        assert number <= Decimal("9999.99")
    assert max(value for value, _ in values if value is not None) > 5000


def test_odd_identifiers_have_their_type():
    made = policy("a.t", {"id": "key:x", "note": "blocked"}, unit="id", namespace="x")
    for kind in ("date", "timestamp", "boolean", "decimal(9,0)"):
        columns = schema(id=kind, note="string", new="string")
        rows = mock_rows(MockDataset(lineage="a.t", policy=made, columns=columns), seed=1)
        assert {type(row[0]) for row in rows if row[0] is not None} == {TYPES.get(kind, Decimal)}
        assert rows[0][1].startswith("note-")


def test_nobody_at_all_is_no_row():
    assert mock_rows(only({"id": "key:x"}, {}), seed=1, units=0) == []


def test_a_column_takes_the_values_that_a_query_lists_and_another_one():
    columns = {
        "id": "key:x",
        "p": "dimension",
        "n": "dimension",
        "d": "dimension",
        "b": "dimension",
    }
    dataset = only(columns, {"p": "string", "n": "integer", "d": "date", "b": "boolean"})
    known = {"p": ("plus", "basic"), "n": (1930, 1950), "d": ("2026-01-31",), "b": ("x",)}
    rows = mock_rows(replace(dataset, known=known), seed=1)
    found = [{row[place] for row in rows} - {None} for place in (1, 2, 3, 4)]
    assert found[0] == {"plus", "basic", "p-h"}
    assert found[1] == {1930, 1950, 8}
    assert found[2] == {dt.date(2026, 1, 31), dt.date(2025, 11, 26)}
    assert found[3] <= {True, False}
