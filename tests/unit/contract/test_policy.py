# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest

from cleanroom.contract.policy import (
    Column,
    DifferentialPrivacy,
    NoNoise,
    PolicyTerms,
    Public,
    Role,
    parse_policy,
)
from cleanroom.contract.policy_render import render_policy
from cleanroom.errors import MalformedError
from tests.support.documents import terms_of
from tests.support.room_documents import LINEAGES, standard_policy

ENCOUNTERS = standard_policy("hospital.encounters")
VALID = render_policy(ENCOUNTERS).decode()
PUBLIC = PolicyTerms(
    owner="hospital",
    dataset="hospital.wards",
    kinds=frozenset({"sql"}),
    receivers=frozenset({"hospital"}),
    unit=Public(),
    columns={"ward": Column(name="ward", role=Role.PUBLIC)},
    joins=frozenset({"hospital.encounters"}),
)
NOISE = DifferentialPrivacy(
    epsilon_per_release=Fraction(1, 10),
    epsilon_total=Fraction(1),
    delta=Fraction(1, 10**6),
    max_rows_per_unit=20,
    max_groups_per_unit=3,
)


@pytest.mark.parametrize("lineage", LINEAGES)
def test_a_written_policy_reads_as_the_same_terms(lineage):
    terms = standard_policy(lineage)
    assert terms_of(parse_policy(render_policy(terms))) == terms_of(terms)


def test_a_policy_with_noise_reads_as_the_same_terms():
    terms = dataclasses.replace(ENCOUNTERS, noise=NOISE)
    assert parse_policy(render_policy(terms)).noise == NOISE


def test_a_public_policy_reads_as_the_same_terms():
    policy = parse_policy(render_policy(PUBLIC))
    assert terms_of(policy) == terms_of(PUBLIC)
    assert policy.is_public
    assert not parse_policy(VALID.encode()).is_public


@pytest.mark.parametrize(
    "clause",
    [
        "kinds", "receivers", "functions", "zeros", "unit", "columns", "compare", "threshold",
        "dominance", "p_percent", "rounding", "noise", "difference", "releases", "joins",
    ],
)  # fmt: skip
def test_no_clause_is_optional(clause):
    lines = VALID.splitlines()
    start = next(
        number
        for number, line in enumerate(lines)
        if line == f"[{clause}]" or line.startswith(f"{clause} =")
    )
    end = start + 1
    while lines[start].startswith("[") and end < len(lines) and not lines[end].startswith("["):
        end += 1
    without = "\n".join(lines[:start] + lines[end:])
    with pytest.raises(MalformedError, match=f"^policy.toml: {clause}: found no such clause"):
        parse_policy(without.encode())


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ('dataset = "hospital.encounters"', 'dataset = "insurer.encounters"', "dataset"),
        ("units = 10\n\n# The largest", "units = 2\n\n# The largest", "threshold.units"),
        ("counts = 5", "counts = 0", "rounding.counts"),
        ("significant_digits = 4", "significant_digits = 7", "rounding.significant_digits"),
        ('share = "9/10"', 'share = "1"', "dominance.share"),
        ('share = "9/10"', 'share = "0"', "dominance.share"),
        ('p = "10"', 'p = "0"', "p_percent.p"),
        ('p = "10"', 'p = "101"', "p_percent.p"),
        ('"key:hospital_pid"', '"key:other"', "unit.column"),
        ('column = "patient_id"', 'column = "ward"', "unit.column"),
        ('column = "patient_id"', 'column = "nothing"', "unit.column"),
        ("max_rows = 500", "max_rows = 1", "unit.max_rows"),
        ('rows = "many"', 'rows = "one"', "unit.max_rows"),
        ('lower = "0"', 'lower = "20000"', "columns.cost"),
        (', unit = "EUR"', "", "columns.cost"),
        (', upper = "20000"', "", "columns.cost"),
        ('ward = { role = "dimension" }', 'ward = { role = "dimension", lower = "0" }', "columns."),
        ('"row_id"', '"key:"', "columns.encounter_id.role"),
        ('["admitted", "ward"]', '["patient_id"]', "compare.literal"),
        ('["admitted", "ward"]', '["encounter_id"]', "compare.literal"),
        ('["admitted", "ward"]', '["nothing"]', "compare.literal"),
        ('["admitted", "ward"]', '["ward", "ward"]', "compare.literal"),
        ('column = ["patient_id"]', 'column = ["nothing"]', "compare.column"),
        ('["sql"]', '["sql", "sql"]', "kinds"),
        ('["sql"]', '["anything"]', r"kinds\[1\]"),
        ('kind = "none"', 'kind = "laplace"', "noise"),
        ('"hospital.patients", ', '"hospital.encounters", ', "joins.datasets"),
    ],
)
def test_one_wrong_clause_is_refused_by_name(old, new, clause):
    assert VALID.count(old) >= 1
    with pytest.raises(MalformedError, match=f"^policy.toml: {clause}"):
        parse_policy(VALID.replace(old, new, 1).encode())


def test_a_blocked_column_never_meets_another_column():
    changed = VALID.replace('ward = { role = "dimension" }', 'ward = { role = "blocked" }').replace(
        'column = ["patient_id"]', 'column = ["ward"]'
    )
    without = changed.replace('["admitted", "ward"]', '["admitted"]')
    with pytest.raises(MalformedError, match="compare.column: found 'ward' of role blocked"):
        parse_policy(without.encode())


@pytest.mark.parametrize(
    "change",
    [
        {"epsilon_per_release": Fraction(2)},
        {"epsilon_per_release": Fraction(0)},
        {"delta": Fraction(0)},
        {"delta": Fraction(1)},
    ],
)
def test_a_noise_budget_that_contradicts_itself_is_refused(change):
    terms = dataclasses.replace(ENCOUNTERS, noise=dataclasses.replace(NOISE, **change))
    with pytest.raises(MalformedError, match="^policy.toml: noise: found a budget"):
        parse_policy(render_policy(terms))


def test_a_public_dataset_has_public_columns_only():
    data = render_policy(PUBLIC).replace(b'"public" }', b'"dimension" }')
    with pytest.raises(MalformedError, match="columns.ward: found role dimension in a public"):
        parse_policy(data)


def test_a_public_policy_has_no_output_rules():
    data = render_policy(PUBLIC) + b"[threshold]\nunits = 3\n"
    with pytest.raises(MalformedError, match="threshold: found an unknown clause"):
        parse_policy(data)


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ('owner = "hospital"', 'owner = "insurer"', "dataset: found 'hospital.wards'"),
        ('kinds = ["sql"]', 'kinds = ["sql", "sql"]', "kinds"),
        ('receivers = ["hospital"]', 'receivers = ["hospital", "hospital"]', "receivers"),
        ('datasets = ["hospital.encounters"]', 'datasets = ["hospital.wards"]', "joins.datasets"),
    ],
)
def test_one_wrong_clause_of_a_public_policy_is_refused_by_name(old, new, clause):
    data = render_policy(PUBLIC).decode()
    assert old in data
    with pytest.raises(MalformedError, match=f"^policy.toml: {clause}"):
        parse_policy(data.replace(old, new).encode())


@pytest.mark.parametrize(
    ("total", "granted", "most"), [("5/2", 100, 2), ("1", 100, 1), ("50", 7, 7)]
)
def test_a_privacy_budget_is_a_number_of_releases(total, granted, most):
    noise = dataclasses.replace(
        NOISE, epsilon_per_release=Fraction(1), epsilon_total=Fraction(total)
    )
    terms = dataclasses.replace(ENCOUNTERS, noise=noise, releases_total=granted)
    assert terms.most_releases == most
    assert dataclasses.replace(terms, noise=NoNoise()).most_releases == granted
