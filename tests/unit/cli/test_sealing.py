# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import click
import pytest

from cleanroom.cli.sealing import Wishes, plan
from cleanroom.errors import MalformedError, UnavailableError
from tests.support.example_data import EXAMPLES

HEALTH, ADS = EXAMPLES / "health", EXAMPLES / "advertising"
STAYS = HEALTH / "policies" / "hospital.stays.toml"
REACH = ADS / "policies" / "publisher.reach.toml"
CAMPAIGNS = ADS / "policies" / "publisher.campaigns.toml"


def test_files_go_with_the_policy_of_the_same_table_in_any_order() -> None:
    files = [Path("campaigns.csv"), Path("reach.csv")]
    plans = plan(files, [REACH, CAMPAIGNS], Wishes())
    assert [(item.source.name, item.policy) for item in plans] == [
        ("campaigns.csv", CAMPAIGNS),
        ("reach.csv", REACH),
    ]


def test_files_of_other_names_go_with_policies_in_the_order_given() -> None:
    files = [Path("export-1.csv"), Path("export-2.csv")]
    plans = plan(files, [REACH, CAMPAIGNS], Wishes())
    assert [item.policy for item in plans] == [REACH, CAMPAIGNS]


def test_files_of_one_name_in_two_directories_go_in_the_order_given() -> None:
    files = [Path("a/reach.csv"), Path("b/reach.csv")]
    assert [item.policy for item in plan(files, [CAMPAIGNS, REACH], Wishes())] == [
        CAMPAIGNS,
        REACH,
    ]


def test_a_rule_goes_to_every_table_that_has_the_column() -> None:
    plans = plan(
        [Path("stays.csv"), Path("reach.csv")], [STAYS, REACH], Wishes(rules=["email=email-sha256"])
    )
    assert [dict(item.normalisation) for item in plans] == [{"email": "email-sha256"}] * 2


def test_a_rule_may_name_one_table() -> None:
    plans = plan(
        [Path("stays.csv"), Path("reach.csv")],
        [STAYS, REACH],
        Wishes(rules=["reach.email=trim-lower"]),
    )
    assert [dict(item.normalisation) for item in plans] == [{}, {"email": "trim-lower"}]


@pytest.mark.parametrize("rule", ["email", "=trim-lower", "email=", "nothing=trim-lower"])
def test_a_rule_of_another_form_or_of_no_column_is_a_usage_error(rule: str) -> None:
    with pytest.raises(click.UsageError):
        plan([Path("stays.csv")], [STAYS], Wishes(rules=[rule]))


def test_there_is_one_policy_a_file() -> None:
    with pytest.raises(click.UsageError, match="2 files and 1 policies"):
        plan([Path("a.csv"), Path("b.csv")], [STAYS], Wishes())


def test_a_stated_type_goes_to_the_table_that_has_the_column():
    plans = plan(
        [Path("stays.csv"), Path("reach.csv")],
        [STAYS, REACH],
        Wishes(types=["cost=decimal(12,2)", "reach.contact_id=integer"]),
    )
    assert [dict(item.types) for item in plans] == [
        {"cost": "decimal(12,2)"},
        {"contact_id": "integer"},
    ]


@pytest.mark.parametrize("text", ["cost", "=integer", "cost="])
def test_a_type_without_column_or_type_is_refused(text):
    with pytest.raises(click.UsageError, match="COLUMN=TYPE"):
        plan([Path("stays.csv")], [STAYS], Wishes(types=[text]))


def test_a_type_nobody_knows_is_refused():
    with pytest.raises(MalformedError, match="--type"):
        plan([Path("stays.csv")], [STAYS], Wishes(types=["cost=money"]))


def test_a_type_for_a_column_that_no_policy_has_is_refused():
    with pytest.raises(click.UsageError, match="no policy has the column fee"):
        plan([Path("stays.csv")], [STAYS], Wishes(types=["fee=integer"]))


def test_an_order_goes_to_the_tables_that_have_the_column_and_keeps_its_places():
    wishes = Wishes(sort=["email", "stays.cost", "year"], group_rows=4096)
    stays, reach = plan([Path("stays.csv"), Path("reach.csv")], [STAYS, REACH], wishes)
    assert stays.arrangement.sort == ("email", "cost", "year")
    assert reach.arrangement.sort == ("email",)
    assert reach.arrangement.group_rows == 4096


def test_an_order_by_a_column_that_no_policy_has_is_refused():
    with pytest.raises(click.UsageError, match="no policy has the column fee"):
        plan([Path("stays.csv")], [STAYS], Wishes(sort=["fee"]))


def test_a_table_of_a_database_is_named_for_one_file_only():
    (only,) = plan([Path("stays.db")], [STAYS], Wishes(table="visits"))
    assert only.arrangement.table == "visits"
    with pytest.raises(click.UsageError, match="found several files"):
        plan([Path("a.db"), Path("b.db")], [STAYS, REACH], Wishes(table="visits"))


def test_the_address_of_a_server_is_refused_with_a_way_out():
    with pytest.raises(UnavailableError, match="^source: the address of a server") as refused:
        plan([Path("postgresql://me@host/stays")], [STAYS], Wishes())
    assert "chmod 600" in refused.value.hint
    assert "me@host" not in str(refused.value)
