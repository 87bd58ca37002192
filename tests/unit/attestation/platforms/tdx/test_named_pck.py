# SPDX-License-Identifier: Apache-2.0
"""Quotes that only name their PCK certificate: types 1 to 3 of certification data."""

import json
from dataclasses import replace

import pytest

from cleanroom.attestation.platforms.tdx import KINDS
from cleanroom.attestation.platforms.tdx.parse import PckName, parse_quote
from cleanroom.attestation.platforms.tdx.verify import SgxVerifier, TdxVerifier
from cleanroom.errors import IntegrityError, MalformedError
from tests.support.dcap_forge import (
    AT,
    COMPONENTS,
    PCEID,
    PCESVN,
    PPID,
    SGX,
    TDX,
    Wrong,
    intel,
    make_collateral,
    make_crl,
    make_item,
    make_pck,
    make_quote,
)
from tests.support.dcap_name import chain_beside, pck_name

OURS = TdxVerifier(pins=intel().pins)
ENCLAVES = SgxVerifier(pins=intel().pins)


def item(kind=3, *, tee=TDX, version=4, chain=None, pck=None, **named):
    wrong = Wrong(types=(6, kind), chain=pck_name(kind, **named), pck=pck)
    quote = make_quote(tee, version, wrong=wrong)
    beside = chain_beside(pck) if chain is None else chain
    dcap = make_collateral(tee, **({"pck_certificate_chain": beside} if beside else {}))
    return replace(make_item(tee), report=quote, collateral={"dcap": dcap})


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize(("tee", "version"), [(TDX, 4), (TDX, 5), (SGX, 3)])
def test_a_named_certificate_counts_once_it_came_along(kind, tee, version):
    evidence = item(kind, tee=tee, version=version)
    verifier = OURS if tee == TDX else ENCLAVES
    (facts,) = verifier.verify(evidence, at=AT).facts
    # Both verifiers accepted the same certificate; without collateral there would be no level.
    assert (facts.tcb_status, facts.ppid) == ("UpToDate", PPID)


def test_what_a_quote_names_is_read():
    for kind, ppid in ((1, PPID), (2, b""), (3, b"")):
        quote = parse_quote(make_quote(wrong=Wrong(types=(6, kind), chain=pck_name(kind))))
        assert quote.chain == PckName(
            ppid=ppid, cpusvn=bytes(COMPONENTS), pcesvn=PCESVN, pceid=PCEID
        )


@pytest.mark.parametrize(
    ("kind", "named", "match"),
    [
        (3, {"pceid": b"\1\0"}, "PCE-ID 0000, agreed the quote's 0100"),
        (3, {"cpusvn": bytes(16)}, "CPUSVN 0203.*, agreed the quote's 0000"),
        (2, {"pcesvn": 12}, "PCESVN 11, agreed the quote's 12"),
        (1, {"ppid": b"Q" * 16}, "PPID 5050.*, agreed the quote's 5151"),
    ],
)
def test_a_certificate_of_another_platform_or_firmware_is_refused_by_name(kind, named, match):
    with pytest.raises(IntegrityError, match=f"^pck certificate: found {match}") as caught:
        OURS.verify(item(kind, **named), at=AT)
    assert caught.value.code == "dcap.pck-name"


@pytest.mark.parametrize("collateral", [{}, {"dcap": make_collateral()}])
def test_without_the_certificate_the_quote_is_refused(collateral):
    bare = replace(item(), collateral=collateral)
    with pytest.raises(MalformedError, match="^dcap quote: found the name of a PCK") as caught:
        OURS.verify(bare, at=AT)
    assert caught.value.code == "dcap.no-chain"
    with pytest.raises(MalformedError, match="^dcap quote: found the name of a PCK"):
        KINDS[0].collateral_requests(replace(bare, collateral={}))


def test_a_chain_that_came_along_is_verified_like_one_inside():
    another = intel("Another")
    stranger = (make_pck(owner="Another").pem + another.middle.pem + another.root.pem).decode()
    with pytest.raises(IntegrityError, match="^intel root: found"):
        OURS.verify(item(chain=stranger), at=AT)
    # Below the pinned root, and not the certificate whose key signed.
    ours = intel()
    other = (make_pck(key=ours.signer.key).pem + ours.middle.pem + ours.root.pem).decode()
    with pytest.raises(IntegrityError, match="^dcap qe report: the signature does not match"):
        OURS.verify(item(chain=other), at=AT)
    with pytest.raises(MalformedError, match="^pck chain: found 2 certificates against 3"):
        OURS.verify(item(chain=(ours.middle.pem + ours.root.pem).decode()), at=AT)


def test_a_quote_that_brings_its_chain_takes_no_other():
    stranger = (make_pck(owner="Another").pem + intel("Another").middle.pem).decode()
    dcap = make_collateral(pck_certificate_chain=stranger)
    assert OURS.verify(replace(make_item(), collateral={"dcap": dcap}), at=AT).facts


@pytest.mark.parametrize("kind", [0, 4, 6, 7])
def test_other_types_are_refused(kind):
    quote = make_quote(wrong=Wrong(types=(6, kind), chain=pck_name(3)))
    match = f"^dcap quote: found certification type {kind} against 1, 2, 3 or 5"
    with pytest.raises(MalformedError, match=match):
        parse_quote(quote)


@pytest.mark.parametrize(("kind", "other"), [(1, 2), (2, 1), (3, 2), (2, 3)])
def test_a_name_has_the_length_of_its_type(kind, other):
    quote = make_quote(wrong=Wrong(types=(6, kind), chain=pck_name(other)))
    with pytest.raises(MalformedError, match=r"^dcap quote: found (an end|bytes behind)"):
        parse_quote(quote)


def test_a_strangers_chain_may_stand_in_a_file_of_its_own():
    quote = item().report
    texts = json.loads(make_collateral())
    ours = intel()
    files = [
        chain_beside().encode(),
        make_crl(ours.root),
        make_crl(ours.middle),
        texts["tcb_info_issuer_chain"].encode(),
        *(
            b'{"%s":%s,"signature":"%s"}'
            % (outer, texts[name].encode(), texts[f"{name}_signature"].encode())
            for outer, name in ((b"tcbInfo", "tcb_info"), (b"enclaveIdentity", "qe_identity"))
        ),
    ]
    made = KINDS[0].intake(quote, files)
    assert OURS.verify(made, at=AT).facts[0].tcb_status == "UpToDate"
    with pytest.raises(MalformedError, match="^dcap quote: found the name of a PCK"):
        KINDS[0].intake(quote, files[1:])
