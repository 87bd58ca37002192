# SPDX-License-Identifier: Apache-2.0
"""Invent a hospital and an insurer that know some of the same people.

Nobody in these tables exists. Two things are planted, so that a reader sees rules
at work: small wards with too few patients to tell of, and one member of a small
payer who costs more than all the others in one ward taken together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanroom.kernel.record import dataclass

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PEOPLE = 30_000
PATIENTS = 24_000
MEMBERS = 20_000
ENCOUNTERS = 120_000
CLAIMS = 90_000
SMALL_WARD_PATIENTS = 14
SMALL_WARD_STAYS = 4 * SMALL_WARD_PATIENTS
SMALL_PAYER_MEMBERS = 400
DOMINANT_STAYS = 450

WARDS = ("cardiology", "internal", "maternity", "neurology", "surgery")
WARD_SHARES = (0.22, 0.34, 0.12, 0.12, 0.20)
SMALL_WARDS = ("burns", "hyperbaric", "isolation", "sleep", "tropical")
PAYERS = ("civic-mutual", "north-health", "union-care")
SMALL_PAYER = "harbour-fund"
PLANS = ("basic", "family", "premium")
CLAIM_KINDS = ("dental", "drugs", "stay", "therapy")
MONTHS = tuple(f"2025-{month:02d}" for month in range(1, 13))
VILLAGES = 1800
FIRST_NAMES = ("ada", "bela", "carl", "dora", "emil", "fine", "gesa", "hugo", "ida", "jan")
LAST_NAMES = ("bauer", "conti", "duval", "evans", "ferro", "garcia", "horak", "ito", "jensen")
NOTE = "free text that no policy lets out"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTables:
    """All tables of the two organisations, by dataset name."""

    tables: Mapping[str, pa.Table]

    def write(self, directory: Path) -> dict[str, Path]:
        """Write each table as its owner would have it: members as CSV, the rest as Parquet."""
        from pyarrow import csv, parquet

        paths = {}
        for name, table in self.tables.items():
            owner, _, short = name.partition(".")
            suffix = "csv" if short == "members" else "parquet"
            path = paths[name] = directory / owner / f"{short}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if suffix == "csv":
                csv.write_csv(table, path)
            else:
                parquet.write_table(table, path, compression="zstd")
        return paths


def generate(*, seed: int = 2026) -> DemoTables:
    """Invent both organisations; the same seed gives the same tables."""
    import numpy as np

    rng = np.random.default_rng(seed)
    emails = _emails(rng)
    patients = rng.choice(PEOPLE, size=PATIENTS, replace=False)
    members = rng.choice(PEOPLE, size=MEMBERS, replace=False)
    payers = _payers(rng)
    # The one who dominates must be known to both, or the join would drop them.
    both = np.intersect1d(patients, members[payers == SMALL_PAYER])
    dominant = int(np.flatnonzero(patients == both[0])[0])
    return DemoTables(
        tables={
            "hospital.patients": _patients(rng, emails[patients]),
            "hospital.encounters": _encounters(rng, dominant),
            "insurer.members": _members(rng, emails[members], payers),
            "insurer.claims": _claims(rng),
        }
    )


def _emails(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    import numpy as np

    first = rng.choice(FIRST_NAMES, size=PEOPLE)
    last = rng.choice(LAST_NAMES, size=PEOPLE)
    number = np.arange(PEOPLE)
    pairs = zip(first, last, number, strict=True)
    return np.array([f"{one}.{two}.{three}@example.org" for one, two, three in pairs])


def _payers(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    payers = rng.choice(PAYERS, size=MEMBERS).astype("U16")
    payers[:SMALL_PAYER_MEMBERS] = SMALL_PAYER
    return payers


def _patients(rng: np.random.Generator, emails: np.ndarray[Any, Any]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            "patient_id": _identifiers("P", PATIENTS),
            "person_key": pa.array(emails),
            "birth_decade": pa.array(rng.integers(193, 202, size=PATIENTS) * 10),
            "sex": pa.array(rng.choice(("f", "m"), size=PATIENTS)),
            "village": pa.array(rng.integers(1, VILLAGES + 1, size=PATIENTS)),
        }
    )


def _encounters(rng: np.random.Generator, dominant: int) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    patient = rng.integers(0, PATIENTS, size=ENCOUNTERS)
    ward = rng.choice(WARDS, size=ENCOUNTERS, p=WARD_SHARES).astype("U16")
    cents = rng.gamma(shape=2.0, scale=90_000, size=ENCOUNTERS).astype("int64") + 10_000
    month = rng.choice(MONTHS, size=ENCOUNTERS)
    # Planted: the first stays are the dominant patient's, the next the small wards'.
    patient[:DOMINANT_STAYS] = dominant
    ward[:DOMINANT_STAYS] = "cardiology"
    cents[:DOMINANT_STAYS] = 1_950_000
    for number, name in enumerate(SMALL_WARDS):
        start = DOMINANT_STAYS + number * SMALL_WARD_STAYS
        ward[start : start + SMALL_WARD_STAYS] = name
        few = rng.choice(PATIENTS, size=SMALL_WARD_PATIENTS, replace=False)
        patient[start : start + SMALL_WARD_STAYS] = np.repeat(few, 4)
    order = rng.permutation(ENCOUNTERS)
    return pa.table(
        {
            "encounter_id": pa.array(np.arange(1, ENCOUNTERS + 1)),
            "patient_id": _identifiers("P", PATIENTS).take(pa.array(patient[order])),
            "ward": pa.array(ward[order]),
            "month": pa.array(month),
            "days": pa.array(rng.integers(1, 15, size=ENCOUNTERS)),
            "cost": _money(np.minimum(cents, 2_000_000)[order]),
            "note": pa.array(np.full(ENCOUNTERS, NOTE)),
        }
    )


def _members(
    rng: np.random.Generator, emails: np.ndarray[Any, Any], payers: np.ndarray[Any, Any]
) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    # The insurer's clerks type addresses as people do; sealing normalises both sides.
    capital = rng.integers(0, 2, size=MEMBERS) == 1
    typed = np.where(capital, np.char.title(emails), np.char.add(emails, " "))
    return pa.table(
        {
            "member_id": _identifiers("M", MEMBERS),
            "person_key": pa.array(typed),
            "payer": pa.array(payers),
            "plan": pa.array(rng.choice(PLANS, size=MEMBERS)),
        }
    )


def _claims(rng: np.random.Generator) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    member = rng.integers(0, MEMBERS, size=CLAIMS)
    return pa.table(
        {
            "claim_id": pa.array(np.arange(1, CLAIMS + 1)),
            "member_id": _identifiers("M", MEMBERS).take(pa.array(member)),
            "kind": pa.array(rng.choice(CLAIM_KINDS, size=CLAIMS)),
            "month": pa.array(rng.choice(MONTHS, size=CLAIMS)),
            "amount": _money(rng.gamma(2.0, 9_000, size=CLAIMS).astype("int64") + 500),
        }
    )


def _identifiers(letter: str, count: int) -> pa.Array:
    import pyarrow as pa

    return pa.array([f"{letter}{number:06d}" for number in range(1, count + 1)])


def _money(cents: np.ndarray[Any, Any]) -> pa.Array:
    """Turn cents into exact decimals with two places; a float would not be exact."""
    import numpy as np
    import pyarrow as pa

    # A decimal is a 128-bit little-endian integer: the low word, then the sign's word.
    words = np.column_stack([cents, np.zeros_like(cents)])
    buffers = [None, pa.py_buffer(np.ascontiguousarray(words).tobytes())]
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), buffers)
