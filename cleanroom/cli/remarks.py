# SPDX-License-Identifier: Apache-2.0
"""What a drafted policy will cost an analyst, said to the owner before it is signed.

Only the owner reads this, on the machine that holds the table. It names columns and
whether they have empty cells, and no value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cleanroom.contract.policy import PolicyTerms, Role


def unheard(sentence: str) -> None:
    """Leave a remark unsaid."""
    del sentence


def remarks(terms: PolicyTerms, *, empty: Collection[str]) -> Iterator[str]:
    """Say why a column is blocked, and what empty cells of a measure lead to.

    Args:
        terms: The draft.
        empty: Columns with empty cells.
    """
    for name, column in terms.columns.items():
        if column.role is Role.BLOCKED:
            yield (
                f"{name}: blocked, because it has many values or rare ones; "
                "give it a role if queries need it"
            )
        elif column.role is Role.MEASURE and name in empty:
            yield (
                f"{name}: has empty cells; a query that counts all rows beside it is withheld "
                f"(splits) where fewer than {max(terms.threshold, terms.difference)} lack it; "
                f"WHERE {name} IS NOT NULL avoids that, and needs {name} in [compare] literal, "
                "which lets queries compare it with any value"
            )
