# SPDX-License-Identifier: Apache-2.0
"""The strictest of several policies: what a query over several datasets must obey."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from cleanroom.contract.policy import DifferentialPrivacy, Policy


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DominanceRule:
    """The ``largest`` contributors may not hold ``share`` of a total or more."""

    largest: int
    share: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one result must obey, from all its datasets' policies at once."""

    public: bool
    threshold: int
    difference: int
    p_percent: Fraction
    dominance: frozenset[DominanceRule]
    round_counts: int
    significant_digits: int
    zeros: str
    noise: frozenset[DifferentialPrivacy]
    functions: frozenset[str]
    kinds: frozenset[str]
    receivers: frozenset[str]


def strictest(policies: Iterable[Policy]) -> Rules:
    """Combine policies so that every one of them is obeyed."""
    raise NotImplementedError
