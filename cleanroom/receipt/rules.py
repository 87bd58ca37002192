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
from cleanroom.receipt.model import CheckRecord, ReceiptBody
from cleanroom.receipt.steps import Found

NOTHING_WITHHELD = "0"

# Name of a parameter to the test that the applied value must pass.
Demands: TypeAlias = Mapping[str, Callable[[Fraction], bool]]


def verify_checks(body: ReceiptBody, *, run: ApprovedRun) -> Found[None]:
    """Compare every rule that was applied with the strictest of the policies.

    Raises:
        IntegrityError: A rule that nobody knows, or a verdict that contradicts its band.
        RefusedError: A rule is missing, or was applied with a looser parameter.
    """
    rules = strictest(run.agreement.policies[lineage] for lineage in run.query.datasets)
    demanded = agreed_rules(rules)
    known = {rule for rule, _ in demanded}
    for check in body.checks:
        _require_consistent(check, known)
    for rule, demands in demanded:
        if not any(check.rule == rule and _satisfies(check, demands) for check in body.checks):
            raise RefusedError(
                f"rule {rule}: found missing or looser than agreed, agreed the policies' strictest",
                code="receipt.rule",
                hint="the result may not be used; ask the operator which runner made it",
            )
    return Found(text=_line(body.checks), value=None)


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


def _satisfies(check: CheckRecord, demands: Demands) -> bool:
    if set(check.parameters) != set(demands):
        return False
    return all(demand(_number(check.parameters[name])) for name, demand in demands.items())


def _number(value: str | int) -> Fraction:
    return Fraction(value) if isinstance(value, int) else parse_ratio(value, what="rule parameter")


def _require_consistent(check: CheckRecord, known: Iterable[str]) -> None:
    if check.rule not in known:
        raise IntegrityError(
            f"rule {check.rule}: the policies agree to no such rule", code="receipt.rule-unknown"
        )
    if (check.withheld == NOTHING_WITHHELD) != (check.verdict == "held"):
        raise IntegrityError(
            f"rule {check.rule}: its verdict contradicts what it withheld", code="receipt.verdict"
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
