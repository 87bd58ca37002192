# SPDX-License-Identifier: Apache-2.0
"""The rules that were applied against the strictest of what the owners signed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from cleanroom.contract.policy import parse_policy
from cleanroom.contract.policy_render import render_policy
from cleanroom.contract.rules import DominanceRule, strictest
from cleanroom.errors import CleanroomError, IntegrityError, MalformedError, RefusedError
from cleanroom.receipt.model import NOTHING_RELEASED, Answered, CheckRecord
from cleanroom.receipt.rules import agreed_rules
from tests.support.receipt_forge import Forge, Lies
from tests.support.receipt_room import PUBLIC, make_documents, policy_terms

HONEST = Forge().honest_names().checks
POSITIONS = range(len(HONEST))


def judged(checks):
    return Forge(lies=Lies(body={"checks": tuple(checks)}))


def changed(index, **parameters):
    check = HONEST[index]
    return replace(check, parameters={**check.parameters, **parameters})


@pytest.mark.parametrize("index", POSITIONS)
def test_no_rule_may_be_left_out(index):
    step, error = judged(HONEST[:index] + HONEST[index + 1 :]).refusal()
    assert (step, type(error)) == ("rules", RefusedError)
    assert HONEST[index].rule in error.message


@pytest.mark.parametrize(
    ("index", "parameters"),
    [
        (0, {"units": 9}),
        (1, {"units": 5}),
        (2, {"units": 0}),
        (3, {"share_of_1": "3/5"}),
        (3, {"share_of_2": "1"}),
        (4, {"p": "9.99"}),
        (5, {"units": 9}),
        (6, {"units": 11}),
        (7, {"counts": 5}),
        (7, {"counts": 0}),
        (7, {"counts": -10}),
        (7, {"significant_digits": 4}),
    ],
)
def test_no_rule_may_be_looser_than_the_strictest_policy(index, parameters):
    checks = [*HONEST]
    checks[index] = changed(index, **parameters)
    step, error = judged(checks).refusal()
    assert (step, type(error)) == ("rules", RefusedError)
    assert error.message.startswith(f"rule {HONEST[index].rule}:")


@pytest.mark.parametrize("index", POSITIONS)
def test_a_rule_has_one_line(index):
    step, error = judged([*HONEST, HONEST[index]]).refusal()
    assert (step, type(error)) == ("rules", RefusedError)


@pytest.mark.parametrize(
    ("index", "parameters"),
    [(0, {"units": 11}), (3, {"share_of_1": "0.4"}), (4, {"p": "20"}), (7, {"counts": 20})],
)
def test_a_stricter_rule_than_agreed_is_accepted(index, parameters):
    checks = [*HONEST]
    checks[index] = changed(index, **parameters)
    assert judged(checks).verify()


def test_the_smaller_of_two_shares_for_one_number_is_demanded():
    one, other = Fraction(9, 10), Fraction(3, 4)
    rules = replace(
        strictest([policy_with(one)]),
        dominance=frozenset(
            {DominanceRule(largest=2, share=one), DominanceRule(largest=2, share=other)}
        ),
    )
    demand = agreed_rules(rules)["dominance"]["share_of_2"]
    assert demand(other)
    assert not demand(one)


def policy_with(share):
    terms = replace(policy_terms("hospital.stays"), dominance_largest=2, dominance_share=share)
    return parse_policy(render_policy(terms))


def test_a_rule_with_more_or_fewer_parameters_than_known_is_refused():
    for parameters in ({}, {"units": 10, "except": 3}):
        checks = (replace(HONEST[0], parameters=parameters), *HONEST[1:])
        assert judged(checks).refusal()[0] == "rules"


def test_a_rule_that_nobody_agreed_to_is_refused():
    extra = CheckRecord(rule="goodwill", parameters={}, verdict="held", withheld="0-9")
    assert judged([*HONEST, extra]).refusal()[0] == "rules"
    public = Forge(
        documents=make_documents(lineages=PUBLIC), lies=Lies(body={"checks": (HONEST[0],)})
    )
    assert public.refusal()[0] == "rules"


@pytest.mark.parametrize(
    ("verdict", "withheld"),
    [
        ("held", "10-99"),
        ("withheld", "0-9"),
        ("withheld", "1-9"),
        ("held", "0-8"),
        ("held", "0-0"),
        ("withheld", "10-999"),
        ("withheld", "20-99"),
        ("withheld", "100-99"),
        ("withheld", "all"),
        ("withheld", "7"),
        ("held", "0"),
        ("withheld", "10+"),
    ],
)
def test_a_band_is_one_that_a_gate_writes(verdict, withheld):
    lying = replace(HONEST[0], verdict=verdict, withheld=withheld)
    step, error = judged((lying, *HONEST[1:])).refusal()
    assert (step, type(error)) == ("rules", IntegrityError)


def test_a_band_below_the_threshold_is_refused():
    twelve = [replace(check, parameters={**check.parameters}) for check in HONEST]
    documents = make_documents(strict_threshold=12)
    for place in (0, 1, 2, 5):
        twelve[place] = changed(place, units=12)
    lies = Lies(body={"checks": tuple(twelve)})
    step, error = Forge(documents=documents, lies=lies).refusal()
    assert (step, type(error)) == ("rules", IntegrityError)
    wide = tuple(replace(check, withheld="0-99") for check in twelve)
    assert Forge(documents=documents, lies=Lies(body={"checks": wide})).verify()


def test_what_was_withheld_is_told_in_bands():
    some = replace(HONEST[0], verdict="withheld", withheld="10-99")
    assert "threshold withheld 10-99" in judged((some, *HONEST[1:])).verify().lines[11].found


@pytest.mark.parametrize("value", ["ten", "", "1e3", "10 "])
def test_a_parameter_that_is_no_number_is_malformed(value):
    step, error = judged((changed(0, units=value), *HONEST[1:])).refusal()
    assert (step, type(error)) == ("rules", MalformedError)


@pytest.mark.parametrize("band", ["7 patients", "<10", "-", "1-", "999999999999999999"])
def test_a_band_is_a_band(band):
    checks = (replace(HONEST[0], verdict="withheld", withheld=band), *HONEST[1:])
    with pytest.raises(CleanroomError):
        judged(checks).verify()


def test_a_refusal_lists_that_nothing_was_released_also_when_repeated():
    for lies in (
        Lies(body={"answered": Answered.REFUSED, "checks": NOTHING_RELEASED}),
        Lies(entry=None, body={"checks": NOTHING_RELEASED}),
    ):
        assert Forge(lies=lies).verify().lines[11].found == "the whole result was withheld"


@pytest.mark.parametrize(
    "body",
    [
        {"answered": Answered.REFUSED},
        {"answered": Answered.REFUSED, "checks": ()},
        {"checks": NOTHING_RELEASED},
        {"checks": (*HONEST, *NOTHING_RELEASED)},
    ],
)
def test_a_refusal_and_a_release_cannot_be_taken_for_each_other(body):
    assert Forge(lies=Lies(body=body)).refusal()[0] == "rules"
