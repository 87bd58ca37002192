# SPDX-License-Identifier: Apache-2.0
"""How often, and into how many parts, units are split for code that maps one unit at a time.

A map over units gives every unit the same answer whoever else is there. So the units are
split into parts at random, each part is computed in a process that sees nothing else,
and that is done again with another split: answers that differ are not those of a map,
and nothing of them is released.

Code that wants one person to speak for ``k`` units has to write that person's value into
the rows of ``k - 1`` others, the same ones in every round, without a process knowing who is
in the other rounds' parts. Its best plan is to agree on an order beforehand and to take
the first units of the part. A unit that is in one of the two parts is in both with a chance
of ``1 / (2 * PARTS - 1)``, and all ``k - 1`` have to be.
"""

from __future__ import annotations

import math

# Few parts and more rounds need fewer processes than the other way round.
PARTS = 4
# A forgery goes unnoticed at most once in so many runs, as a power of two. Each attempt
# costs a use and a release, of which a policy grants a handful.
_SURENESS_BITS = 24
_BITS_A_UNIT = math.log2(2 * PARTS - 1)


def rounds_of(threshold: int) -> int:
    """Return how many rounds make a forged group of ``threshold`` units hopeless.

    Args:
        threshold: Least number of units behind a released value, at least 3.
    """
    others = max(threshold - 1, 1)
    return 1 + math.ceil(_SURENESS_BITS / (others * _BITS_A_UNIT))
