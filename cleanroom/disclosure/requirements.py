# SPDX-License-Identifier: Apache-2.0
"""What a shape and the rules must be before any statistics are planned for them."""

from __future__ import annotations

from cleanroom.contract.rules import Rules
from cleanroom.disclosure.shape import PAIRED, VARIANCES, ReleaseShape
from cleanroom.errors import DisclosureRefusedError

LEAST_THRESHOLD = 3  # with two, each of two contributors reads off the other
MOMENT_DIGITS = 12  # 10**14 squares of so many digits fit 128 bits
WHOLE_DIGITS = 28  # 10**10 of so many digits fit 128 bits


def require_matching(shape: ReleaseShape, rules: Rules) -> None:
    """Refuse rules of other datasets, or rules that this gate cannot apply.

    Raises:
        DisclosureRefusedError: The shape and the rules do not belong together.
    """
    if rules.public == bool(shape.units):
        raise DisclosureRefusedError(
            "rules: found rules of other datasets, agreed the rules of all datasets of the query",
            code="disclosure.rules",
        )
    if rules.noise:
        raise DisclosureRefusedError(
            "noise: a policy demands noise, which this gate cannot add", code="disclosure.noise"
        )
    if not rules.public and min(rules.threshold, rules.difference) < LEAST_THRESHOLD:
        raise DisclosureRefusedError(
            f"threshold: below {LEAST_THRESHOLD} units", code="disclosure.rules"
        )


def require_exact(shape: ReleaseShape) -> None:
    """Refuse measures of which the engine could not keep exact sums.

    Raises:
        DisclosureRefusedError: More digits than fit.
    """
    squared = {
        index
        for item in shape.aggregates
        if item.kind in PAIRED | VARIANCES
        for index in (item.argument, item.other)
        if index >= 0
    }
    for index, argument in enumerate(shape.arguments):
        whole = argument.digits - argument.scale
        if whole > (MOMENT_DIGITS if index in squared else WHOLE_DIGITS):
            raise DisclosureRefusedError(
                "measure: its bounds and digits leave no exact sums",
                code="disclosure.precision",
                hint="declare narrower bounds or fewer decimal places",
            )
