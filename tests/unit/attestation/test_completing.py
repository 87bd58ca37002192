# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from cleanroom.attestation.collateral import (
    CollateralCache,
    CollateralRequest,
    split_issuer,
    with_issuer,
)
from cleanroom.attestation.completing import MAX_ROUNDS, complete
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.simulated import KINDS
from cleanroom.errors import MalformedError

BARE = EvidenceItem(platform="simulated", report=b"r", collateral={})


def request(name):
    return CollateralRequest(
        name=name, url=f"https://v.example/{name}", method="GET", headers={}, body=b""
    )


def kind_that_always_wants_more():
    def wanted(item):
        return (request(str(len(item.collateral))),)

    def intake(report, files):
        names = {f"file-{number}": file for number, file in enumerate(files)}
        return EvidenceItem(platform="simulated", report=report, collateral=names)

    return replace(KINDS[0], collateral_requests=wanted, intake=intake)


def test_rounds_have_an_end():
    found = complete(kind_that_always_wants_more(), BARE, lambda _: [b"x"])
    assert len(found.collateral) == MAX_ROUNDS


def test_what_needs_nothing_stays_as_it_is():
    kind = replace(KINDS[0], collateral_requests=lambda _: ())
    assert complete(kind, BARE, lambda _: pytest.fail("nothing to ask")) is BARE


def test_a_cache_says_since_when_it_keeps_an_answer(tmp_path):
    cache = CollateralCache(directory=tmp_path)
    assert cache.kept_since(request("a")) is None
    cache.store(request("a"), b"x")
    since = cache.kept_since(request("a"))
    assert since is not None
    assert since.tzinfo is not None
    assert since.timestamp() == pytest.approx(cache.path_of(request("a")).stat().st_mtime)


def test_an_answer_and_its_issuers_are_one_document_and_two_again():
    document = with_issuer(b"\x30body", b"-----BEGIN")
    assert split_issuer(document) == (b"\x30body", b"-----BEGIN")
    assert split_issuer(b'{"tcbInfo":{}}') is None
    for wrong in (b'{"body":"%"', b'{"body":"%","issuer_chain":""}', b'{"body":"","x":1}'):
        with pytest.raises(MalformedError):
            split_issuer(wrong)
