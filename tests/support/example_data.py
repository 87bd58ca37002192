# SPDX-License-Identifier: Apache-2.0
"""Writes the invented tables of ``contracts/examples``; a test checks that they are current.

Run ``python -m tests.support.example_data`` from the root of the checkout to
write them again after a change here.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples"
SEED = 20261102
Rows = list[list[Any]]


def email(person: int, *, shouted: bool = False) -> str:
    """Write a person's address as one of the two organisations typed it."""
    written = f"person.{person}@example.org"
    return f" {written.upper()}" if shouted else written


def table(header: list[str], rows: Rows) -> bytes:
    """Write rows as CSV with Unix line ends."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def hospital_stays(rng: np.random.Generator) -> bytes:
    """Stays of 600 people; the burns ward sees only five of them."""
    wards = rng.choice(["cardiology", "orthopaedics", "surgery"], size=2000)
    rows = [
        [
            number + 1,
            email(int(rng.integers(0, 600))),
            wards[number],
            int(rng.choice([2024, 2025])),
            int(rng.integers(1, 15)),
            f"{rng.integers(40_000, 900_000) / 100:.2f}",
        ]
        for number in range(1990)
    ]
    rows += [
        [1991 + number, email(100 + number % 5), "burns", 2025, 9, "8000.00"]
        for number in range(10)
    ]
    return table(["stay_id", "email", "ward", "year", "days", "cost"], rows)


def insurer_members(rng: np.random.Generator) -> bytes:
    """Members; about half are in the follow-up programme."""
    rows = [
        [
            f"M{person:05d}",
            email(person, shouted=bool(rng.integers(0, 2))),
            str(rng.choice(["follow-up", "standard"])),
            int(rng.integers(193, 201)) * 10,
        ]
        for person in range(50, 700)
    ]
    return table(["member_id", "email", "programme", "birth_decade"], rows)


CAMPAIGNS = [
    ["C1", "newspaper", "banner"],
    ["C2", "newspaper", "video"],
    ["C3", "radio", "audio"],
    ["C4", "radio", "audio"],
    ["C5", "podcast", "audio"],
]
CAMPAIGN_SHARES = (0.32, 0.26, 0.22, 0.195, 0.005)  # the podcast reaches hardly anybody


def publisher_reach(rng: np.random.Generator) -> bytes:
    """Who was reached by which campaign, at most once each."""
    names = [campaign[0] for campaign in CAMPAIGNS]
    drawn = {
        (int(rng.integers(0, 900)), str(rng.choice(names, p=CAMPAIGN_SHARES))) for _ in range(1800)
    }
    rows = [
        [number + 1, email(person), campaign]
        for number, (person, campaign) in enumerate(sorted(drawn))
    ]
    return table(["contact_id", "email", "campaign_id"], rows)


def brand_customers(rng: np.random.Generator) -> bytes:
    """Customers and what they spent in a year."""
    rows = [
        [
            f"K{person:05d}",
            email(person, shouted=bool(rng.integers(0, 2))),
            str(rng.choice(["kitchen", "garden", "toys"])),
            f"{rng.integers(500, 30_000) / 100:.2f}",
        ]
        for person in range(200, 1100)
    ]
    return table(["customer_id", "email", "category", "spent"], rows)


def files() -> dict[Path, bytes]:
    """Return every file of invented data with its bytes."""
    rng = np.random.default_rng(SEED)
    health, advertising = EXAMPLES / "health" / "data", EXAMPLES / "advertising" / "data"
    campaigns = table(["campaign_id", "channel", "format"], CAMPAIGNS)
    return {
        health / "stays.csv": hospital_stays(rng),
        health / "members.csv": insurer_members(rng),
        advertising / "campaigns.csv": campaigns,
        advertising / "reach.csv": publisher_reach(rng),
        advertising / "customers.csv": brand_customers(rng),
    }


if __name__ == "__main__":
    for path, data in files().items():
        path.write_bytes(data)
