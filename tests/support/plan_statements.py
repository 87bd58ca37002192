# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - statements of constants
"""Statements written by hand for the check of bound plans, so that no generator is trusted."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cleanroom.bound_plan.check import check_statement
from cleanroom.bound_plan.claim import DatasetClaim, StatementClaim
from cleanroom.errors import AdmissionRefusedError
from tests.support.gate_policies import corpus_catalog

CATALOG = corpus_catalog()
SALT = "ssalt"
READ: Mapping[str, tuple[str, ...]] = {
    "hospital.patients": ("patient_id", "person_key", "region", "sex", "birth_year"),
    "hospital.encounters": ("encounter_id", "patient_id", "ward", "los"),
    "insurer.members": ("person_key", "plan", "premium"),
    "ref.dx_codes": ("dx", "chapter"),
    "ref.numbers": (),
}
PATIENTS = "(SELECT * FROM hospital.patients WHERE patient_id IS NOT NULL)"
ENCOUNTERS = "(SELECT * FROM hospital.encounters WHERE patient_id IS NOT NULL)"
MEMBERS = "(SELECT * FROM insurer.members WHERE person_key IS NOT NULL)"
LINKED = (
    f"{PATIENTS} p JOIN {ENCOUNTERS} e ON p.patient_id = e.patient_id "
    f"JOIN {MEMBERS} m ON p.person_key = m.person_key"
)


def claim(
    *,
    keys: int = 1,
    read: Mapping[str, tuple[str, ...]] = READ,
    links: frozenset[frozenset[str]] = frozenset(),
) -> StatementClaim:
    """What the statements below may do."""
    return StatementClaim(
        datasets={
            lineage: DatasetClaim(
                policy=CATALOG.datasets[lineage][0],
                types={
                    name: kind for name, kind in CATALOG.datasets[lineage][1] if name in columns
                },
            )
            for lineage, columns in read.items()
        },
        links=links,
        keys=keys,
        salt=SALT,
    )


def statement(
    *,
    source: str = f"{ENCOUNTERS} e",
    key: str = "e.ward",
    units: tuple[str, ...] = ("e.patient_id",),
    argument: str = "e.los",
    partial: str = "sum(a0)",
    statistic: str = "sum(s)",
    where: str = "",
    shared: str = "",
) -> str:
    """A normal form: rows, then one row for each group and unit, then one for each group."""
    listed = ", ".join(f"{unit} AS u{index}" for index, unit in enumerate(units))
    base = f"SELECT {key} AS k0, {argument} AS a0, {listed} FROM {source} {where}"
    tables = [f"base AS MATERIALIZED ({base})"]
    selects = []
    for index, _ in enumerate(units):
        tables.append(
            f"per{index} AS (SELECT k0, hash($ssalt{index}::VARCHAR, u{index}::VARCHAR) AS h, "
            f"{partial} AS s FROM base GROUP BY k0, u{index})"
        )
        selects.append(f"SELECT {index}, k0, count(*), {statistic} FROM per{index} GROUP BY k0")
    if shared:
        selects.append(f"SELECT -1, k0, count(*), {shared} FROM base GROUP BY k0")
    return f"WITH {', '.join(tables)} {' UNION ALL '.join(selects)} LIMIT 1001"


def linked(**changes: str) -> str:
    """A statement over three datasets of two owners."""
    parts = {"source": LINKED, "key": "m.plan", "argument": "e.los", **changes}
    return statement(units=("p.patient_id", "m.person_key"), **parts)


def passes(sql: str, **changes) -> None:
    """Expect a statement to pass, unchanged."""
    assert check_statement(sql, claim(**changes)).sql == sql


def fails(sql: str, rule: str, **changes) -> str:
    """Expect one rule to refuse a statement."""
    with pytest.raises(AdmissionRefusedError, match="^plan: ") as caught:
        check_statement(sql, claim(**changes))
    assert caught.value.code == f"plan.{rule}", caught.value.message
    assert caught.value.__context__ is None
    return caught.value.message
