# SPDX-License-Identifier: Apache-2.0
"""The rules that were applied against the strictest of what the owners signed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanroom.errors import CleanroomError, IntegrityError, MalformedError, RefusedError
from cleanroom.receipt.model import NOTHING_RELEASED, Answered, CheckRecord
from tests.support.receipt_forge import Forge, Lies
from tests.support.receipt_room import PUBLIC, make_documents

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
    assert error.message.startswith(f"rule {HONEST[index].rule}:")


@pytest.mark.parametrize(
    ("index", "parameters"),
    [
        (0, {"units": 9}),
        (1, {"units": 5}),
        (2, {"units": 0}),
        (3, {"share": "3/5"}),
        (3, {"largest": 0}),
        (4, {"share": "1"}),
        (4, {"largest": 1}),
        (5, {"p": "9.99"}),
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


@pytest.mark.parametrize("index", POSITIONS)
def test_a_looser_line_beside_the_strict_one_is_refused(index):
    loose = replace(HONEST[index], parameters=dict.fromkeys(HONEST[index].parameters, 0))
    if HONEST[index].rule == "dominance":
        loose = changed(index, largest=0)
    step, error = judged([*HONEST, loose]).refusal()
    assert (step, type(error)) == ("rules", RefusedError)


@pytest.mark.parametrize(
    ("index", "parameters"),
    [(0, {"units": 11}), (3, {"share": "0.4"}), (5, {"p": "20"}), (7, {"counts": 20})],
)
def test_a_stricter_rule_than_agreed_is_accepted(index, parameters):
    checks = [*HONEST]
    checks[index] = changed(index, **parameters)
    assert judged(checks).verify()


def test_a_rule_with_more_or_fewer_parameters_than_known_is_refused():
    for parameters in ({}, {"units": 10, "except": 3}):
        checks = (replace(HONEST[0], parameters=parameters), *HONEST[1:])
        assert judged(checks).refusal()[0] == "rules"


def test_a_rule_that_nobody_agreed_to_is_refused():
    extra = CheckRecord(rule="goodwill", parameters={}, verdict="held", withheld="0")
    assert judged([*HONEST, extra]).refusal()[0] == "rules"
    public = Forge(
        documents=make_documents(lineages=PUBLIC), lies=Lies(body={"checks": (HONEST[0],)})
    )
    assert public.refusal()[0] == "rules"


@pytest.mark.parametrize(("verdict", "withheld"), [("held", "1-9"), ("withheld", "0")])
def test_a_verdict_agrees_with_what_was_withheld(verdict, withheld):
    lying = replace(HONEST[0], verdict=verdict, withheld=withheld)
    step, error = judged((lying, *HONEST[1:])).refusal()
    assert (step, type(error)) == ("rules", IntegrityError)


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
