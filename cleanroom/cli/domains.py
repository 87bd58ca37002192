# SPDX-License-Identifier: Apache-2.0
"""Parameters of a query as they are typed: ``since=2025-01,2025-07``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from cleanroom.cli.options import split_parameters
from cleanroom.contract.query import Parameter, ParameterValue
from cleanroom.contract.types import ParameterType

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,15})")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def read_domains(pairs: Sequence[str]) -> dict[str, Parameter]:
    """Read every parameter with the whole list of values that it may take.

    The type is the narrowest that all values have; ``name:string=1,2`` states it.

    Raises:
        click.BadParameter: A pair of another form, an unknown type, or a value not of it.
    """
    found: dict[str, Parameter] = {}
    for given, text in split_parameters(pairs).items():
        name, _, stated = given.partition(":")
        texts = [value.strip() for value in text.split(",")]
        kind = _stated(stated) if stated else _narrowest(texts)
        values = tuple(_value(value, kind) for value in texts)
        found[name] = Parameter(name=name, type=kind, values=values)
    return found


def _stated(text: str) -> ParameterType:
    try:
        return ParameterType(text)
    except ValueError:
        known = ", ".join(sorted(kind.value for kind in ParameterType))
        raise click.BadParameter(f"type {text!r}, agreed one of: {known}") from None


def _narrowest(texts: Sequence[str]) -> ParameterType:
    if all(_INTEGER.fullmatch(text) for text in texts):
        return ParameterType.INTEGER
    if all(_DATE.fullmatch(text) for text in texts):
        return ParameterType.DATE
    return ParameterType.STRING


def _value(text: str, kind: ParameterType) -> ParameterValue:
    if kind is not ParameterType.INTEGER:
        return text
    if not _INTEGER.fullmatch(text):
        raise click.BadParameter(f"the value {text!r} is not an integer")
    return int(text)
