# SPDX-License-Identifier: Apache-2.0
"""What may leave: a result with its proof of having passed every rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from cleanroom.disclosure.past import PastTable
from cleanroom.kernel.record import dataclass

ReleasedValue: TypeAlias = bool | int | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultColumn:
    """One released column.

    Attributes:
        name: Output name.
        type: Column type.
        statbarn: Class of the statistic in the vocabulary of SACRO; ``Key`` for group keys.
    """

    name: str
    type: str
    statbarn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule as it was applied.

    Attributes:
        rule: Name of the rule.
        parameters: The values applied; ratios are strings.
        verdict: ``held`` when the band is the lowest one, else ``withheld``.
        withheld: Band of how many rows the rule withheld.
    """

    rule: str
    parameters: Mapping[str, str | int]
    verdict: str
    withheld: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Proof that a result may leave; ``decide`` mints it.

    Attributes:
        columns: Released columns in order.
        rows: Released rows in canonical order.
        earlier: For each row, the columns whose value is an earlier answer or follows from one.
        withheld: Rule to a band of how many rows it withheld.
        tables: What the disclosure state must remember.
        checks: Every rule with its parameters.
    """

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[ReleasedValue, ...], ...]
    earlier: tuple[tuple[str, ...], ...]
    withheld: Mapping[str, str]
    tables: tuple[PastTable, ...]
    checks: tuple[Check, ...]
