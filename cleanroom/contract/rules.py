# SPDX-License-Identifier: Apache-2.0
"""The strictest of several policies: what a query over several datasets must obey.

A result over two owners' data must be safe for both, so every rule of every
policy holds at once. A public dataset protects nobody and so adds no output
rule, and it never loosens another's; its receivers and kinds count all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from cleanroom.contract.policy import DifferentialPrivacy, Policy
from cleanroom.contract.policy_terms import MOST_SIGNIFICANT_DIGITS
from cleanroom.errors import RefusedError


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DominanceRule:
    """The ``largest`` contributors may not hold more than ``share`` of a total."""

    largest: int
    share: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one result must obey, from all its datasets' policies at once.

    Attributes:
        public: Whether every dataset is public, so that no output rule applies.
        threshold: Least number of distinct units behind a released value.
        difference: Least number of units by which two released values may differ.
        p_percent: The largest p of all p% rules, 10 for 10 %.
        dominance: Every dominance rule; each one must hold.
        round_counts: Least common multiple of all bases.
        significant_digits: The coarsest grid of other numbers.
        zeros: ``suppress`` as soon as one policy says so, else ``release``.
        noise: Every demand for calibrated noise; empty if no policy has one.
        functions: Aggregates beyond the safe list that every policy names.
        kinds: Kinds of analysis that every policy allows.
        receivers: Parties that every policy allows to receive.
    """

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
    """Combine policies so that every one of them is obeyed.

    Raises:
        RefusedError: There is no policy at all, so nothing may leave.
    """
    everything = tuple(policies)
    protected = tuple(policy for policy in everything if not policy.is_public)
    if not protected:
        return public_only(everything)
    return Rules(
        public=False,
        threshold=max(policy.threshold for policy in protected),
        difference=max(policy.difference for policy in protected),
        p_percent=max(policy.p_percent for policy in protected),
        dominance=frozenset(_dominance(policy) for policy in protected),
        round_counts=lcm(*(policy.round_counts for policy in protected)),
        significant_digits=min(policy.significant_digits for policy in protected),
        zeros=_zeros(protected),
        noise=frozenset(
            policy.noise for policy in protected if isinstance(policy.noise, DifferentialPrivacy)
        ),
        functions=_common(protected, lambda policy: policy.functions),
        kinds=_common(everything, lambda policy: policy.kinds),
        receivers=_common(everything, lambda policy: policy.receivers),
    )


def public_only(policies: Iterable[Policy]) -> Rules:
    """Combine the policies of public datasets: receivers and kinds, no output rule.

    Raises:
        RefusedError: There is no policy, or one that protects somebody.
    """
    public = tuple(policies)
    if not public:
        raise RefusedError(
            "rules: found no policy, agreed at least one",
            code="rules.empty",
            hint="a result that no policy covers may not leave",
        )
    for policy in public:
        if not policy.is_public:
            raise RefusedError(
                f"rules: found {policy.dataset}, which protects somebody, "
                "agreed public datasets only",
                code="rules.protected",
            )
    return Rules(
        public=True,
        threshold=0,
        difference=0,
        p_percent=Fraction(0),
        dominance=frozenset(),
        round_counts=1,
        significant_digits=MOST_SIGNIFICANT_DIGITS,
        zeros="release",
        noise=frozenset(),
        functions=frozenset(),
        kinds=_common(public, lambda policy: policy.kinds),
        receivers=_common(public, lambda policy: policy.receivers),
    )


def _dominance(policy: Policy) -> DominanceRule:
    return DominanceRule(largest=policy.dominance_largest, share=policy.dominance_share)


def _zeros(policies: Sequence[Policy]) -> str:
    return "release" if all(policy.zeros == "release" for policy in policies) else "suppress"


def _common(
    policies: Sequence[Policy], clause: Callable[[Policy], frozenset[str]]
) -> frozenset[str]:
    return frozenset.intersection(*(clause(policy) for policy in policies))
