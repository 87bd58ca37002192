# SPDX-License-Identifier: Apache-2.0
"""Policies and catalogs for tests of the two gates."""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.admission.catalog import Catalog
from cleanroom.contract.policy import Policy, parse_policy
from cleanroom.contract.types import ColumnType

K = 10


def policy(
    dataset: str,
    columns: Mapping[str, str],
    *,
    unit: str = "",
    namespace: str = "",
    joins: tuple[str, ...] = (),
    rows: str = "many",
    k: int = K,
    literal: tuple[str, ...] | None = None,
    column: tuple[str, ...] | None = None,
    extra: Mapping[str, str] | None = None,
) -> Policy:
    """Write and parse a policy; ``columns`` maps a name to the inside of its inline table.

    A role alone may be given as ``dimension``; comparisons default to all that may be listed.
    """
    owner = dataset.partition(".")[0]
    roles = {
        name: text if text.startswith("role") else f'role = "{text}"'
        for name, text in columns.items()
    }
    plain = tuple(
        n for n, r in roles.items() if any(f'"{x}"' in r for x in ("dimension", "quasi", "measure"))
    )
    keys = tuple(n for n, r in roles.items() if '"key:' in r)
    values = {
        "kinds": '["sql"]',
        "threshold": str(k),
        "difference": str(k),
        "p": '"10"',
        "largest": "2",
        "share": '"9/10"',
        "counts": "5",
        "digits": "4",
        "noise": 'kind = "none"',
        "unit": "person",
        "max_rows": "1" if rows == "one" else "1000",
        **(extra or {}),
    }
    functions = ", ".join(f'"{name}"' for name in values.get("functions", "").split())
    header = f"""format = "cleanroom.policy.v0"
owner = "{owner}"
dataset = "{dataset}"
kinds = {values["kinds"]}
receivers = ["{owner}"]
"""
    body = "[columns]\n" + "\n".join(f"{n} = {{ {r} }}" for n, r in roles.items()) + "\n"
    partners = "[joins]\ndatasets = [" + ", ".join(f'"{j}"' for j in joins if j != dataset) + "]\n"
    if not unit:
        return parse_policy((header + '[unit]\nkind = "public"\n' + body + partners).encode())
    quoted_literal = ", ".join(f'"{n}"' for n in (plain if literal is None else literal))
    quoted_column = ", ".join(f'"{n}"' for n in (keys + plain if column is None else column))
    text = f"""{header}functions = [{functions}]
zeros = "suppress"
[unit]
kind = "{values["unit"]}"
namespace = "{namespace}"
column = "{unit}"
rows = "{rows}"
max_rows = {values["max_rows"]}
{body}[compare]
literal = [{quoted_literal}]
column = [{quoted_column}]
[threshold]
units = {values["threshold"]}
[dominance]
largest = {values["largest"]}
share = {values["share"]}
[p_percent]
p = {values["p"]}
[rounding]
counts = {values["counts"]}
significant_digits = {values["digits"]}
[noise]
{values["noise"]}
[difference]
units = {values["difference"]}
[releases]
per_receiver = 100
total = 200
{partners}"""
    return parse_policy(text.encode())


def schema(**columns: str) -> tuple[tuple[str, ColumnType], ...]:
    """Write a schema as keyword arguments."""
    return tuple((name, ColumnType(kind)) for name, kind in columns.items())


def measure(lower: str, upper: str, unit: str = "EUR") -> str:
    """Write the inside of a measure's inline table."""
    return f'role = "measure", lower = "{lower}", upper = "{upper}", unit = "{unit}"'


HEALTH = (
    "hospital.patients",
    "hospital.encounters",
    "insurer.members",
    "insurer.claims",
    "ref.dx_codes",
    "ref.numbers",
)
ADS = ("publisher.users", "publisher.impressions", "advertiser.conversions")


def corpus_catalog(*, k: int = K, digits: int = 4, functions: str = "") -> Catalog:
    """The policies that the shared corpora assume, as this product writes them."""
    extra = {"digits": str(digits), "functions": functions}
    datasets = {
        "hospital.patients": (
            policy(
                "hospital.patients",
                {
                    "patient_id": "key:hospital_pid",
                    "person_key": "key:pk",
                    "birth_year": "dimension",
                    "sex": "dimension",
                    "zip": "quasi",
                    "region": "dimension",
                    "smoker": "dimension",
                    "note": "blocked",
                },
                unit="patient_id",
                namespace="hospital_pid",
                joins=HEALTH,
                rows="one",
                k=k,
                extra=extra,
            ),
            schema(
                patient_id="integer",
                person_key="string",
                birth_year="integer",
                sex="string",
                zip="string",
                region="string",
                smoker="boolean",
                note="string",
            ),
        ),
        "hospital.encounters": (
            policy(
                "hospital.encounters",
                {
                    "encounter_id": "row_id",
                    "patient_id": "key:hospital_pid",
                    "admit_date": "dimension",
                    "ward": "dimension",
                    "dx": "dimension",
                    "cost": measure("0", "20000"),
                    "los": measure("0", "60", "days"),
                },
                unit="patient_id",
                namespace="hospital_pid",
                joins=HEALTH,
                k=k,
                extra=extra,
            ),
            schema(
                encounter_id="integer",
                patient_id="integer",
                admit_date="date",
                ward="string",
                dx="string",
                cost="double",
                los="integer",
            ),
        ),
        "insurer.members": (
            policy(
                "insurer.members",
                {
                    "person_key": "key:pk",
                    "plan": "dimension",
                    "region": "dimension",
                    "premium": measure("0", "1000"),
                    "credit_score": measure("300", "850", "points"),
                },
                unit="person_key",
                namespace="pk",
                joins=HEALTH,
                rows="one",
                k=k,
                extra=extra,
            ),
            schema(
                person_key="string",
                plan="string",
                region="string",
                premium="double",
                credit_score="integer",
            ),
        ),
        "insurer.claims": (
            policy(
                "insurer.claims",
                {
                    "claim_id": "row_id",
                    "person_key": "key:pk",
                    "claim_date": "dimension",
                    "cpt": "dimension",
                    "amount": measure("0", "5000"),
                    "paid": measure("0", "5000"),
                    "status": "dimension",
                },
                unit="person_key",
                namespace="pk",
                joins=HEALTH,
                k=k,
                extra=extra,
            ),
            schema(
                claim_id="integer",
                person_key="string",
                claim_date="date",
                cpt="string",
                amount="double",
                paid="double",
                status="string",
            ),
        ),
        "publisher.users": (
            policy(
                "publisher.users",
                {
                    "user_id": "key:uid",
                    "age_band": "dimension",
                    "state": "dimension",
                    "gender": "dimension",
                },
                unit="user_id",
                namespace="uid",
                joins=ADS,
                rows="one",
                k=k,
                extra=extra,
            ),
            schema(user_id="string", age_band="string", state="string", gender="string"),
        ),
        "publisher.impressions": (
            policy(
                "publisher.impressions",
                {
                    "user_id": "key:uid",
                    "campaign_id": "dimension",
                    "ts": "dimension",
                    "device": "dimension",
                    "price": measure("0", "0.05"),
                },
                unit="user_id",
                namespace="uid",
                joins=ADS,
                k=k,
                extra=extra,
            ),
            schema(
                user_id="string",
                campaign_id="string",
                ts="timestamp",
                device="string",
                price="double",
            ),
        ),
        "advertiser.conversions": (
            policy(
                "advertiser.conversions",
                {
                    "order_id": "row_id",
                    "user_id": "key:uid",
                    "ts": "dimension",
                    "amount": measure("0", "500"),
                    "product": "dimension",
                },
                unit="user_id",
                namespace="uid",
                joins=ADS,
                k=k,
                extra=extra,
            ),
            schema(
                order_id="integer",
                user_id="string",
                ts="timestamp",
                amount="double",
                product="string",
            ),
        ),
        "ref.dx_codes": (
            policy(
                "ref.dx_codes",
                {"dx": "public", "label": "public", "chapter": "public"},
                joins=HEALTH,
            ),
            schema(dx="string", label="string", chapter="string"),
        ),
        "ref.numbers": (policy("ref.numbers", {"n": "public"}, joins=HEALTH), schema(n="integer")),
    }
    return Catalog(datasets=datasets, links=frozenset())
