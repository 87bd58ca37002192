# SPDX-License-Identifier: Apache-2.0
import hashlib
import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.vault.normalise import DIALING_PLANS, normalised

CONNECTION = duckdb.connect()
SPACES = " \t\n\v\f\r\u00a0"


def run(rule, values):
    expression = normalised("value", rule=rule, column="contact")
    query = f"SELECT {expression} FROM (SELECT unnest($values::VARCHAR[]) AS value)"  # noqa: S608
    return [row[0] for row in CONNECTION.execute(query, {"values": values}).fetchall()]


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_email_is_trimmed_lowered_and_hashed():
    spellings = ["ada@example.org", " Ada@Example.ORG\t", "\u00a0ADA@EXAMPLE.ORG\r\n"]
    assert set(run("email-sha256", spellings)) == {sha256("ada@example.org")}


@pytest.mark.parametrize("text", [None, "", "  ", "n/a", "a@", "@b", "a b@c", "a@b@c"])
def test_what_is_no_email_becomes_null_and_never_a_person(text):
    assert run("email-sha256", [text]) == [None]


def test_dots_and_tags_stay_because_the_rule_does_not_say_otherwise():
    first, second = run("email-sha256", ["a.da@gmail.com", "ada+x@gmail.com"])
    assert first != second != sha256("ada@gmail.com")


@pytest.mark.parametrize(
    "text",
    ["+49 30 123456", "030 123456", "(030) 12 34-56", "0049 30 123456", "+49 (0)30/123456"],
)
def test_spellings_of_one_german_number_meet(text):
    assert run("phone-e164-sha256:de", [text]) == [sha256("+4930123456")]


@pytest.mark.parametrize(
    ("country", "text", "e164"),
    [
        ("us", "(212) 555-0100", "+12125550100"),
        ("us", "1 212 555 0100", "+12125550100"),
        ("ca", "011 49 30 123456", "+4930123456"),
        ("gb", "020 7946 0018", "+442079460018"),
        ("it", "06 1234 5678", "+390612345678"),
        ("es", "912 345 678", "+34912345678"),
        ("hu", "06 1 234 5678", "+3612345678"),
        ("au", "0011 44 20 7946 0018", "+442079460018"),
        ("jp", "010 1 212 555 0100", "+12125550100"),
    ],
)
def test_national_numbers_follow_their_dialling_plan(country, text, e164):
    assert run(f"phone-e164-sha256:{country}", [text]) == [sha256(e164)]


def test_without_a_country_only_international_numbers_are_numbers():
    values = ["+49 30 123456", "030 123456", "0049 30 123456"]
    assert run("phone-e164-sha256", values) == [sha256("+4930123456"), None, None]


@pytest.mark.parametrize(
    "text", [None, "", "n/a", "12", "+12", "+49 30 1234567890123", "0301234x5"]
)
def test_what_is_no_phone_number_becomes_null(text):
    assert run("phone-e164-sha256:de", [text]) == [None]


def test_trim_lower_keeps_the_text():
    assert run("trim-lower", [" Abc ", "ÄÖ\u00a0", "   ", None]) == ["abc", "äö", None, None]


@pytest.mark.parametrize("rule", ["email", "phone-e164-sha256:xx", "phone-e164-sha256:", "md5", ""])
def test_an_unknown_rule_is_refused_with_the_column(rule):
    with pytest.raises(MalformedError, match="^column contact: no such normalisation rule"):
        normalised("value", rule=rule, column="contact")


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_email_agrees_with_a_second_implementation(text):
    # Only ASCII letters are lowered here; other alphabets may have several lower cases.
    text = "".join(char for char in text if char.isascii() or char in SPACES)
    address = text.strip(SPACES).lower()
    ok = re.fullmatch(r"[^@\t\n\f\r ]+@[^@\t\n\f\r ]+", address)
    assert run("email-sha256", [text]) == [sha256(address) if ok else None]


@settings(max_examples=100, deadline=None)
@given(
    country=st.sampled_from(sorted(DIALING_PLANS)),
    digits=st.from_regex(r"[2-9][0-9]{7,9}", fullmatch=True),
)
def test_every_plan_gives_one_number_for_every_style(country, digits):
    plan = DIALING_PLANS[country]
    e164 = plan.calling_code + digits
    styles = [f"+{e164}", plan.international + e164, plan.trunk + digits]
    assert set(run(f"phone-e164-sha256:{country}", styles)) == {sha256("+" + e164)}
