# SPDX-License-Identifier: Apache-2.0
"""An attestation clause as plain values, in the very structure of its TOML.

Everything that names, compares, shows or exports a clause starts here, so that
none of them can leave a term out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cleanroom.contract.attestation_terms import (
    CLAUSE_NAMES,
    AttestationProfile,
    Clause,
    Forbidden,
    MaaClause,
    NitroClause,
    NoCollateral,
    PcrClause,
    Required,
    SnpClause,
    SnpSigner,
    TdxClause,
    Unrestricted,
    Waived,
)
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest

EMPTY = "(empty)"


def plain_profile(profile: AttestationProfile) -> dict[str, JSONValue]:
    """Write a profile as ``[attestation]`` has it; equal profiles give equal values."""
    values: dict[str, JSONValue] = {
        "platforms": _plain(profile.platforms),
        "measurements": _plain(profile.measurements),
        "debug": _plain(profile.debug),
        "max_evidence_age_seconds": int(profile.max_evidence_age.total_seconds()),
    }
    if not isinstance(profile.max_collateral_age, NoCollateral):
        seconds = int(profile.max_collateral_age.total_seconds())
        values["max_collateral_age_seconds"] = seconds
    for clause in profile.clauses:
        values[CLAUSE_NAMES[type(clause)]] = plain_clause(clause)
    if profile.key_sets:
        values["key_sets"] = [
            {
                "issuer": item.issuer,
                "sha256": str(item.digest),
                "fetched_at": format_time(item.fetched_at),
            }
            for item in profile.key_sets
        ]
    return values


def describe_profile(profile: AttestationProfile) -> dict[str, str]:
    """Write every term of a profile as one line of text, by its place in the contract."""
    plain = plain_profile(profile)
    head = {
        f"attestation.{name}": _text(value)
        for name, value in plain.items()
        if not isinstance(value, dict)
    }
    return head | {f"attestation.{name}": text for name, text in describe_clauses(profile).items()}


def describe_clauses(profile: AttestationProfile) -> dict[str, str]:
    """Write every term of the clauses about machines as one line of text."""
    return {
        f"{CLAUSE_NAMES[type(clause)]}.{name}": _text(value)
        for clause in profile.clauses
        for name, value in plain_clause(clause).items()
    }


def plain_clause(clause: Clause) -> dict[str, JSONValue]:
    """Write one clause as its table has it."""
    if isinstance(clause, TdxClause):
        return {**_table(clause.registers), **_fields(clause, without="registers")}
    if isinstance(clause, MaaClause):
        least: dict[str, JSONValue] = {"minimum_tcb": dict(clause.minimum_tcb)}
        return _fields(clause, without="registers") | _table(clause.registers) | least
    if isinstance(clause, NitroClause):
        return {f"pcr{index}": _plain(values) for index, values in clause.pcrs.items()}
    if isinstance(clause, PcrClause):
        values: list[JSONValue] = [
            {"index": index, "accepted": _plain(accepted)}
            for index, accepted in sorted(clause.values.items())
        ]
        return {**_fields(clause, without="values"), "values": values}
    if isinstance(clause, SnpClause):
        return _snp(clause)
    return _fields(clause, without="")


def waivers(profile: AttestationProfile) -> tuple[str, ...]:
    """List what the parties do without, each with the reason that they signed.

    Debug is not among them: waiving it changes nothing about a machine without debug.
    """
    found = [
        f"{CLAUSE_NAMES[type(clause)]} {field.name}: {value.reason}"
        for clause in profile.clauses
        for field in dataclasses.fields(clause)
        if isinstance(value := getattr(clause, field.name), Waived)
    ]
    risks = [
        f"snp {product}: {reason}"
        for clause in profile.clauses
        if isinstance(clause, SnpClause)
        for product, reason in sorted(clause.risks.items())
    ]
    return (*found, *risks)


def _snp(clause: SnpClause) -> dict[str, JSONValue]:
    minimum: list[JSONValue] = [
        {"product": product, **versions} for product, versions in sorted(clause.minimum_tcb.items())
    ]
    risks: list[JSONValue] = [
        {"product": product, "reason": reason} for product, reason in sorted(clause.risks.items())
    ]
    signers: list[JSONValue] = [_fields(signer, without="") for signer in clause.signers]
    tables = {"minimum_tcb": minimum, "risks": risks, "signers": signers}
    values = {
        field.name: _plain(getattr(clause, field.name))
        for field in dataclasses.fields(clause)
        if field.name not in tables
    }
    return values | tables


def _fields(clause: Clause | SnpSigner, *, without: str) -> dict[str, JSONValue]:
    return {
        field.name: _plain(getattr(clause, field.name))
        for field in dataclasses.fields(clause)
        if field.name != without
    }


def _text(value: JSONValue) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or EMPTY
    if isinstance(value, dict):
        return " ".join(f"{key} {_text(item)}" for key, item in value.items())
    return str(value)


def _table(values: Mapping[str, object]) -> dict[str, JSONValue]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: object) -> JSONValue:
    if isinstance(value, Unrestricted):
        return "any"
    if isinstance(value, Required):
        return "required"
    if isinstance(value, Forbidden):
        return "forbidden"
    if isinstance(value, Waived):
        return f"waived: {value.reason}"
    return _plain_data(value)


def _plain_data(value: object) -> JSONValue:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Digest):
        return str(value)
    if isinstance(value, frozenset):
        return [_plain(item) for item in sorted(value)]
    if isinstance(value, int):
        return value
    return str(value)
