# SPDX-License-Identifier: Apache-2.0
"""Generate the statistics that the rules are decided on."""

from __future__ import annotations

from cleanroom.contract.rules import Rules
from cleanroom.disclosure.shape import ReleaseShape

MAX_GROUPS = 100_000


def statistics_sql(
    base_sql: str, *, shape: ReleaseShape, rules: Rules, prefix: str, max_groups: int = MAX_GROUPS
) -> str:
    """Write one statement over the row-level columns; it uses ``$<prefix>salt``.

    Raises:
        DisclosureRefusedError: The shape and the rules do not belong together.
    """
    raise NotImplementedError


def salt_parameter(prefix: str) -> str:
    """Name the parameter to which the fingerprint salt (a string) is bound."""
    return f"{prefix}salt"
