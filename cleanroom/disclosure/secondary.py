# SPDX-License-Identifier: Apache-2.0
"""Secondary suppression: a withheld row must not be a total minus the rows that were released.

The total of all groups is one more query away. If the withheld groups together hold
few units, or if there is only one of them, then the total would give it back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cleanroom.contract.rules import Rules
from cleanroom.disclosure.groups import Group

LEAST_WITHHELD = 2


def also_withheld(
    groups: Sequence[Group], withheld: Collection[int], *, rules: Rules
) -> frozenset[int]:
    """Choose further groups to withhold, smallest first, until the withheld hide each other."""
    if not withheld:
        return frozenset()
    chosen: set[int] = set(withheld)
    released = sorted(set(range(len(groups))) - chosen, key=lambda place: _size(groups[place]))
    for place in released:
        if _hide_each_other(groups, chosen, rules=rules):
            break
        chosen.add(place)
    return frozenset(chosen - set(withheld))


def _size(group: Group) -> tuple[int, ...]:
    return tuple(statistics.units for statistics in group.by_unit)


def _hide_each_other(groups: Sequence[Group], chosen: Collection[int], *, rules: Rules) -> bool:
    # Groups can share units, so the largest group bounds the number of units from below.
    largest = [
        max(sizes) for sizes in zip(*(_size(groups[place]) for place in chosen), strict=True)
    ]
    return len(chosen) >= LEAST_WITHHELD and min(largest) >= rules.threshold
