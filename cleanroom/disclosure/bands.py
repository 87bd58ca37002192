# SPDX-License-Identifier: Apache-2.0
"""How many rows were withheld, said so coarsely that one person cannot change it from none.

A band that told zero from one would answer "is there anybody like this?": the query
selects one person, the row is withheld, and the band says that there was a row.
"""

from __future__ import annotations


def band(count: int, *, threshold: int) -> str:
    """Name the band of a count: ``0-9``, ``10-99``, and so on.

    The lowest band reaches at least to the threshold, so any other is built from at
    least as many units as a released number.
    """
    upper = 10
    while upper < threshold:
        upper *= 10
    if count < upper:
        return f"0-{upper - 1}"
    while count >= upper * 10:
        upper *= 10
    return f"{upper}-{upper * 10 - 1}"


def is_lowest(name: str) -> bool:
    """Tell whether a band may mean that nothing was withheld."""
    return name.startswith("0-")
