# SPDX-License-Identifier: Apache-2.0
"""The terms of an output policy: what may ever leave a query over one dataset.

The policy is signed by its owner and enforced after any code. Nothing in it has
a default: a clause that is absent is refused, and an empty list lets nothing out.
This module refuses to know how a rule is enforced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from fractions import Fraction
from typing import TypeAlias

from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_SAFE_INTEGER
from cleanroom.kernel.record import dataclass

MOST_SIGNIFICANT_DIGITS = 6
UNLIMITED = MAX_SAFE_INTEGER


class Role(StrEnum):
    """What a column means for the person behind the row."""

    KEY = "key"
    ROW_ID = "row_id"
    DIMENSION = "dimension"
    QUASI = "quasi"
    MEASURE = "measure"
    BLOCKED = "blocked"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column and its role.

    Attributes:
        name: Lower-case column name.
        role: What the column means.
        namespace: Whose identifiers a key column holds; empty unless the role is ``KEY``.
        lower: Least value after clamping; set exactly when the role is ``MEASURE``.
        upper: Greatest value after clamping; set exactly when the role is ``MEASURE``.
        measured_in: The unit of a measure, for example ``EUR``; empty otherwise.
    """

    name: str
    role: Role
    namespace: str = ""
    lower: Fraction | None = None
    upper: Fraction | None = None
    measured_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The protected person or firm behind the rows.

    Attributes:
        kind: ``person``, ``firm`` and the like.
        namespace: Whose identifiers tell units apart.
        column: The key column that holds them.
        one_row: Whether the owner declares at most one row a unit.
        max_rows: Most rows one unit may contribute.
    """

    kind: str
    namespace: str
    column: str
    one_row: bool
    max_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """The dataset protects nobody: its owner declares every column public."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoNoise:
    """The policy asks for thresholds only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferentialPrivacy:
    """The policy asks for calibrated noise within a budget.

    Attributes:
        epsilon_per_release: Most that one release may spend.
        epsilon_total: Most that all releases of the lineage may spend.
        delta: Failure probability of the total guarantee.
        max_rows_per_unit: Rows kept of one unit before aggregation.
        max_groups_per_unit: Groups to which one unit may contribute.
    """

    epsilon_per_release: Fraction
    epsilon_total: Fraction
    delta: Fraction
    max_rows_per_unit: int
    max_groups_per_unit: int


Noise: TypeAlias = NoNoise | DifferentialPrivacy


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTerms:
    """Everything a policy says, before it has bytes.

    A public dataset protects nobody, so its output rules are the neutral ones of
    the defaults below; they can never loosen another dataset's rules, because
    the strictest value wins.

    Attributes:
        owner: Party that signs the policy.
        dataset: Lineage the policy is for.
        kinds: Kinds of analysis that may touch it.
        receivers: Parties that may ever receive a result from it.
        functions: Aggregates beyond the safe list.
        zeros: Whether cells without any unit may be shown: ``suppress`` or ``release``.
        unit: The protected unit, or ``Public()``.
        columns: Every column by name.
        compare_literal: Columns that may meet a literal or parameter.
        compare_column: Columns that may meet another column.
        threshold: Least number of distinct units behind a released value.
        dominance_largest: How many largest contributors the dominance rule adds up.
        dominance_share: Share of the total at which they dominate.
        p_percent: The p of the p% rule, 10 for 10 %.
        round_counts: Base to which counts are rounded.
        significant_digits: Grid of other numbers.
        noise: Whether calibrated noise is demanded.
        difference: Least number of units by which two released values may differ.
        releases_per_receiver: Releases one receiver may get.
        releases_total: Releases in all.
        joins: Lineages it may be joined with.
    """

    owner: str
    dataset: str
    kinds: frozenset[str]
    receivers: frozenset[str]
    unit: Unit | Public
    columns: Mapping[str, Column]
    joins: frozenset[str]
    functions: frozenset[str] = frozenset()
    zeros: str = "suppress"
    compare_literal: frozenset[str] = frozenset()
    compare_column: frozenset[str] = frozenset()
    threshold: int = 0
    dominance_largest: int = 0
    dominance_share: Fraction = Fraction(1)
    p_percent: Fraction = Fraction(0)
    round_counts: int = 1
    significant_digits: int = MOST_SIGNIFICANT_DIGITS
    noise: Noise = NoNoise()
    difference: int = 0
    releases_per_receiver: int = UNLIMITED
    releases_total: int = UNLIMITED

    @property
    def is_public(self) -> bool:
        """Tell whether the dataset protects nobody."""
        return isinstance(self.unit, Public)

    @property
    def most_releases(self) -> int:
        """Releases in all: as many as are granted, and as the privacy budget pays for."""
        if not isinstance(self.noise, DifferentialPrivacy):
            return self.releases_total
        # Each release is charged its full epsilon, so the budget is a number of releases.
        affordable = self.noise.epsilon_total // self.noise.epsilon_per_release
        return min(self.releases_total, affordable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(PolicyTerms):
    """A policy as its owner wrote it.

    Attributes:
        raw: The exact bytes that were signed.
        digest: Their SHA-256.
    """

    raw: bytes = field(repr=False)
    digest: Digest
