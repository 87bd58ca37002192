# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import click
import pytest

from cleanroom.cli.sealing import plan
from tests.support.example_data import EXAMPLES

HEALTH, ADS = EXAMPLES / "health", EXAMPLES / "advertising"
STAYS = HEALTH / "policies" / "hospital.stays.toml"
REACH = ADS / "policies" / "publisher.reach.toml"
CAMPAIGNS = ADS / "policies" / "publisher.campaigns.toml"


def test_files_go_with_the_policy_of_the_same_table_in_any_order() -> None:
    files = [Path("campaigns.csv"), Path("reach.csv")]
    plans = plan(files, [REACH, CAMPAIGNS], [])
    assert [(item.source.name, item.policy) for item in plans] == [
        ("campaigns.csv", CAMPAIGNS),
        ("reach.csv", REACH),
    ]


def test_files_of_other_names_go_with_policies_in_the_order_given() -> None:
    files = [Path("export-1.csv"), Path("export-2.csv")]
    plans = plan(files, [REACH, CAMPAIGNS], [])
    assert [item.policy for item in plans] == [REACH, CAMPAIGNS]


def test_files_of_one_name_in_two_directories_go_in_the_order_given() -> None:
    files = [Path("a/reach.csv"), Path("b/reach.csv")]
    assert [item.policy for item in plan(files, [CAMPAIGNS, REACH], [])] == [CAMPAIGNS, REACH]


def test_a_rule_goes_to_every_table_that_has_the_column() -> None:
    plans = plan([Path("stays.csv"), Path("reach.csv")], [STAYS, REACH], ["email=email-sha256"])
    assert [dict(item.normalisation) for item in plans] == [{"email": "email-sha256"}] * 2


def test_a_rule_may_name_one_table() -> None:
    plans = plan([Path("stays.csv"), Path("reach.csv")], [STAYS, REACH], ["reach.email=trim-lower"])
    assert [dict(item.normalisation) for item in plans] == [{}, {"email": "trim-lower"}]


@pytest.mark.parametrize("rule", ["email", "=trim-lower", "email=", "nothing=trim-lower"])
def test_a_rule_of_another_form_or_of_no_column_is_a_usage_error(rule: str) -> None:
    with pytest.raises(click.UsageError):
        plan([Path("stays.csv")], [STAYS], [rule])


def test_there_is_one_policy_a_file() -> None:
    with pytest.raises(click.UsageError, match="2 files and 1 policies"):
        plan([Path("a.csv"), Path("b.csv")], [STAYS], [])
