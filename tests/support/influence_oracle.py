# SPDX-License-Identifier: Apache-2.0
"""Leave one person out: on how many people does each released cell depend?

The oracle knows nothing of the rules. It runs the whole gate on the data and on
every neighbour in which one person never was, and counts, for each released cell, the
people whose absence changes it or makes it vanish. A cell that hangs on fewer than k
people says something about each of them. It sees neither errors nor encodings to
which everybody contributes; other tests are about those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Rows: TypeAlias = Sequence[tuple[Any, ...]]
Answer: TypeAlias = Callable[[Any], Rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One released cell that hangs on too few people."""

    key: tuple[Any, ...]
    column: int
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """The data and all its neighbours, ready to be asked.

    Attributes:
        whole: Whatever ``answer`` takes for the whole data.
        neighbours: The same without one person each.
    """

    whole: Any
    neighbours: Mapping[int, Any]

    def findings(
        self, answer: Answer, *, keys: int, k: int, subtotals: bool = False
    ) -> list[Finding]:
        """Find every cell of an answer that depends on 1 to k - 1 people.

        Args:
            answer: Asks the question of one data set and returns rows.
            keys: How many leading columns identify a row.
            k: The threshold.
            subtotals: Whether rows with NULL among their keys are answered from the rows
                below them, so that whoever changes one of those counts as well: without
                her the total may be equal by chance.
        """
        released = _by_key(answer(self.whole), keys)
        influence = {
            (key, column): 0 for key, row in released.items() for column in range(len(row))
        }
        for neighbour in self.neighbours.values():
            other = _by_key(answer(neighbour), keys)
            changed = {key for key, row in released.items() if other.get(key) != row}
            for key, column in influence:
                cell = other[key][column] if key in other else None
                below = subtotals and any(_is_below(part, key) for part in changed - {key})
                influence[key, column] += below or cell != released[key][column]
        return [
            Finding(key=key, column=column, people=people)
            for (key, column), people in influence.items()
            if 0 < people < k
        ]


def _is_below(part: tuple[Any, ...], total: tuple[Any, ...]) -> bool:
    pairs = zip(part, total, strict=True)
    # The number that GROUPING gives is another one in every row above.
    return None in total and all(
        above is None or above == own or isinstance(above, int) for own, above in pairs
    )


def _by_key(rows: Rows, keys: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {tuple(row[:keys]): tuple(row[keys:]) for row in rows}
