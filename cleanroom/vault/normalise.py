# SPDX-License-Identifier: Apache-2.0
"""Identifier rules: make two owners' spellings of one person meet.

A rule is declared in the signed dataset document and applied once, at sealing,
in SQL over whole columns. What is no identifier at all becomes NULL: hashing
``n/a`` would make one person out of everybody whose address is unknown.
"""

from __future__ import annotations

from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass

EMAIL = "email-sha256"
PHONE = "phone-e164-sha256"
TRIM_LOWER = "trim-lower"

# White space that people paste around identifiers; U+00A0 comes from spreadsheets.
_SPACE = r"[ \t\n\v\f\r\x{a0}]"
_EDGES = rf"^{_SPACE}+|{_SPACE}+$"
_WRITTEN = r"[ \t\x{a0}()./-]"
_E164 = r"[1-9][0-9]{7,14}"  # ITU-T E.164 section 6.2.1: 15 digits at most


@dataclass(frozen=True, slots=True, kw_only=True)
class DialingPlan:
    """How one country writes its own numbers.

    Attributes:
        calling_code: What comes after the plus sign.
        trunk: Prefix of national numbers that is dropped after a calling code.
        international: Prefix that stands for the plus sign.
    """

    calling_code: str
    trunk: str
    international: str = "00"


# ITU-T E.164 country codes, with the national and international prefixes that
# the ITU operational bulletin "Dialling procedures" lists.
DIALING_PLANS = {
    country: DialingPlan(calling_code=code, trunk=trunk, international=international)
    for country, code, trunk, international in (
        ("at", "43", "0", "00"),
        ("au", "61", "0", "0011"),
        ("be", "32", "0", "00"),
        ("bg", "359", "0", "00"),
        ("ca", "1", "1", "011"),
        ("ch", "41", "0", "00"),
        ("cz", "420", "", "00"),
        ("de", "49", "0", "00"),
        ("dk", "45", "", "00"),
        ("ee", "372", "", "00"),
        ("es", "34", "", "00"),
        ("fi", "358", "0", "00"),
        ("fr", "33", "0", "00"),
        ("gb", "44", "0", "00"),
        ("gr", "30", "", "00"),
        ("hr", "385", "0", "00"),
        ("hu", "36", "06", "00"),
        ("ie", "353", "0", "00"),
        ("in", "91", "0", "00"),
        ("is", "354", "", "00"),
        ("it", "39", "", "00"),
        ("jp", "81", "0", "010"),
        ("lu", "352", "", "00"),
        ("lv", "371", "", "00"),
        ("mx", "52", "", "00"),
        ("nl", "31", "0", "00"),
        ("no", "47", "", "00"),
        ("nz", "64", "0", "00"),
        ("pl", "48", "", "00"),
        ("pt", "351", "", "00"),
        ("ro", "40", "0", "00"),
        ("se", "46", "0", "00"),
        ("si", "386", "0", "00"),
        ("sk", "421", "0", "00"),
        ("tr", "90", "0", "00"),
        ("us", "1", "1", "011"),
        ("za", "27", "0", "00"),
    )
}


def normalised(expression: str, *, rule: str, column: str) -> str:
    """Wrap a SQL text expression so that it yields the normalised identifier.

    Raises:
        MalformedError: The rule, or the country of a phone rule, is not known.
    """
    if rule == TRIM_LOWER:
        return _trimmed_lower(expression)
    if rule == EMAIL:
        return _email(expression)
    if rule == PHONE:
        return _phone(expression, plan=None)
    name, _, country = rule.partition(":")
    if name == PHONE and country in DIALING_PLANS:
        return _phone(expression, plan=DIALING_PLANS[country])
    raise MalformedError(
        f"column {column}: no such normalisation rule",
        code="vault.normalisation",
        hint=f"write {EMAIL}, {TRIM_LOWER}, {PHONE} or {PHONE}:<country>, for example {PHONE}:de",
    )


def _trimmed_lower(expression: str) -> str:
    return f"nullif(lower({_trimmed(expression)}), '')"


def _trimmed(expression: str) -> str:
    return f"regexp_replace({expression}, '{_EDGES}', '', 'g')"


def _email(expression: str) -> str:
    address = f"lower({_trimmed(expression)})"
    looks = rf"regexp_full_match({address}, '[^@\s]+@[^@\s]+')"
    return f"CASE WHEN {looks} THEN sha256({address}) END"


def _phone(expression: str, *, plan: DialingPlan | None) -> str:
    number = f"regexp_replace({_international_form(expression, plan)}, '{_WRITTEN}', '', 'g')"
    digits = _digits(number, plan)
    return f"CASE WHEN regexp_full_match({digits}, '{_E164}') THEN sha256('+' || {digits}) END"


def _international_form(expression: str, plan: DialingPlan | None) -> str:
    # "+49 (0)30 …" shows the trunk prefix that callers from abroad leave out.
    prefixes = r"\+" if plan is None else rf"\+|{plan.international}"
    text = _trimmed(expression)
    return (
        f"CASE WHEN regexp_matches({text}, '^(?:{prefixes})') "
        rf"THEN regexp_replace({text}, '\(0\)', '') ELSE {text} END"
    )


def _digits(number: str, plan: DialingPlan | None) -> str:
    plus = f"WHEN {number}[1] = '+' THEN {number}[2:]"
    if plan is None:
        return f"(CASE {plus} END)"
    dialled, trunk = plan.international, plan.trunk
    abroad = f"WHEN starts_with({number}, '{dialled}') THEN {number}[{len(dialled) + 1}:]"
    home = f"regexp_replace({number}, '^{trunk}', '')" if trunk else number
    return f"(CASE {plus} {abroad} ELSE '{plan.calling_code}' || {home} END)"
