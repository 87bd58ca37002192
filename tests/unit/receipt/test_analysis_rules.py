# SPDX-License-Identifier: Apache-2.0
"""What a receipt of a Python analysis has to list, and how loudly it says so (T-27)."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from cleanroom.contract.analysis import PER_UNIT, REVIEWED
from cleanroom.contract.rules import strictest
from cleanroom.errors import RefusedError
from cleanroom.receipt.model import Answered, CheckRecord
from cleanroom.receipt.rules import (
    ASSERTED_RULE,
    MAP_RULE,
    agreed_rules,
    demanded_rules,
    verify_checks,
)
from tests.support.room_documents import build_room
from tests.unit.contract.test_analysis import NUMBERS, TABLE

APPROVED = build_room().approved()
RULES = strictest(APPROVED.agreement.policies[name] for name in APPROVED.query.datasets)
K = RULES.threshold
SHARES = {f"share_of_{rule.largest}": str(rule.share) for rule in RULES.dominance}
APPLIED = {
    "threshold": {"units": K},
    "support": {"units": K},
    "splits": {"units": K},
    "dominance": SHARES,
    "p-percent": {"p": str(RULES.p_percent)},
    "non-modal": {"units": K},
    "difference": {"units": RULES.difference},
    "rounding": {"counts": RULES.round_counts, "significant_digits": RULES.significant_digits},
    MAP_RULE: {"parts": 4, "rounds": 6},
    ASSERTED_RULE: {"units": K},
}
EVERY = tuple(agreed_rules(RULES))
KINDS = {
    "mapped": (PER_UNIT, TABLE, (*EVERY, MAP_RULE)),
    "reviewed": (REVIEWED, TABLE, (*EVERY, ASSERTED_RULE)),
    "numbers": (REVIEWED, NUMBERS, ("rounding", ASSERTED_RULE)),
}


def verified(kind, analysis, rules, **changed):
    band = "0-9" if K <= 10 else "0-99"
    checks = tuple(
        CheckRecord(
            rule=rule,
            parameters={**APPLIED[rule], **changed.get(rule, {})},
            verdict="held",
            withheld=band,
        )
        for rule in rules
    )
    query = replace(APPROVED.query, kind=kind, analysis=analysis)
    body = SimpleNamespace(checks=checks, answered=Answered.COMPUTED)
    return verify_checks(body, run=replace(APPROVED, query=query)).text


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_lists_what_stands_behind_it(name):
    text = verified(*KINDS[name])
    assert ("SUPPORT ASSERTED BY CODE" in text) == (name != "mapped")


@pytest.mark.parametrize("name", KINDS)
def test_none_of_it_may_be_left_out(name):
    kind, analysis, rules = KINDS[name]
    for missing in rules:
        with pytest.raises(RefusedError) as refused:
            verified(kind, analysis, [rule for rule in rules if rule != missing])
        assert refused.value.code == "receipt.rule"


def test_a_map_cannot_be_told_as_the_word_of_code_nor_the_other_way_round():
    for one, other in (("mapped", "reviewed"), ("reviewed", "mapped")):
        kind, analysis, _ = KINDS[one]
        with pytest.raises(RefusedError):
            verified(kind, analysis, KINDS[other][2])


@pytest.mark.parametrize(
    ("name", "rule", "changed"),
    [
        ("mapped", MAP_RULE, {"rounds": 1}),
        ("mapped", MAP_RULE, {"parts": 2}),
        ("reviewed", ASSERTED_RULE, {"units": K - 1}),
        ("numbers", ASSERTED_RULE, {"units": 1}),
        ("numbers", "rounding", {"significant_digits": 15}),
    ],
)
def test_none_of_it_may_be_looser(name, rule, changed):
    with pytest.raises(RefusedError) as refused:
        verified(*KINDS[name], **{rule: changed})
    assert refused.value.code == "receipt.rule"


def test_sql_lists_neither():
    assert tuple(demanded_rules(APPROVED.query, RULES)) == EVERY
