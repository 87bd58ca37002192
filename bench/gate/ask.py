# SPDX-License-Identifier: Apache-2.0
"""Ask the gate the steps of one series, and say what it did with each."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from bench.gate.corpus import Item, Value
from bench.gate.room import Room
from cleanroom.admission.refusal import QueryRefusedError
from cleanroom.errors import AdmissionRefusedError, CleanroomError
from tests.support.gate_runs import Analyst, types_of

# On a grid that hides nothing that most people change. What is made of released numbers is made of
# doubles, whose last bits hang on the order of sums, and so on anybody.
EXACT = {"round_counts": 1, "significant_digits": 13}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
Bound: TypeAlias = str | int | dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the gate did with one query.

    Attributes:
        code: Why it was refused; empty for an answer.
        place: Where in the text; empty for an answer.
        admitted: Whether the first gate let it pass.
        columns: Name and type of each released column.
        rows: Released rows.
        withheld: Band of withheld rows by rule, without those in which nothing need be.
        admission_ms: Milliseconds of the first gate.
        total_ms: Milliseconds from the text to the answer.
    """

    code: str = ""
    place: str = ""
    admitted: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    withheld: Mapping[str, str]
    admission_ms: float = 0.0
    total_ms: float = 0.0


def ask_all(series: Sequence[Item], room: Room, *, exact: bool = False) -> list[Answer]:
    """Ask every step of a series, each against the answers to those before it."""
    analyst = Analyst(
        room.connection, room.catalog, change=EXACT if exact else None, memo=room.memo
    )
    return [_ask(item, room, analyst) for item in series]


def _ask(item: Item, room: Room, analyst: Analyst) -> Answer:
    started = time.perf_counter()
    admitted = False
    try:
        parameters = _admissible(item, room)
        admitted = True
        admission = _since(started)
        released = analyst.ask(item.sql, parameters)
    except CleanroomError as error:
        place = str(error.place) if isinstance(error, QueryRefusedError) else ""
        taken = _since(started)
        return Answer(
            code=error.code,
            place=place,
            admitted=admitted,
            withheld={},
            admission_ms=admission if admitted else taken,
            total_ms=taken,
        )
    return Answer(
        admitted=True,
        columns=tuple((column.name, column.type) for column in released.columns),
        rows=released.rows,
        withheld={
            rule: band for rule, band in released.withheld.items() if not band.startswith("0-")
        },
        admission_ms=admission,
        total_ms=_since(started) - admission,
    )


def _admissible(item: Item, room: Room) -> dict[str, Bound]:
    """Declare parameters as an author might, and take the first way that is admitted.

    Raises:
        CleanroomError: The refusal of the last way.
    """
    for parameters in _declarations(item.parameters):
        try:
            room.memo.admit(item.sql, room.catalog, types_of(parameters))
        except AdmissionRefusedError as error:
            refusal = error
        else:
            return parameters
    raise refusal


def _declarations(values: Mapping[str, Value]) -> Iterator[dict[str, Bound]]:
    ways = [_ways(value) for value in values.values()]
    for chosen in product(*ways):
        yield dict(zip(values, chosen, strict=True))


def _ways(value: Value) -> list[Bound]:
    # No query document can declare a fraction or a truth value as such.
    if isinstance(value, str):
        return [value, *([dt.date.fromisoformat(value)] if _DATE.fullmatch(value) else [])]
    if isinstance(value, bool) or value != int(value):
        return [str(value)]
    return [int(value), str(value)]


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
