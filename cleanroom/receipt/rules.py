# SPDX-License-Identifier: Apache-2.0
"""Were the output rules applied that the owners signed, and none of them loosened?

The runner lists every rule with the parameters it applied. What it must list
follows from the policies alone: the strictest of all datasets that the query read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import TypeAlias

from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.rules import Rules, strictest
from cleanroom.contract.types import parse_ratio
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.receipt.model import NOTHING_RELEASED, Answered, CheckRecord, ReceiptBody
from cleanroom.receipt.steps import Found

NOTHING_WITHHELD = "0"

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
    demanded = agreed_rules(rules)
    for check in body.checks:
        _require_consistent(check)
        # A looser line beside the strict one would leave open which was applied.
        if not any(_satisfies(check, rule, demands) for rule, demands in demanded):
            raise _looser(check.rule, "looser than agreed, or not agreed at all")
    for rule, demands in demanded:
        if not any(_satisfies(check, rule, demands) for check in body.checks):
            raise _looser(rule, "no such line")
    return Found(text=_line(body.checks), value=None)


def _nothing_released(body: ReceiptBody, *, refused: bool) -> Found[None]:
    if not refused or body.answered is Answered.COMPUTED:
        raise IntegrityError(
            f"rules: an answer that is {body.answered.value} lists other rules than such an "
            "answer does",
            code="receipt.refusal",
        )
    return Found(text="the whole result was withheld", value=None)


def agreed_rules(rules: Rules) -> tuple[tuple[str, Demands], ...]:
    """List what every result must have been judged by.

    Public data protects nobody, so a query over nothing else has nothing to list.
    """
    if rules.public:
        return ()
    units = {"units": _at_least(rules.threshold)}
    return (
        ("threshold", units),
        ("support", units),
        ("splits", units),
        *(
            ("dominance", {"largest": _at_least(rule.largest), "share": _at_most(rule.share)})
            for rule in sorted(rules.dominance)
        ),
        ("p_percent", {"p": _at_least(rules.p_percent)}),
        ("difference", {"units": _at_least(rules.difference)}),
        (
            "rounding",
            {
                "counts": _multiple_of(rules.round_counts),
                "significant_digits": _at_most(rules.significant_digits),
            },
        ),
    )


def _satisfies(check: CheckRecord, rule: str, demands: Demands) -> bool:
    if check.rule != rule or set(check.parameters) != set(demands):
        return False
    return all(demand(_number(check.parameters[name])) for name, demand in demands.items())


def _number(value: str | int) -> Fraction:
    return Fraction(value) if isinstance(value, int) else parse_ratio(value, what="rule parameter")


def _require_consistent(check: CheckRecord) -> None:
    if (check.withheld == NOTHING_WITHHELD) != (check.verdict == "held"):
        raise IntegrityError(
            f"rule {check.rule}: its verdict contradicts what it withheld", code="receipt.verdict"
        )


def _looser(rule: str, found: str) -> RefusedError:
    return RefusedError(
        f"rule {rule}: found {found}, agreed the strictest of the policies",
        code="receipt.rule",
        hint="the result may not be used; ask the operator which runner made it",
    )


def _line(checks: Iterable[CheckRecord]) -> str:
    listed = ", ".join(f"{check.rule} withheld {check.withheld}" for check in checks)
    return listed or "public data only: nothing to withhold"


def _at_least(agreed: int | Fraction) -> Callable[[Fraction], bool]:
    return lambda applied: applied >= agreed


def _at_most(agreed: int | Fraction) -> Callable[[Fraction], bool]:
    return lambda applied: applied <= agreed


def _multiple_of(agreed: int) -> Callable[[Fraction], bool]:
    return lambda applied: applied > 0 and applied % agreed == 0
