# SPDX-License-Identifier: Apache-2.0
"""Read a corpus of queries: liberal in what it accepts, exact in what it keeps.

One JSON object a line. Only ``id`` and ``sql`` are needed; a query without ``expected``
is an honest one. Steps of one ``sequence`` are asked in order against one history.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Value: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One query and what a gate may do with it.

    Attributes:
        id: Name of the query.
        kind: Class of the query, for the summary.
        sql: The text.
        expected: ``accept`` or the verdict that a gate should give.
        acceptable: Every verdict that a gate may give.
        sequence: Name of the series it is a step of; its own id otherwise.
        step: Place in that series.
        parameters: Values of its parameters.
        observed_rows: Rows that it returns without a gate; -1 when nobody looked.
    """

    id: str
    kind: str
    sql: str
    expected: str
    acceptable: frozenset[str]
    sequence: str
    step: float
    parameters: Mapping[str, Value]
    observed_rows: int

    @property
    def is_honest(self) -> bool:
        """Whether an analyst in good faith would ask it."""
        return self.expected == "accept"


def read_corpus(path: Path) -> list[list[Item]]:
    """Read a file into series, each in the order of its steps; most have one step."""
    lines = path.read_text(encoding="utf-8").splitlines()
    items = [_item(json.loads(line), number) for number, line in enumerate(lines) if line.strip()]
    series: dict[str, list[Item]] = {}
    for item in items:
        series.setdefault(item.sequence, []).append(item)
    return [sorted(steps, key=lambda item: item.step) for steps in series.values()]


def _item(raw: Mapping[str, Any], number: int) -> Item:
    name = str(raw.get("id") or f"line-{number + 1}")
    expected = str(raw.get("expected") or "accept").lower()
    listed = raw.get("acceptable") or [expected]
    observed = raw.get("observed_rows")
    return Item(
        id=name,
        kind=str(raw.get("class") or raw.get("kind") or "none"),
        sql=str(raw.get("sql") or raw.get("query") or ""),
        expected=expected,
        acceptable=frozenset({expected, *map(str.lower, _texts(listed))}),
        sequence=str(raw.get("sequence") or name),
        step=float(raw.get("step") or 0),
        parameters=_parameters(raw.get("params") or raw.get("parameters") or {}),
        observed_rows=observed if isinstance(observed, int) else -1,
    )


def _texts(listed: Any) -> Iterable[str]:  # noqa: ANN401 - any JSON value
    return [listed] if isinstance(listed, str) else map(str, listed)


def _parameters(raw: Any) -> Mapping[str, Value]:  # noqa: ANN401 - any JSON value
    if isinstance(raw, Mapping):
        return {str(name).removeprefix("$"): value for name, value in raw.items()}
    # A list gives the values of $1, $2 and so on.
    return {str(place): value for place, value in enumerate(raw, start=1)}
