# SPDX-License-Identifier: Apache-2.0
"""Does a policy speak about every column of a dataset, in a way that fits its type?

A column without a role is under no rule, and a role without a column is a
promise about nothing; both are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cleanroom.contract.contract import Link
from cleanroom.contract.policy import Policy, Role
from cleanroom.contract.types import ColumnType, split_column
from cleanroom.errors import RefusedError

_NO_IDENTIFIER = frozenset({"boolean", "double"})


def require_coverage(
    policy: Policy, columns: Iterable[tuple[str, ColumnType]], *, what: str
) -> None:
    """Refuse a policy that does not speak about exactly these columns.

    Raises:
        RefusedError: A column has no role, a role has no column, or they do not fit.
    """
    types = dict(columns)
    for name in sorted(types.keys() - policy.columns.keys()):
        raise RefusedError(
            f"{what}: columns: found no role for {name!r} of the dataset, agreed one each",
            code="policy.uncovered",
            hint="name it in the policy, with the role blocked if nobody needs it",
        )
    for name in sorted(policy.columns.keys() - types.keys()):
        raise RefusedError(
            f"{what}: columns: found a role for {name!r}, which the dataset does not have",
            code="policy.no-column",
            hint="remove the column from the policy, or seal a dataset that has it",
        )
    require_fit({name: column.role for name, column in policy.columns.items()}, types, what=what)


def require_fit(roles: Mapping[str, Role], types: Mapping[str, ColumnType], *, what: str) -> None:
    """Refuse a column whose type cannot play its role; both sides name the same columns.

    Raises:
        RefusedError: A measure that is no number, or an identifier that is not exact.
    """
    for name, role in roles.items():
        _require_fit(name, role, types[name], what=what)


def require_links(links: Iterable[Link], policies: Mapping[str, Policy]) -> None:
    """Refuse a link between columns that are not identifiers of units.

    Raises:
        RefusedError: A linked column is unknown or has another role than a key.
    """
    for number, link in enumerate(links, start=1):
        for reference in (link.left, link.right):
            lineage, name = split_column(reference)
            column = policies[lineage].columns.get(name)
            if column is None or column.role is not Role.KEY:
                raise RefusedError(
                    f"contract.toml: links[{number}]: found {reference!r}, which is no key in "
                    "its policy, agreed columns with a role 'key:<namespace>'",
                    code="contract.link",
                    hint="link identifiers only, or give the column a key role in its policy",
                )


def _require_fit(name: str, role: Role, kind: ColumnType, *, what: str) -> None:
    agreed = ""
    if role is Role.MEASURE and not kind.is_number:
        agreed = "integer, double or decimal"
    # Two machines may disagree whether two doubles are equal; identifiers may not.
    if role in {Role.KEY, Role.ROW_ID} and kind in _NO_IDENTIFIER:
        agreed = "a type whose values are exactly equal or not"
    if agreed:
        raise RefusedError(
            f"{what}: columns.{name}: found type {kind} with role {role.value}, agreed {agreed}",
            code="policy.type",
            hint=f"choose another role, or another type: data seal --type {name}=TYPE; in a CSV, a "
            "single value that does not fit makes a column a string",
        )
