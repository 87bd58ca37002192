# SPDX-License-Identifier: Apache-2.0
"""A small seeded hospital and insurer, with the people on whom gates break."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded, so that a failure can be repeated
from typing import Any

import duckdb

REGIONS = ("north", "south")
WARDS = ("cardio", "onco", "ortho")
CODES = (("I10", "circulatory"), ("E11", "endocrine"), ("J45", "respiratory"))
VIP, ALONE, ODD, RARE = 1, 2, 3, 4
COLUMNS = {
    "hospital.patients": "patient_id BIGINT, person_key VARCHAR, birth_year BIGINT, sex VARCHAR, "
    "zip VARCHAR, region VARCHAR, smoker BOOLEAN, note VARCHAR",
    "hospital.encounters": "encounter_id BIGINT, patient_id BIGINT, admit_date DATE, "
    "ward VARCHAR, dx VARCHAR, cost DOUBLE, los BIGINT",
    "insurer.members": "person_key VARCHAR, plan VARCHAR, region VARCHAR, premium DOUBLE, "
    "credit_score BIGINT",
    "insurer.claims": "claim_id BIGINT, person_key VARCHAR, claim_date DATE, cpt VARCHAR, "
    "amount DOUBLE, paid DOUBLE, status VARCHAR",
    "ref.dx_codes": "dx VARCHAR, label VARCHAR, chapter VARCHAR",
    "ref.numbers": "n BIGINT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Rows of every table; ``without`` gives the neighbour in which one person never was."""

    rows: Mapping[str, tuple[tuple[Any, ...], ...]]
    people: tuple[int, ...]

    def without(self, person: int) -> Health:
        """Remove every row of one person from both organisations."""
        gone = {person, _key(person)}
        return Health(
            rows={
                table: tuple(row for row in rows if not gone & set(_ids(table, row)))
                for table, rows in self.rows.items()
            },
            people=tuple(other for other in self.people if other != person),
        )

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Load the tables into an engine in memory."""
        connection = duckdb.connect(":memory:", config={"threads": 1})
        for table, rows in self.rows.items():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.partition('.')[0]}")
            connection.execute(f"CREATE TABLE {table} ({COLUMNS[table]})")
            marks = ", ".join("?" * (COLUMNS[table].count(",") + 1))
            if rows:
                values = ", ".join(f"({marks})" for _ in rows)
                flat = [value for row in rows for value in row]
                connection.execute(f"INSERT INTO {table} VALUES {values}", flat)  # noqa: S608
        return connection


def health(*, people: int = 24, seed: int = 7) -> Health:
    """Generate people with encounters and claims, and four on whom a gate could break."""
    random = Random(seed)  # noqa: S311 - data, not secrets
    persons = tuple(range(1, people + 1))
    patients = tuple(_patient(person, random) for person in persons)
    members = tuple(_member(person, random) for person in persons if person % 6)
    return Health(
        rows={
            "hospital.patients": patients,
            "hospital.encounters": tuple(_numbered(_encounters(persons, random))),
            "insurer.members": members,
            "insurer.claims": tuple(_numbered(_claims(members, random))),
            "ref.dx_codes": tuple((dx, f"label {dx}", chapter) for dx, chapter in CODES),
            "ref.numbers": tuple((number,) for number in range(3)),
        },
        people=persons,
    )


def _patient(person: int, random: Random) -> tuple[Any, ...]:
    zip_code = "99950" if person == VIP else random.choice(("02101", "10001"))
    region = random.choice(REGIONS)
    return (
        person, _key(person), random.randint(1940, 2005), random.choice("MF"), zip_code,
        region, random.random() < 0.5, "canary note",
    )  # fmt: skip


def _encounters(persons: Iterable[int], random: Random) -> Iterable[tuple[Any, ...]]:
    for person in persons:
        for _ in range(random.randint(1, 4)):
            cost = round(random.lognormvariate(6, 0.7), 2)
            dx = random.choice(CODES)[0]
            yield person, _day(random), random.choice(WARDS), dx, cost, random.randint(0, 9)
    for _ in range(40):
        yield VIP, _day(random), "cardio", "I10", 19_999.0, 30
    yield ALONE, _day(random), "hyperbaric", "J45", 1234.5, 2
    for cost in (None, math.nan, math.inf, -math.inf):
        yield ODD, _day(random), "ortho", "J45", cost, 1
    yield None, _day(random), "onco", "E11", 777.0, 1
    yield RARE, _day(random), None, "Z99", 50.0, 0


def _member(person: int, random: Random) -> tuple[Any, ...]:
    premium = round(random.uniform(100, 900), 2)
    plan = random.choice(("gold", "silver"))
    return _key(person), plan, random.choice(REGIONS), premium, random.randint(300, 850)


def _claims(members: Iterable[tuple[Any, ...]], random: Random) -> Iterable[tuple[Any, ...]]:
    for member in members:
        for _ in range(random.randint(0, 4)):
            amount = round(random.lognormvariate(5, 0.8), 2)
            status = random.choice(("paid", "paid", "denied"))
            yield member[0], _day(random), random.choice(("A", "B")), amount, amount, status


def _numbered(rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
    for number, row in enumerate(rows, start=1_000):
        yield number, *row


def _key(person: int) -> str:
    return f"hash{person:06d}"


def _day(random: Random) -> dt.date:
    return dt.date(2025, 1, 1) + dt.timedelta(days=random.randint(0, 364))


def _ids(table: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
    if table == "hospital.patients":
        return row[0], row[1]
    if table in {"hospital.encounters", "insurer.claims"}:
        return (row[1],)
    return (row[0],) if table == "insurer.members" else ()
