# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import pytest

from cleanroom.attestation.tokens.claims import (
    flag_claim,
    hex_claim,
    number_claim,
    object_claim,
    require_issuer,
    require_times,
    text_claim,
)
from cleanroom.errors import EvidenceRefusedError, MalformedError
from tests.support.test_pki import AT
from tests.support.token_forge import NOW


def times(**changes):
    claims = {"iat": NOW, "nbf": NOW, "exp": NOW + 3600} | changes
    return {name: value for name, value in claims.items() if value is not None}


def test_a_token_counts_from_its_start_until_its_end():
    for seconds in (-60, 0, 3599):
        assert require_times(times(), at=AT + dt.timedelta(seconds=seconds), what="token") == AT


@pytest.mark.parametrize(
    ("seconds", "changes", "code"),
    [
        (-61, {}, "token.not-yet-valid"),
        (-61, {"nbf": None}, "token.not-yet-valid"),
        (0, {"nbf": NOW + 61}, "token.not-yet-valid"),
        (0, {"iat": NOW + 61, "nbf": NOW - 60}, "token.not-yet-valid"),
        (3600, {}, "token.expired"),
        (0, {"exp": NOW}, "token.expired"),
        (0, {"exp": NOW + 86401}, "token.lifetime"),
    ],
)
def test_a_token_out_of_its_time_is_refused(seconds, changes, code):
    with pytest.raises(EvidenceRefusedError, match="^token: ") as refused:
        require_times(times(**changes), at=AT + dt.timedelta(seconds=seconds), what="token")
    assert refused.value.code == code


@pytest.mark.parametrize("name", ["iat", "exp"])
@pytest.mark.parametrize("value", [None, "1", -1, True, 253_402_300_800, [1]])
def test_a_time_must_be_there_and_be_one(name, value):
    with pytest.raises(MalformedError, match=f"^token claim {name}: "):
        require_times(times(**{name: value}), at=AT, what="token")


@pytest.mark.parametrize("claims", [{}, {"iss": "https://b"}, {"iss": ["https://a"]}])
def test_another_issuer_is_refused(claims):
    require_issuer({"iss": "https://a"}, issuer="https://a", what="token")
    with pytest.raises(EvidenceRefusedError, match="agreed https://a"):
        require_issuer(claims, issuer="https://a", what="token")


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (text_claim, "", (None, 1, True, [])),
        (flag_claim, False, (None, 0, 1, "true")),
        (number_claim, 0, (None, -1, True, "0")),
        (object_claim, {}, (None, [], "")),
    ],
)
def test_an_absent_claim_is_refused_and_never_empty(read, good, bad):
    assert read({"claim": good}, "claim", what="token") == good
    for claims in ({}, *({"claim": value} for value in bad)):
        with pytest.raises(MalformedError, match="^token claim claim: agreed ") as refused:
            read(claims, "claim", what="token")
        assert refused.value.code == "token.claim"


def test_hexadecimal_has_its_full_length():
    assert hex_claim({"claim": "00FF"}, "claim", size=2, what="token") == b"\0\xff"
    for text in ("00", "00ff00", "00 ff", "zzzz", "0x00", ""):
        with pytest.raises(MalformedError, match="2 bytes in hexadecimal"):
            hex_claim({"claim": text}, "claim", size=2, what="token")
