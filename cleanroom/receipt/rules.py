# SPDX-License-Identifier: Apache-2.0
"""Were the output rules applied that the owners signed, and none of them loosened?

The runner lists every rule with the parameters it applied. What it must list
follows from the policies alone: the strictest of all datasets that the query read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias

from cleanroom.contract.analysis import PER_UNIT, SqlAnalysis
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.map_rounds import PARTS, rounds_of
from cleanroom.contract.query import Query
from cleanroom.contract.rules import Rules, strictest
from cleanroom.contract.types import parse_ratio
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.receipt.model import NOTHING_RELEASED, Answered, CheckRecord, ReceiptBody
from cleanroom.receipt.steps import Found

# What stands behind a Python analysis: rounds that agree, or nothing but its code's word.
MAP_RULE = "map-over-units"
ASSERTED_RULE = "support-asserted-by-code"

_BAND = re.compile(r"(0|10+)-(9+)")

# Name of a parameter to the test that the applied value must pass.
Demands: TypeAlias = Mapping[str, Callable[[Fraction], bool]]


def verify_checks(body: ReceiptBody, *, run: ApprovedRun) -> Found[None]:
    """Compare every rule that was applied with the strictest of the policies.

    Raises:
        MalformedError: A parameter that is no number.
        IntegrityError: A verdict that contradicts its band, or a refusal that is not
            told as one.
        RefusedError: A rule is missing, unknown, or was applied with a looser parameter.
    """
    refused = body.checks == NOTHING_RELEASED
    # A refusal that is told again counts as stored, so only one direction is fixed.
    if body.answered is Answered.REFUSED or refused:
        return _nothing_released(body, refused=refused)
    rules = strictest(run.agreement.policies[lineage] for lineage in run.query.datasets)
    demanded = demanded_rules(run.query, rules)
    # One line a rule: a looser line beside the strict one would leave open which was applied.
    names = [check.rule for check in body.checks]
    if sorted(names) != sorted(demanded):
        raise _refused(f"rules: found {', '.join(sorted(names)) or 'none'}", agreed=demanded)
    for check in body.checks:
        _require_as_strict(check, demanded[check.rule])
        _require_band(check, threshold=rules.threshold)
    return Found(text=_line(body.checks), value=None)


def _nothing_released(body: ReceiptBody, *, refused: bool) -> Found[None]:
    if not refused or body.answered is Answered.COMPUTED:
        raise IntegrityError(
            f"rules: an answer that is {body.answered.value} lists other rules than such an "
            "answer does",
            code="receipt.refusal",
        )
    return Found(text="the whole result was withheld", value=None)


def demanded_rules(query: Query, rules: Rules) -> Mapping[str, Demands]:
    """List what a result of a query must have been judged by."""
    agreed = agreed_rules(rules)
    if isinstance(query.analysis, SqlAnalysis):
        return agreed
    if query.kind == PER_UNIT:
        rounds = {"parts": _at_least(PARTS), "rounds": _at_least(rounds_of(rules.threshold))}
        return {**agreed, MAP_RULE: rounds}
    asserted = {ASSERTED_RULE: {"units": _at_least(rules.threshold)}}
    # Of a number that code hands over, no rule can say how many people are behind it.
    known = {"rounding": agreed["rounding"]} if query.analysis.statistics else agreed
    return {**known, **asserted}


def agreed_rules(rules: Rules) -> Mapping[str, Demands]:
    """List what every result must have been judged by.

    Public data protects nobody, so a query over nothing else has nothing to list.
    """
    if rules.public:
        return {}
    units = {"units": _at_least(rules.threshold)}
    shares = sorted(rules.dominance, reverse=True)  # of two shares for one number, the smaller
    return {
        "threshold": units,
        "support": units,
        "splits": units,
        "dominance": {f"share_of_{rule.largest}": _at_most(rule.share) for rule in shares},
        "p-percent": {"p": _at_least(rules.p_percent)},
        "non-modal": units,
        "difference": {"units": _at_least(rules.difference)},
        "rounding": {
            "counts": _multiple_of(rules.round_counts),
            "significant_digits": _at_most(rules.significant_digits),
        },
    }


def _require_as_strict(check: CheckRecord, demands: Demands) -> None:
    same = set(check.parameters) == set(demands)
    if not same or not all(
        demand(_number(check.parameters[name])) for name, demand in demands.items()
    ):
        raise _refused(f"rule {check.rule}: found looser than agreed", agreed=demands)


def _number(value: str | int) -> Fraction:
    return Fraction(value) if isinstance(value, int) else parse_ratio(value, what="rule parameter")


def _require_band(check: CheckRecord, *, threshold: int) -> None:
    """Refuse a band that tells more than a released number may, or denies its verdict.

    The lowest band reaches at least to the threshold and every other one begins
    there, or "one row was withheld" would tell that somebody is there (T-11).

    Raises:
        IntegrityError: Not a published band, or not the one of its verdict.
    """
    found = _BAND.fullmatch(check.withheld)
    start, end = (int(found[1]), int(found[2]) + 1) if found else (1, 0)
    published = end >= threshold if start == 0 else end == start * 10 and start >= threshold
    if not published or (check.verdict == "held") != (start == 0):
        raise IntegrityError(
            f"rule {check.rule}: its verdict or band is none that a gate writes",
            code="receipt.verdict",
        )


def _refused(found: str, *, agreed: Iterable[str]) -> RefusedError:
    return RefusedError(
        f"{found}, agreed the strictest of the policies for {', '.join(sorted(agreed)) or 'none'}",
        code="receipt.rule",
        hint="the result may not be used; ask the operator which runner made it",
    )


def _line(checks: Sequence[CheckRecord]) -> str:
    listed = ", ".join(f"{check.rule} withheld {check.withheld}" for check in checks)
    loud = any(check.rule == ASSERTED_RULE for check in checks)
    warned = f"SUPPORT ASSERTED BY CODE, not checked: {listed}" if loud else listed
    return warned or "public data only: nothing to withhold"


def _at_least(agreed: int | Fraction) -> Callable[[Fraction], bool]:
    return lambda applied: applied >= agreed


def _at_most(agreed: int | Fraction) -> Callable[[Fraction], bool]:
    return lambda applied: applied <= agreed


def _multiple_of(agreed: int) -> Callable[[Fraction], bool]:
    return lambda applied: applied > 0 and applied % agreed == 0
