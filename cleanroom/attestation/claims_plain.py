# SPDX-License-Identifier: Apache-2.0
"""Claims as plain values, for programs and for people; nothing is decided by them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

from cleanroom.attestation.platform import Claims
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest


def plain_claims(claims: Claims) -> dict[str, JSONValue]:
    """Write claims as plain values: registers as hexadecimal, times in UTC."""
    return {
        "platform": claims.platform,
        "confidential": claims.confidential,
        "runner": str(claims.runner) if isinstance(claims.runner, Digest) else "self-reported",
        "debug": claims.debug,
        "issued_at": _plain(claims.issued_at),
        "carried": {item.place: item.found.hex() for item in claims.carried},
        "facts": {_name(fact): _plain(fact) for fact in claims.facts},
        "collateral": [_plain(item) for item in claims.collateral],
        "details": dict(claims.details),
    }


def flatten(value: JSONValue, place: str = "") -> dict[str, str]:
    """Write nested plain values as lines, each with its place."""
    if isinstance(value, dict):
        lines: dict[str, str] = {}
        for name, item in value.items():
            lines |= flatten(item, f"{place}.{name}" if place else name)
        return lines
    if isinstance(value, list):
        return {place: ", ".join(", ".join(flatten(item).values()) for item in value)}
    return {place: str(value)}


def _name(fact: object) -> str:
    return type(fact).__name__.removesuffix("Facts").lower()


def _plain(value: object) -> JSONValue:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.datetime):
        return format_time(value)
    if isinstance(value, Digest):
        return str(value)
    return _plain_container(value)


def _plain_container(value: object) -> JSONValue:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return [_plain(item) for item in sorted(value)]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and (fields := dataclasses.fields(value)):
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    # What is left are the named absences, such as a quote without a runtime log.
    return type(value).__name__
