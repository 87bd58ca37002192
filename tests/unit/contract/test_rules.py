# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.contract.policy import Policy, parse_policy
from cleanroom.contract.policy_render import render_policy
from cleanroom.contract.rules import DominanceRule, public_only, strictest
from cleanroom.errors import RefusedError
from tests.support.room_documents import standard_policy
from tests.unit.contract.test_policy import NOISE, PUBLIC

PUBLIC_POLICY = parse_policy(render_policy(PUBLIC))


def policy(**changes) -> Policy:
    terms = dataclasses.replace(standard_policy("hospital.encounters"), **changes)
    return parse_policy(render_policy(terms))


policies = st.builds(
    policy,
    threshold=st.integers(3, 50),
    difference=st.integers(1, 50),
    p_percent=st.integers(1, 100).map(Fraction),
    dominance_largest=st.integers(1, 5),
    dominance_share=st.integers(1, 9).map(lambda tenths: Fraction(tenths, 10)),
    round_counts=st.integers(1, 20),
    significant_digits=st.integers(1, 6),
    zeros=st.sampled_from(["suppress", "release"]),
    functions=st.frozensets(st.sampled_from(["median", "stddev"])),
    receivers=st.frozensets(st.sampled_from(["hospital", "insurer"])),
)


@settings(max_examples=25)
@given(st.lists(policies, min_size=1, max_size=4))
def test_every_policy_is_obeyed(chosen):
    rules = strictest(chosen)
    for each in chosen:
        assert rules.threshold >= each.threshold
        assert rules.difference >= each.difference
        assert rules.p_percent >= each.p_percent
        assert rules.round_counts % each.round_counts == 0
        assert rules.significant_digits <= each.significant_digits
        assert rules.functions <= each.functions
        assert rules.kinds <= each.kinds
        assert rules.receivers <= each.receivers
        rule = DominanceRule(largest=each.dominance_largest, share=each.dominance_share)
        assert rule in rules.dominance
        assert rules.zeros == "suppress" or each.zeros == "release"


@settings(max_examples=25)
@given(st.lists(policies, min_size=1, max_size=3), policies)
def test_another_policy_never_loosens_a_rule(chosen, another):
    before, after = strictest(chosen), strictest([*chosen, another])
    assert after.threshold >= before.threshold
    assert after.dominance >= before.dominance
    assert after.receivers <= before.receivers
    assert after.significant_digits <= before.significant_digits


def test_the_order_of_policies_does_not_matter():
    one, two = policy(threshold=5, round_counts=4), policy(threshold=20, round_counts=6)
    assert strictest([one, two]) == strictest([two, one])
    assert strictest([one, two]).round_counts == 12


def test_a_public_policy_loosens_no_output_rule_and_still_names_its_receivers():
    alone = strictest([policy()])
    both = strictest([policy(), PUBLIC_POLICY])
    assert dataclasses.replace(both, receivers=alone.receivers) == alone
    assert both.receivers == {"hospital"}
    assert not both.public


def test_one_demand_for_noise_is_enough():
    assert strictest([policy(), policy(noise=NOISE)]).noise == {NOISE}


def test_public_datasets_alone_have_no_output_rule():
    rules = strictest([PUBLIC_POLICY])
    assert rules == public_only([PUBLIC_POLICY])
    assert rules.public
    assert rules.receivers == {"hospital"}


def test_without_any_policy_nothing_leaves():
    with pytest.raises(RefusedError) as refused:
        strictest([])
    assert refused.value.code == "rules.empty"


def test_a_protected_dataset_is_never_taken_for_a_public_one():
    with pytest.raises(RefusedError, match="^rules: found hospital.encounters, which protects"):
        public_only([PUBLIC_POLICY, policy()])
